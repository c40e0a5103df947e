# SPDX-License-Identifier: Apache-2.0
"""Lists the counts in the API's usage, with the attribute of each."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from .. import _names as s
from .errors import is_word
from .fields import fields_of

# The keys are the API's names, in any of its usage objects; the values are span attributes.
COUNTS: Final[Mapping[str, str]] = {
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
    "audio_tokens": s.USAGE_INPUT_AUDIO,
    "output_audio_tokens": s.USAGE_OUTPUT_AUDIO,
}
# The API puts further counts into these objects. Both sides may have `audio_tokens`, which get the
# name here; of the others no two count the same thing.
DETAILS: Final[Mapping[str, str]] = {
    "prompt_tokens_details": "audio_tokens",
    "completion_tokens_details": "output_audio_tokens",
    "input_tokens_details": "audio_tokens",
    "output_tokens_details": "output_audio_tokens",
}
# More connectors than this are no tools of one agent: each makes an attribute.
_MAX_NAMES: Final = 32


def with_details(reported: dict[str, object]) -> dict[str, object]:
    """Adds to what was reported the counts in its details."""
    for name, ambiguous in DETAILS.items():
        for field, value in fields_of(reported.get(name)).items():
            reported[ambiguous if field == "audio_tokens" else field] = value
    return reported


def connector_counts(connectors: Mapping[str, int]) -> dict[str, int]:
    """Returns the calls of each connector by span attribute: 32 at most that may be a key."""
    fit = (name for name in connectors if is_word(name))
    return {s.USAGE_CONNECTORS + name: connectors[name] for name in islice(fit, _MAX_NAMES)}
