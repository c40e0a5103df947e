# SPDX-License-Identifier: Apache-2.0
"""What the API says that a call has used, with everything unusable left out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import Final

from .. import _log
from .. import _names as s
from .errors import is_word
from .fields import fields_of

# Two adds of a hostile number make a counter that no exporter can encode, for the process's life.
_MAX_COUNT: Final = 10**12
_MAX_NAMES: Final = 32


# What the API calls a count, in any of its usage objects, and the span attribute that it becomes.
_ATTRIBUTES: Final[Mapping[str, str]] = {
    "prompt_tokens": s.USAGE_INPUT_TOKENS,
    "input_tokens": s.USAGE_INPUT_TOKENS,
    "completion_tokens": s.USAGE_OUTPUT_TOKENS,
    "output_tokens": s.USAGE_OUTPUT_TOKENS,
    "total_tokens": s.USAGE_TOTAL_TOKENS,
    "connector_tokens": s.USAGE_CONNECTOR_TOKENS,
    "cached_tokens": s.USAGE_CACHE_READ,
    "num_cached_tokens": s.USAGE_CACHE_READ,
    "cache_write_tokens": s.USAGE_CACHE_WRITE,
    "reasoning_tokens": s.USAGE_REASONING,
    "pages_processed": s.USAGE_PAGES,
    "doc_size_bytes": s.USAGE_DOCUMENT_BYTES,
    "prompt_audio_seconds": s.USAGE_AUDIO_SECONDS,
}
# Where the API says more of the tokens that it counts; no two of them count the same thing.
_DETAILS: Final = frozenset(
    {
        "prompt_tokens_details",
        "completion_tokens_details",
        "input_tokens_details",
        "output_tokens_details",
    }
)


class Usage:
    """Counts as the API reported them; what it did not report, or not usably, is not there.

    Attributes:
        counts: by span attribute.
        connectors: calls of each connector.
    """

    counts: Mapping[str, int] = MappingProxyType({})
    connectors: Mapping[str, int] = MappingProxyType({})

    def of_connectors(self) -> dict[str, int]:
        """By span attribute: calls of connectors, 32 with fit names at most."""
        fit = (name for name in self.connectors if is_word(name))
        return {
            s.USAGE_CONNECTORS + name: self.connectors[name] for name in islice(fit, _MAX_NAMES)
        }


def read_usage(source: object) -> Usage:
    """Reads usage in any shape that the API has for it.

    Args:
        source: the SDK's object, the raw dict of one that its model rejected, or anything else,
            which then reports nothing.

    Returns:
        The counts that are ints (no bool) from 0 to 10¹²; others are left out, with a debug line.
    """
    reported, usage = fields_of(source), Usage()
    counts: dict[str, int] = {}
    # What a model does not know is kept aside.
    extra: object = getattr(source, "__pydantic_extra__", None)
    if extra or not _DETAILS.isdisjoint(reported):
        reported = _with_details({**reported, **fields_of(extra)})
    for name, value in reported.items():
        attribute = _ATTRIBUTES.get(name)
        if attribute is None or value is None:
            continue
        # What it nearly always is, without the call of a function.
        if type(value) is int and 0 <= value <= _MAX_COUNT:
            counts[attribute] = value
        elif value:
            count(value)
    if s.USAGE_CACHE_WRITE in counts:
        # The conventions' older name, by which viewers know it. No metric has it.
        counts[s.USAGE_CACHE_CREATION] = counts[s.USAGE_CACHE_WRITE]
    usage.counts = counts
    if connectors := reported.get("connectors"):
        calls = {name: count(value) for name, value in fields_of(connectors).items()}
        usage.connectors = {
            name: found for name, found in calls.items() if found is not None and type(name) is str
        }
    return usage


def _with_details(reported: dict[str, object]) -> dict[str, object]:
    for name in _DETAILS:
        reported.update(fields_of(reported.get(name)))
    return reported


def count(value: object) -> int | None:
    """A usable count: an int, no bool, from 0 to 10¹². The rest is None."""
    if type(value) is int and 0 <= value <= _MAX_COUNT:
        return value
    # What was not sent is no news: None, or the SDK's own marker, which is falsy.
    if value:
        _log.debug("dropped an unusable count of type %s", type(value).__name__)
    return None
