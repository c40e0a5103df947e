# SPDX-License-Identifier: Apache-2.0
"""Reads the objects of any SDK line, and the raw JSON of what a line's models reject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

# The fields of an object of the SDK's, or of the JSON that it was made from.
Fields = dict[str, object]
_MAX_NAME: Final = 256
_CUT: Final = "…"


def fields_of(source: object) -> Fields:
    """The fields of an SDK object, or a raw dict as it is; nothing of anything else.

    Not getattr: for a field that a model lacks, and older SDK lines lack many, pydantic's costs
    three microseconds.
    """
    if isinstance(source, dict):
        return source  # pyright: ignore[reportUnknownVariableType]
    return getattr(source, "__dict__", None) or {}


def items_of(source: object) -> Sequence[object]:
    """The items of a list or tuple; nothing of anything else, which may be a one-shot generator."""
    # Not typing.cast(), which is a call.
    return source if isinstance(source, (list, tuple)) else ()  # pyright: ignore[reportUnknownVariableType]


def payload_of(event: Any) -> Fields:
    """The event's data; of one that the SDK's model rejected, the API's own JSON."""
    fields = fields_of(event.data)
    return unpacked(fields) if "raw" in fields else fields


def unpacked(fields: Fields) -> Fields:
    """These fields, or those of the JSON that they were kept aside with as ``raw``."""
    return fields_of(fields["raw"]) if "raw" in fields else fields


def text(value: object) -> str | None:
    """A string that is one and not empty, else None."""
    # What it nearly always is, and at once.
    if type(value) is str and value.isascii():
        return value or None
    if not isinstance(value, str):
        return None
    # Not str(value): that of an enum with string values is "Class.MEMBER". And str's own method,
    # because a class of the user's may have another that raises.
    plain = str.__str__(value)
    # Half a surrogate pair cannot be encoded: the exporter would drop the whole batch for it.
    return (plain if plain.isascii() else plain.encode("utf-8", "replace").decode()) or None


def name_of(value: object) -> str | None:
    """A text that names somebody or something, as spans have it: cut at 256 characters, visibly.

    Every id and name passes here on its way to a span, a turn that is remembered or a metric; a
    server may make each as long as it likes.
    """
    # What it nearly always is, and at once.
    if type(value) is str and value.isascii() and len(value) <= _MAX_NAME:
        return value or None
    if not isinstance(value, str):
        return None
    if str.__len__(value) > _MAX_NAME:
        value = str.__getitem__(value, slice(_MAX_NAME - 1)) + _CUT
    return text(value)


def is_whole(named: str) -> bool:
    """Whether `name_of` has cut nothing off, so that nothing else has the same name."""
    return len(named) < _MAX_NAME or (len(named) == _MAX_NAME and named[-1] != _CUT)
