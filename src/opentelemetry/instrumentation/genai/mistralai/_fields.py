# SPDX-License-Identifier: Apache-2.0
"""Reads the objects of any SDK line, and the raw JSON of what a line's models reject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def fields_of(source: object) -> dict[str, object]:
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


def payload_of(event: Any) -> dict[str, object]:
    """The event's data; of one that the SDK's model rejected, the API's own JSON."""
    fields = fields_of(event.data)
    return fields_of(fields["raw"]) if "raw" in fields else fields


def text(value: object) -> str | None:
    """A string that is one and not empty, else None."""
    # What it nearly always is, and at once.
    if type(value) is str and value.isascii():
        return value or None
    if not isinstance(value, str) or not value:
        return None
    # Half a surrogate pair cannot be encoded: the exporter would drop the whole batch for it.
    if not value.isascii():
        return value.encode("utf-8", "replace").decode()
    # Not str(value): that of an enum with string values is "Class.MEMBER".
    return str.__str__(value)
