# SPDX-License-Identifier: Apache-2.0
"""Reads the objects of any supported SDK version, and the raw JSON of what its models reject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

# These are the fields of an SDK object, or of the JSON that it was made from.
Fields = dict[str, object]
AttributeValue = str | bool | int | float | list[str]
"""What an attribute of a span may be."""
_MAX_NAME: Final = 256
_CUT: Final = "…"


def fields_of(source: object) -> Fields:
    """Returns the fields of an SDK object, a raw dict itself, and {} for anything else.

    Calling getattr for each field would cost three microseconds in pydantic for a field that a
    model lacks, and older SDK lines lack many.
    """
    if isinstance(source, dict):
        return source  # pyright: ignore[reportUnknownVariableType]
    return getattr(source, "__dict__", None) or {}


def items_of(source: object) -> Sequence[object]:
    """Returns a list or tuple, and () for anything else, which may be a one-shot generator."""
    # typing.cast() would cost a function call.
    return source if isinstance(source, (list, tuple)) else ()  # pyright: ignore[reportUnknownVariableType]


def payload_of(event: Any) -> Fields:
    """Returns an event's data, or the API's own JSON if the SDK's model rejected the event."""
    fields = fields_of(event.data)
    return unpacked(fields) if "raw" in fields else fields


def unpacked(fields: Fields) -> Fields:
    """Returns the fields of the API's JSON in ``raw`` if there is one, else these fields."""
    return fields_of(fields["raw"]) if "raw" in fields else fields


def text(value: object) -> str | None:
    """Returns a string that is not empty, and None for anything else."""
    # Nearly every value is a plain ASCII string: this check comes first because it is the fastest.
    if type(value) is str and value.isascii():
        return value or None
    if not isinstance(value, str):
        return None
    # str(value) of an enum with string values is "Class.MEMBER"; and a user's class may have a
    # `__str__` that raises.
    plain = str.__str__(value)
    # Half a surrogate pair cannot be encoded: the exporter would drop its whole batch.
    return (plain if plain.isascii() else plain.encode("utf-8", "replace").decode()) or None


def name_of(value: object) -> str | None:
    """Returns an id or name as spans have it: cut at 256 characters, visibly; None if it is none.

    Every id and name passes this function on its way to a span, a remembered turn or a metric; a
    server may make each as long as it likes.
    """
    # Nearly every name is short plain ASCII: this check comes first because it is the fastest.
    if type(value) is str and value.isascii() and len(value) <= _MAX_NAME:
        return value or None
    if not isinstance(value, str):
        return None
    if str.__len__(value) > _MAX_NAME:
        value = str.__getitem__(value, slice(_MAX_NAME - 1)) + _CUT
    return text(value)


def is_whole(named: str) -> bool:
    """Returns whether `name_of` has cut nothing off, so that no other name looks the same."""
    return len(named) < _MAX_NAME or (len(named) == _MAX_NAME and named[-1] != _CUT)
