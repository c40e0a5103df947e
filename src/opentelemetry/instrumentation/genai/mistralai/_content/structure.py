# SPDX-License-Identifier: Apache-2.0
"""Reads the JSON of tools' arguments and results strictly, and records it as a structure.

`exportable` repairs a text that an exporter would refuse.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite
from typing import Any, Final, cast

from .. import _log

Clean = Callable[[str], "str | None"]

# OTLP fails at 100 levels. Each object takes three of them, and what is around a structure some 15:
# a log event with 29 objects inside one another made the exporter drop its whole batch.
_MAX_DEPTH: Final = 24
# A text is cut at 64 KiB, and an escaped character may become a quarter of its length. Reading more
# than this would let a server cost its client seconds for text that is cut anyway.
_MAX_JSON: Final = 4 * 65_536
# An object with more values than this is longer than 64 KiB, whatever the values are.
_MAX_NODES: Final = 32_768


def structure(value: object, clean: Clean) -> object:
    """Reads what may be recorded of JSON, as the structure it is.

    Args:
        value: JSON as text, or as the SDK has parsed it.
        clean: the function that cleans a text; it gets the JSON as one text without needless
            escapes.

    Returns:
        The structure; the text itself, if it is no JSON, or too long or deep.
    """
    readable = ""
    if isinstance(value, str):
        try:
            source = read_json(value)
            readable = "" if source is None else as_text(source)
        except ValueError:
            readable = value
    elif value is not None:
        readable = as_text(value)
    cleaned = clean(exportable(readable))
    try:
        return None if cleaned is None else read_json(cleaned)
    except ValueError:
        return cleaned


def as_text(value: object) -> str:
    """Writes a value as JSON, and returns a string unchanged; it never raises an ``Exception``.

    It writes a number that JSON lacks as a string, ``"NaN"``, and other values that JSON lacks as
    ``null``.
    """
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=lambda _: None)
    except (ValueError, TypeError, RecursionError):
        # `_written` is slower, but writes NaN, keys that are no strings, and cycles.
        return _written(value)
    except Exception as exc:  # noqa: BLE001 -- a user's class may raise anything
        _log.report("write JSON", exc)
        return ""


def write_json(value: object) -> str:
    """Writes a value that `read_json` has read, without needless escapes."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def read_json(text: str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> object:
    """Reads JSON; numbers that JSON or OTLP lacks (NaN, 2⁶³) become strings as they are written.

    Args:
        text: JSON, or anything else.
        pairs: makes an object of its names and values; None: a dict.

    Raises:
        ValueError: the text is no JSON, longer than 256 Ki characters, or deeper than 24 levels.
    """
    if len(text) > _MAX_JSON:
        raise ValueError("too long")
    try:
        parsed: object = json.loads(
            text,
            parse_constant=str,
            parse_float=_finite,
            parse_int=_integer,
            object_pairs_hook=pairs,
        )
        if _is_flat(parsed, _MAX_DEPTH):
            return parsed
    except RecursionError:
        pass
    raise ValueError("too deep")


def exportable(text: str) -> str:
    """Joins surrogate pairs that came in two pieces, and replaces half ones by ``?``.

    One half pair makes an exporter drop its whole batch.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return whole.encode("utf-8", "replace").decode()
    return text


def number_text(value: float) -> str:
    """Writes a number as JSON does, and NaN and the infinities as JavaScript does."""
    if isinstance(value, float):
        if isfinite(value):
            return float.__repr__(value)
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124
    # str() refuses ints of more than 4,300 digits: hex() has no such limit.
    return int.__repr__(value) if value.bit_length() < 8_192 else hex(value)


def _finite(number: str) -> float | str:
    # Python reads 1e999 as Infinity, and writes that in a way that other JSON readers refuse.
    return value if isfinite(value := float(number)) else number


def _integer(number: str) -> int | str:
    # A number that OTLP cannot carry would lose the whole attribute; int() refuses 4,300 digits.
    return number if len(number) > 20 or abs(value := int(number)) >= 2**63 else value


def _is_flat(value: object, depth: int) -> bool:
    if not isinstance(value, (dict, list)):
        return True
    known = cast("dict[str, object] | list[object]", value)
    inside = known.values() if isinstance(known, dict) else known
    return depth > 0 and all(_is_flat(item, depth - 1) for item in inside)


def _written(value: object) -> str:
    try:
        return write_json(_Plain().of(value, _MAX_DEPTH))
    except Exception as exc:  # noqa: BLE001 -- a user's class may raise anything
        _log.report("write JSON", exc)
        return ""


class _Plain:
    """Makes JSON of a value that ``json`` refuses; a count bounds a cycle or a huge value."""

    def __init__(self) -> None:
        self._left = _MAX_NODES

    def of(self, value: object, depth: int) -> object:
        """Returns the value with what JSON lacks replaced, at most ``depth`` levels deep."""
        self._left -= 1
        if self._left < 0 or value is None or isinstance(value, (str, bool)):
            return value if self._left >= 0 else None
        if isinstance(value, (int, float)):
            written = number_text(value)
            known = isfinite(value) if isinstance(value, float) else abs(value) < 2**63
            return value if known else written
        if depth and isinstance(value, dict):
            pairs = cast("dict[object, object]", value).items()
            return {
                name if isinstance(name, str) else as_text(name): self.of(item, depth - 1)
                for name, item in pairs
                if self._left > 0
            }
        if depth and isinstance(value, (list, tuple)):
            items = cast("list[object]", value)
            return [self.of(item, depth - 1) for item in items if self._left > 0]
        return None
