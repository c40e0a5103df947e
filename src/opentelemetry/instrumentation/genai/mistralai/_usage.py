# SPDX-License-Identifier: Apache-2.0
"""What the API says that a call has used, with everything unusable left out."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final, cast

from . import _guard
from . import _semconv as s
from ._errors import is_word

# Two adds of a hostile number make a counter that no exporter can encode, for the process's life.
_MAX_COUNT: Final = 10**12
_MAX_NAMES: Final = 32


class Usage:
    """Token counts as the API reported them; None is what it did not report, or not usably."""

    __slots__ = ("connector_tokens", "connectors", "input_tokens", "output_tokens", "total_tokens")

    def __init__(self) -> None:
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.total_tokens: int | None = None
        self.connector_tokens: int | None = None
        self.connectors: dict[str, int] = {}

    def describe(self, attributes: dict[str, Any]) -> None:
        """Adds the span attributes: what was reported, of connectors 32 with fit names at most."""
        if self.input_tokens is not None:
            attributes[s.USAGE_INPUT_TOKENS] = self.input_tokens
        if self.output_tokens is not None:
            attributes[s.USAGE_OUTPUT_TOKENS] = self.output_tokens
        if self.total_tokens is not None:
            attributes[s.USAGE_TOTAL_TOKENS] = self.total_tokens
        if self.connector_tokens is not None:
            attributes[s.USAGE_CONNECTOR_TOKENS] = self.connector_tokens
        if self.connectors:
            fit = (name for name in self.connectors if is_word(name))
            for name in islice(fit, _MAX_NAMES):
                attributes[s.USAGE_CONNECTORS + name] = self.connectors[name]


def read_usage(source: object) -> Usage:
    """Reads a ``ConversationUsageInfo``, or the raw dict of one that the model rejected.

    Args:
        source: the SDK's object, a dict, or anything else, which then reports nothing.

    Returns:
        The counts that are ints (no bool) from 0 to 10¹²; the others are None, with a debug line.
    """
    reported = fields_of(source)
    usage = Usage()
    usage.input_tokens = count(reported.get("prompt_tokens"))
    usage.output_tokens = count(reported.get("completion_tokens"))
    usage.total_tokens = count(reported.get("total_tokens"))
    usage.connector_tokens = count(reported.get("connector_tokens"))
    connectors = reported.get("connectors")
    if isinstance(connectors, dict):
        for name, value in cast("dict[object, object]", connectors).items():
            calls = count(value)
            if isinstance(name, str) and calls is not None:
                usage.connectors[name] = calls
    return usage


def fields_of(source: object) -> dict[str, object]:
    """The fields of an SDK object, or a raw dict as it is; nothing of anything else.

    Not getattr: for a field that a model lacks, and older SDK lines lack many, pydantic's costs
    three microseconds.
    """
    if isinstance(source, dict):
        return source  # pyright: ignore[reportUnknownVariableType] -- typing.cast() costs a call
    return getattr(source, "__dict__", None) or {}


def count(value: object) -> int | None:
    """A usable count: an int, no bool, from 0 to 10¹². The rest is None."""
    if type(value) is int and 0 <= value <= _MAX_COUNT:
        return value
    # What was not sent is no news: None, or the SDK's own marker, which is falsy.
    if value:
        _guard.debug("dropped an unusable count of type %s", type(value).__name__)
    return None
