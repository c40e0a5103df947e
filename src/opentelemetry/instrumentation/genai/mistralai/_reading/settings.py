# SPDX-License-Identifier: Apache-2.0
"""Reads the settings of a request, as the conventions name them: temperature, limits, formats.

Each is recorded as the SDK sends it. The SDK's models turn values that stand for a number into one
(numpy's scalars, ``Decimal``, ``"0.2"``, ``64.0`` where the API takes an int, ``True``), and refuse
others; this module does the same for each value (the test compares it with the bytes sent).
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Mapping
from enum import Enum
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, cast

from .. import _log
from .. import _names as s
from .fields import fields_of, name_of

AttributeValue = str | bool | int | float | list[str]

# OTLP carries no larger integer: one of them makes the exporter drop its whole batch.
_MAX_INTEGER: Final = 2**63 - 1
# No number that a setting can have is longer.
_MAX_DIGITS: Final = 64
_OUTPUT_TYPES: Final = {"text": "text", "json_object": "json", "json_schema": "json"}


def describe_settings(source: object, attributes: dict[str, AttributeValue]) -> None:
    """Adds each setting that a request has and that the SDK does not refuse.

    Args:
        source: the keyword arguments of a call, or its ``completion_args``, typed or a dict.
        attributes: the dict that the settings are added to.
    """
    # The source is nearly always a plain dict of keyword arguments, which needs no copy.
    settings: Mapping[str, Any] = (
        cast("Any", source) if type(source) is dict else _settings_of(source)
    )
    for name, value in settings.items():
        known = _SETTINGS.get(name)
        if known is None or value is None:
            continue
        # The value may be of any class of the user's: if it raises, this setting alone is lost.
        try:
            setting = known[1](value)
        except Exception as exc:  # noqa: BLE001 -- the other settings must be read
            _log.report(f"read the setting {name}", exc)
        else:
            if setting is not None:
                attributes[known[0]] = setting


def _settings_of(source: object) -> Mapping[str, Any]:
    try:
        # Other mappings are not read: reading might compute their values, or change them.
        if isinstance(source, (MappingProxyType, UserDict)):
            return dict(cast("Mapping[str, Any]", source))
        return dict(fields_of(source))
    except Exception as exc:  # noqa: BLE001 -- the call must be recorded even without settings
        _log.report("read settings", exc)
        return {}


def _number(value: object) -> float | None:
    if type(value) is float:
        return value if isfinite(value) else None
    written = _written(value)
    try:
        number = _float(value) if written is None else float(written)
    except (TypeError, ValueError, OverflowError):
        return None
    # The SDK sends null for NaN and the infinities.
    return number if isfinite(number) else None


def _integer(value: object) -> int | None:
    """Returns an integer as the SDK sends it; None if it refuses it, or OTLP cannot carry it."""
    found = value if type(value) is int else _as_integer(value)
    return found if found is not None and abs(found) <= _MAX_INTEGER else None


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
        number = _float(value)
        return _whole(value, number) if number.is_integer() else None
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


def _written(value: object) -> str | None:
    """Returns the text of a number, "" if it is no number's; None if the value is no text."""
    if isinstance(value, bytes):
        value = value[: _MAX_DIGITS + 1].decode("ascii", "replace")
    if not isinstance(value, str):
        return None
    written = str.__str__(value)
    # The SDK reads ASCII digits only.
    if len(written) > _MAX_DIGITS or not written.isascii():
        return ""
    written = written.strip()
    if "__" in written or written[:1] == "_" or written[-1:] == "_":
        return ""
    return written.replace("_", "")


def _texts(value: object) -> list[str] | None:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)):
        return None
    texts = cast("list[object]", items)
    if not all(isinstance(item, str) for item in texts):
        return None
    return [name_of(item) or "" for item in texts]


def _output_type(response_format: object) -> str | None:
    kind = _settings_of(response_format).get("type")
    return _OUTPUT_TYPES.get(name_of(kind) or "")


def _count_of_choices(value: object) -> int | None:
    count = _integer(value)
    return None if count == 1 else count


def _version(value: object) -> str | None:
    number = None if isinstance(value, str) else _integer(value)
    return name_of(value) if number is None else str(number)


def _effort(reasoning: object) -> str | None:
    return name_of(_settings_of(reasoning).get("effort"))


def _format_of_text(config: object) -> str | None:
    fields = _settings_of(config)
    return _output_type(fields.get("format") or fields.get("format_"))


_Convert = Callable[[object], AttributeValue | None]
_SETTINGS: Final[Mapping[str, tuple[str, _Convert]]] = {
    "temperature": (s.REQUEST_TEMPERATURE, _number),
    "top_p": (s.REQUEST_TOP_P, _number),
    "top_k": (s.REQUEST_TOP_K, _integer),
    "max_tokens": (s.REQUEST_MAX_TOKENS, _integer),
    "frequency_penalty": (s.REQUEST_FREQUENCY_PENALTY, _number),
    "presence_penalty": (s.REQUEST_PRESENCE_PENALTY, _number),
    "stop": (s.REQUEST_STOP_SEQUENCES, _texts),
    "random_seed": (s.REQUEST_SEED, _integer),
    "reasoning_effort": (s.REQUEST_REASONING_LEVEL, name_of),
    "response_format": (s.OUTPUT_TYPE, _output_type),
    "n": (s.REQUEST_CHOICE_COUNT, _count_of_choices),
    "output_dimension": (s.EMBEDDINGS_DIMENSIONS, _integer),
    "encoding_format": (s.REQUEST_ENCODING_FORMATS, _texts),
    "max_output_tokens": (s.REQUEST_MAX_TOKENS, _integer),
    "previous_response_id": (s.REQUEST_PREVIOUS_RESPONSE, name_of),
    "reasoning": (s.REQUEST_REASONING_LEVEL, _effort),
    "agent_version": (s.AGENT_VERSION, _version),
    "text": (s.OUTPUT_TYPE, _format_of_text),
}
