# SPDX-License-Identifier: Apache-2.0
"""Converts the values of settings as the SDK does.

The SDK's models turn values that stand for a number into one (numpy's scalars, ``Decimal``,
``"0.2"``, ``64.0`` where the API takes an int, ``True``), and refuse others; this module does the
same. `requests` records a plain number, which most callers give, without it.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping
from enum import Enum
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, cast

from .. import _log
from .fields import fields_of, items_of, name_of

# OTLP carries no larger integer: one of them makes the exporter drop its whole batch.
MAX_INTEGER: Final = 2**63 - 1
# Without the limit, two hostile numbers would make a counter that no exporter can ever encode.
MAX_COUNT: Final = 10**12
# No number that a setting can have is longer.
_MAX_DIGITS: Final = 64
# The SDK reads these words as a bool, in any case.
_TRUE: Final = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE: Final = frozenset({"0", "off", "f", "false", "n", "no"})
# A request offers at most so many tools; later ones are not looked at.
_MAX_TOOLS: Final = 128
_OUTPUT_TYPES: Final = {"text": "text", "json_object": "json", "json_schema": "json"}


def settings_of(source: object) -> Mapping[str, Any]:
    """Returns the settings in an SDK object or a mapping; {} for what cannot be read."""
    try:
        # Other mappings are not read: reading might compute their values, or change them.
        if isinstance(source, (MappingProxyType, UserDict)):
            return dict(cast("Mapping[str, Any]", source))
        return dict(fields_of(source))
    except Exception as exc:  # noqa: BLE001 -- the call must be recorded even without settings
        _log.report("read settings", exc)
        return {}


def number(value: object) -> float | None:
    """Returns a number as the SDK sends it; None if it refuses it."""
    written = _written(value, of_float=True)
    try:
        found = _float(value) if written is None else float(written)
    except (TypeError, ValueError, OverflowError):
        return None
    # The SDK sends null for NaN and the infinities.
    return found if isfinite(found) else None


def integer(value: object) -> int | None:
    """Returns an integer as the SDK sends it; None if it refuses it, or OTLP cannot carry it."""
    found = _as_integer(value)
    return found if found is not None and abs(found) <= MAX_INTEGER else None


def _as_integer(value: object) -> int | None:
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, Enum) and not isinstance(value, str):
        return _as_integer(value.value)
    written = _written(value)
    try:
        if written is not None:
            whole, point, fraction = written.partition(".")
            return int(whole) if not point or set(fraction) == {"0"} else None
        found = _float(value)
        return _whole(value, found) if found.is_integer() else None
    except (TypeError, ValueError, OverflowError):
        return None


def _float(value: Any) -> float:
    # A bool is sent as 1.0 or 0.0. float() of an array of one number issues a warning, and float()
    # reads the digits in a bytearray, which the SDK does not: both must be refused first.
    if getattr(value, "ndim", 0) or not (
        hasattr(value, "__float__") or hasattr(value, "__index__")
    ):
        raise TypeError
    return float(value)


def _whole(value: Any, number: float) -> int | None:
    from decimal import Decimal

    # The SDK sends a numpy integer by way of a float, and only a Decimal exactly.
    if not isinstance(value, Decimal):
        return int(number)
    whole = int(value)
    return whole if whole == value else None


def _written(value: object, *, of_float: bool = False) -> str | None:
    """Returns the text of a number, "" if it is no number's; None if the value is no text."""
    if isinstance(value, bytes):
        value = value[: _MAX_DIGITS + 1].decode("ascii", "replace")
    if not isinstance(value, str):
        return None
    written = str.__str__(value)
    # The SDK reads ASCII digits only.
    if len(written) > _MAX_DIGITS or not written.isascii():
        return ""
    # pydantic takes spaces around a float, and underscores in it, but not both.
    if of_float and "_" in written and written != written.strip():
        return ""
    written = written.strip()
    if "__" in written or written[:1] == "_" or written[-1:] == "_":
        return ""
    return written.replace("_", "")


def boolean(value: object) -> bool | None:
    """Returns a bool as the SDK sends it; None if it refuses it."""
    if isinstance(value, (bool, int, float)):
        return bool(value) if value in (0, 1) else None
    kind = type(value)
    if kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_"):
        return bool(value)
    known = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    if not isinstance(known, str) or str.__len__(known) > _MAX_DIGITS:
        return None
    word = str.__str__(known).lower()
    return True if word in _TRUE else False if word in _FALSE else None


def texts(value: object) -> list[str] | None:
    """Returns a list of strings, or one; None if the SDK refuses it."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)):
        return None
    each = cast("list[object]", items)
    if not all(isinstance(item, str) for item in each):
        return None
    return [name_of(item) or "" for item in each]


def output_type(response_format: object) -> str | None:
    """Returns ``gen_ai.output.type`` of a ``response_format``."""
    kind = settings_of(response_format).get("type")
    return _OUTPUT_TYPES.get(name_of(kind) or "")


def count_of_choices(value: object) -> int | None:
    """Returns ``n``, unless it is 1, which the conventions leave out."""
    count = integer(value)
    return None if count == 1 else count


def version(value: object) -> str | None:
    """Returns an agent's version, which is a number or an alias."""
    counted = None if isinstance(value, str) else integer(value)
    return name_of(value) if counted is None else str(counted)


def effort(reasoning: object) -> str | None:
    """Returns the reasoning effort of a Responses request."""
    return name_of(settings_of(reasoning).get("effort"))


def format_of_text(config: object) -> str | None:
    """Returns ``gen_ai.output.type`` of a Responses request."""
    fields = settings_of(config)
    return output_type(fields.get("format") or fields.get("format_"))


def tool_choice(value: object) -> str | None:
    """Returns the word for a choice of tools, or the name of the one function to call."""
    if isinstance(value, str):
        return name_of(value)
    choice = settings_of(value)
    return name_of(fields_of(choice.get("function")).get("name") or choice.get("name"))


def data_source(tools: object) -> str | None:
    """Returns the ids of the document libraries among the tools, joined by commas."""
    ids: list[str] = []
    for tool in items_of(tools)[:_MAX_TOOLS]:
        for each in items_of(fields_of(tool).get("library_ids"))[:_MAX_TOOLS]:
            if (named := name_of(each)) is not None and named not in ids:
                ids.append(named)
    return name_of(",".join(ids))


def conversation_id(conversation: object) -> str | None:
    """Returns the conversation of a Responses request: its id, or an object with one."""
    if isinstance(conversation, str):
        return name_of(conversation)
    return name_of(settings_of(conversation).get("id"))


def count(value: object) -> int | None:
    """Returns a usable count: an int, no bool, from 0 to 10¹². Everything else gives None."""
    if type(value) is int and 0 <= value <= MAX_COUNT:
        return value
    # A count that was not sent needs no log line: it is None, or the SDK's own marker, also falsy.
    if value:
        _log.debug("dropped an unusable count of type %s", type(value).__name__)
    return None
