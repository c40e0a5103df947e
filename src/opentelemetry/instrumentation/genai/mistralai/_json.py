# SPDX-License-Identifier: Apache-2.0
"""JSON that tools are given and return: read strictly, recorded as the structure it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite
from typing import Final, cast

Clean = Callable[[str], "str | None"]

# OTLP gives up at 100 levels, of which a message has some.
_MAX_DEPTH: Final = 32


def structure(value: object, clean: Clean) -> object:
    """What may be recorded of JSON, as the structure it is.

    ``clean`` sees it as one text, in which nothing is escaped that JSON allows as it is.
    """
    try:
        source = _strict_json(value) if isinstance(value, str) else value
        readable = "" if source is None else as_text(source)
    except (ValueError, RecursionError):
        readable = value if isinstance(value, str) else ""
    # Half a surrogate pair, which JSON may escape, cannot be exported.
    cleaned = clean(readable.encode("utf-8", "replace").decode())
    try:
        return None if cleaned is None else _strict_json(cleaned)
    except (ValueError, RecursionError):
        return cleaned


def as_text(value: object) -> str:
    """A JSON value as text; a string is taken for JSON already.

    Raises:
        ValueError: it has a number that JSON has not.
    """
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=lambda _: None)


def _strict_json(value: str) -> object:
    parsed: object = json.loads(
        value, parse_constant=_finite, parse_float=_finite, parse_int=_integer
    )
    if not _is_flat(parsed, _MAX_DEPTH):
        raise ValueError("too deep")
    return parsed


def _finite(number: str) -> float:
    # Python reads and writes NaN and Infinity, and nobody else does.
    if not isfinite(value := float(number)):
        raise ValueError(number)
    return value


def _integer(number: str) -> int:
    # What OTLP cannot carry takes the whole attribute with it.
    if abs(value := int(number)) >= 2**63:
        raise ValueError(number)
    return value


def _is_flat(value: object, depth: int) -> bool:
    if not isinstance(value, (dict, list)):
        return True
    known = cast("dict[str, object] | list[object]", value)
    inside = known.values() if isinstance(known, dict) else known
    return depth > 0 and all(_is_flat(item, depth - 1) for item in inside)
