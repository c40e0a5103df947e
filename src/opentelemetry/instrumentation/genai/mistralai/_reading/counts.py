# SPDX-License-Identifier: Apache-2.0
"""Lists the counts in the API's usage: the attribute of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .. import _names as s

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
