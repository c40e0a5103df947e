# SPDX-License-Identifier: Apache-2.0
"""Lists the settings that a span has: the attribute of each, and what converts its value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .. import _names as s
from .conversions import (
    boolean,
    conversation_id,
    count_of_choices,
    data_source,
    effort,
    format_of_text,
    integer,
    number,
    output_type,
    texts,
    tool_choice,
    version,
)
from .fields import AttributeValue, name_of
from .guardrails import guardrail_names

# A row is the attribute, the type of a value that is recorded as it is, and what converts others.
SETTINGS: Final[
    Mapping[str, tuple[str, type[Any] | None, Callable[[object], AttributeValue | None]]]
] = {
    "temperature": (s.REQUEST_TEMPERATURE, float, number),
    "top_p": (s.REQUEST_TOP_P, float, number),
    "max_tokens": (s.REQUEST_MAX_TOKENS, int, integer),
    "frequency_penalty": (s.REQUEST_FREQUENCY_PENALTY, float, number),
    "presence_penalty": (s.REQUEST_PRESENCE_PENALTY, float, number),
    "stop": (s.REQUEST_STOP_SEQUENCES, None, texts),
    "random_seed": (s.REQUEST_SEED, int, integer),
    "reasoning_effort": (s.REQUEST_REASONING_LEVEL, None, name_of),
    "response_format": (s.OUTPUT_TYPE, None, output_type),
    "n": (s.REQUEST_CHOICE_COUNT, None, count_of_choices),
    "output_dimension": (s.EMBEDDINGS_DIMENSIONS, int, integer),
    "encoding_format": (s.REQUEST_ENCODING_FORMATS, None, texts),
    "max_output_tokens": (s.REQUEST_MAX_TOKENS, int, integer),
    "previous_response_id": (s.REQUEST_PREVIOUS_RESPONSE, None, name_of),
    "reasoning": (s.REQUEST_REASONING_LEVEL, None, effort),
    "agent_version": (s.AGENT_VERSION, None, version),
    "text": (s.OUTPUT_TYPE, None, format_of_text),
    "top_k": (s.REQUEST_TOP_K, int, integer),
    "tool_choice": (s.REQUEST_TOOL_CHOICE, None, tool_choice),
    "parallel_tool_calls": (s.REQUEST_PARALLEL_TOOL_CALLS, bool, boolean),
    "prompt_mode": (s.REQUEST_PROMPT_MODE, None, name_of),
    # It is an id that the application chose, as a conversation's is; the cached tokens of a span
    # can be judged only beside those of other spans with this key.
    "prompt_cache_key": (s.REQUEST_PROMPT_CACHE_KEY, None, name_of),
    "safe_prompt": (s.REQUEST_SAFE_PROMPT, bool, boolean),
    "service_tier": (s.REQUEST_SERVICE_TIER, None, name_of),
    "tools": (s.DATA_SOURCE_ID, None, data_source),
    "guardrails": (s.REQUEST_GUARDRAILS, None, guardrail_names),
    # This is an argument of the Responses API alone.
    "conversation": (s.CONVERSATION_ID, None, conversation_id),
}
