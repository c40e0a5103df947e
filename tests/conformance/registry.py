# SPDX-License-Identifier: Apache-2.0
"""The GenAI conventions as data: what each span and each metric has, its types and its levels.

Written by hand from the published tables; nothing is copied but names, types and levels. Of the
release, three pages could be read in part only: there, the repository's model at `COMMIT` is taken,
with what the release's own pages say beside it. It has the operations that this plugin records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

VERSION: Final = "v0.1.0"
URL: Final = f"https://github.com/open-telemetry/semantic-conventions-genai/tree/{VERSION}"
COMMIT: Final = "88eccb155ca7d6984826da1f4b1c08ee916e0f49"
# What this release calls its schema could not be read; this is the last one published before it.
OLD_SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.41.0"
# What dashboards of today have: the last release before GenAI moved to a repository of its own.
OLD_VERSION: Final = "v1.41.0"
OLD_URL: Final = (
    f"https://github.com/open-telemetry/semantic-conventions/blob/{OLD_VERSION}/docs/gen-ai"
)

# An attribute's types as OTLP tells them apart; `any` is JSON on a span, a structure on an event.
TYPES: Final[Mapping[str, str]] = {
    "error.type": "string",
    "server.address": "string",
    "server.port": "int",
    "gen_ai.agent.description": "string",
    "gen_ai.agent.id": "string",
    "gen_ai.agent.name": "string",
    "gen_ai.agent.version": "string",
    "gen_ai.conversation.compacted": "boolean",
    "gen_ai.conversation.id": "string",
    "gen_ai.data_source.id": "string",
    "gen_ai.embeddings.dimension.count": "int",
    "gen_ai.evaluation.name": "string",
    "gen_ai.evaluation.score.label": "string",
    "gen_ai.evaluation.score.value": "double",
    "gen_ai.input.messages": "any",
    "gen_ai.operation.name": "string",
    "gen_ai.output.messages": "any",
    "gen_ai.output.type": "string",
    "gen_ai.prompt.name": "string",
    "gen_ai.prompt.version": "string",
    "gen_ai.provider.name": "string",
    "gen_ai.request.choice.count": "int",
    "gen_ai.request.encoding_formats": "string[]",
    "gen_ai.request.frequency_penalty": "double",
    "gen_ai.request.max_tokens": "int",
    "gen_ai.request.model": "string",
    "gen_ai.request.presence_penalty": "double",
    "gen_ai.request.previous_response.id": "string",
    "gen_ai.request.reasoning.level": "string",
    "gen_ai.request.seed": "int",
    "gen_ai.request.stop_sequences": "string[]",
    "gen_ai.request.stream": "boolean",
    "gen_ai.request.temperature": "double",
    "gen_ai.request.top_k": "int",
    "gen_ai.request.top_p": "double",
    "gen_ai.response.finish_reasons": "string[]",
    "gen_ai.response.id": "string",
    "gen_ai.response.model": "string",
    "gen_ai.response.time_to_first_chunk": "double",
    "gen_ai.retrieval.documents": "any",
    "gen_ai.retrieval.query.text": "string",
    "gen_ai.retrieval.top_k": "int",
    "gen_ai.system_instructions": "any",
    "gen_ai.token.modality": "string",
    "gen_ai.token.type": "string",
    "gen_ai.tool.call.arguments": "any",
    "gen_ai.tool.call.id": "string",
    "gen_ai.tool.call.result": "any",
    "gen_ai.tool.definitions": "any",
    "gen_ai.tool.description": "string",
    "gen_ai.tool.name": "string",
    "gen_ai.tool.type": "string",
    "gen_ai.usage.cache_read.input_tokens": "int",
    "gen_ai.usage.cache_write.input_tokens": "int",
    "gen_ai.usage.input_tokens": "int",
    "gen_ai.usage.output_tokens": "int",
    "gen_ai.usage.reasoning.output_tokens": "int",
    "gen_ai.workflow.name": "string",
}

# Well-known values: one that applies MUST be used, any other is a custom one.
VALUES: Final[Mapping[str, frozenset[str]]] = {
    "gen_ai.operation.name": frozenset(
        {"chat", "create_agent", "embeddings", "execute_tool", "generate_content", "invoke_agent",
         "invoke_workflow", "plan", "retrieval", "text_completion"}
    ),
    "gen_ai.output.type": frozenset({"image", "json", "speech", "text"}),
    "gen_ai.provider.name": frozenset({"azure.ai.inference", "gcp.vertex_ai", "mistral_ai"}),
    "gen_ai.token.modality": frozenset(
        {"audio", "document", "image", "text", "unknown", "video"}
    ),
    "gen_ai.token.type": frozenset({"input", "output"}),
    "gen_ai.tool.type": frozenset({"datastore", "extension", "function"}),
}  # fmt: skip

REQUIRED: Final = "required"
RECOMMENDED: Final = "recommended"
OPT_IN: Final = "opt-in"
# Conditionally required: if and only if this is so (the first five), or at least then.
ON_ERROR: Final = "the operation ended in an error"
STREAMING: Final = "the request is streaming"
CHOICES: Final = "the request has a number of choices that is not 1"
SEED: Final = "the request has a seed"
WITH_ADDRESS: Final = "server.address is set"
FORMAT: Final = "the request has an output format"
MODEL: Final = "the request names a model"
AGENT_ID: Final = "the request names an agent"
AGENT_VERSION: Final = "the request names a version of the agent"
NAME_GIVEN: Final = "the application gave a name"
DESCRIPTION_GIVEN: Final = "the application gave a description"
CONVERSATION: Final = "the SDK has a conversation's id"
# Nobody but the API could tell whether it applies.
MAYBE: Final = "if applicable"
EXACTLY: Final = frozenset({ON_ERROR, STREAMING, CHOICES, SEED, WITH_ADDRESS})

Levels = Mapping[str, str]

_PLACE: Final = {"server.address": RECOMMENDED, "server.port": WITH_ADDRESS}
_CALL: Final = {
    "gen_ai.operation.name": REQUIRED,
    "gen_ai.provider.name": REQUIRED,
    "gen_ai.request.model": MODEL,
    "error.type": ON_ERROR,
    **_PLACE,
}
_SETTINGS: Final = {
    "gen_ai.output.type": FORMAT,
    "gen_ai.request.choice.count": CHOICES,
    "gen_ai.request.frequency_penalty": RECOMMENDED,
    "gen_ai.request.max_tokens": RECOMMENDED,
    "gen_ai.request.presence_penalty": RECOMMENDED,
    "gen_ai.request.seed": SEED,
    "gen_ai.request.stop_sequences": RECOMMENDED,
    "gen_ai.request.temperature": RECOMMENDED,
    "gen_ai.request.top_p": RECOMMENDED,
}
_USAGE: Final = {
    "gen_ai.usage.input_tokens": RECOMMENDED,
    "gen_ai.usage.output_tokens": RECOMMENDED,
}
_BREAKDOWN: Final = {
    "gen_ai.usage.cache_read.input_tokens": RECOMMENDED,
    "gen_ai.usage.cache_write.input_tokens": RECOMMENDED,
}
_CONTENT: Final = {
    "gen_ai.input.messages": OPT_IN,
    "gen_ai.output.messages": OPT_IN,
    "gen_ai.system_instructions": OPT_IN,
    "gen_ai.tool.definitions": OPT_IN,
}
_INVOKED: Final = {
    **_SETTINGS,
    **_USAGE,
    **_CONTENT,
    "gen_ai.agent.description": MAYBE,
    "gen_ai.agent.name": MAYBE,
    "gen_ai.conversation.id": CONVERSATION,
    "gen_ai.data_source.id": MAYBE,
    "gen_ai.operation.name": REQUIRED,
    "gen_ai.response.finish_reasons": RECOMMENDED,
    "error.type": ON_ERROR,
}


@dataclass(frozen=True)
class Span:
    """A type of span.

    Attributes:
        operations: its operations; others of the kind are custom ones.
        kind: the span's kind.
        named: the attribute that follows the operation in the span's name, where it is known.
        levels: its attributes, each with its level.
        at_start: which of them a sampler is to see.
    """

    operations: frozenset[str]
    kind: str
    named: str
    levels: Levels
    at_start: frozenset[str]


_SAMPLED: Final = frozenset(
    {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", *_PLACE}
)
SPANS: Final[Mapping[str, Span]] = {
    "gen_ai.client.inference": Span(
        frozenset({"chat", "generate_content", "text_completion"}),
        "CLIENT",
        "gen_ai.request.model",
        {
            **_CALL,
            **_SETTINGS,
            **_USAGE,
            **_BREAKDOWN,
            **_CONTENT,
            "gen_ai.conversation.compacted": MAYBE,
            "gen_ai.conversation.id": CONVERSATION,
            "gen_ai.prompt.name": MAYBE,
            "gen_ai.prompt.version": MAYBE,
            "gen_ai.request.previous_response.id": RECOMMENDED,
            "gen_ai.request.reasoning.level": RECOMMENDED,
            "gen_ai.request.stream": STREAMING,
            "gen_ai.request.top_k": MAYBE,
            "gen_ai.response.finish_reasons": RECOMMENDED,
            "gen_ai.response.id": RECOMMENDED,
            "gen_ai.response.model": RECOMMENDED,
            "gen_ai.response.time_to_first_chunk": RECOMMENDED,
            "gen_ai.usage.reasoning.output_tokens": RECOMMENDED,
        },
        _SAMPLED,
    ),
    "gen_ai.client.embeddings": Span(
        frozenset({"embeddings"}),
        "CLIENT",
        "gen_ai.request.model",
        {
            **_CALL,
            "gen_ai.embeddings.dimension.count": RECOMMENDED,
            "gen_ai.request.encoding_formats": RECOMMENDED,
            "gen_ai.response.model": RECOMMENDED,
            "gen_ai.usage.input_tokens": RECOMMENDED,
        },
        _SAMPLED,
    ),
    "gen_ai.invoke_agent.client": Span(
        frozenset({"invoke_agent"}),
        "CLIENT",
        "gen_ai.agent.name",
        {
            **_CALL,
            **_INVOKED,
            **_BREAKDOWN,
            "gen_ai.agent.id": AGENT_ID,
            "gen_ai.agent.version": AGENT_VERSION,
            "gen_ai.request.model": MODEL,
            "gen_ai.request.previous_response.id": RECOMMENDED,
        },
        _SAMPLED | {"gen_ai.agent.name"},
    ),
    "gen_ai.create_agent.client": Span(
        frozenset({"create_agent"}),
        "CLIENT",
        "gen_ai.agent.name",
        {
            **_CALL,
            "gen_ai.agent.description": DESCRIPTION_GIVEN,
            "gen_ai.agent.id": MAYBE,
            "gen_ai.agent.name": NAME_GIVEN,
            "gen_ai.agent.version": MAYBE,
            "gen_ai.system_instructions": OPT_IN,
        },
        _SAMPLED | {"gen_ai.agent.name"},
    ),
    "gen_ai.retrieval.client": Span(
        frozenset({"retrieval"}),
        "CLIENT",
        "gen_ai.data_source.id",
        {
            "error.type": ON_ERROR,
            "gen_ai.data_source.id": MAYBE,
            "gen_ai.operation.name": REQUIRED,
            "gen_ai.provider.name": MAYBE,
            "gen_ai.request.model": MODEL,
            "gen_ai.retrieval.documents": OPT_IN,
            "gen_ai.retrieval.query.text": OPT_IN,
            "gen_ai.retrieval.top_k": RECOMMENDED,
            **_PLACE,
        },
        frozenset(),
    ),
    "gen_ai.invoke_workflow.internal": Span(
        frozenset({"invoke_workflow"}),
        "INTERNAL",
        "gen_ai.workflow.name",
        {
            "error.type": ON_ERROR,
            "gen_ai.conversation.id": CONVERSATION,
            "gen_ai.input.messages": OPT_IN,
            "gen_ai.operation.name": REQUIRED,
            "gen_ai.output.messages": OPT_IN,
            "gen_ai.workflow.name": MAYBE,
        },
        frozenset({"gen_ai.operation.name"}),
    ),
    "gen_ai.invoke_agent.internal": Span(
        frozenset({"invoke_agent"}),
        "INTERNAL",
        "gen_ai.agent.name",
        {**_INVOKED, "gen_ai.request.model": RECOMMENDED},
        frozenset({"gen_ai.operation.name", "gen_ai.request.model", "gen_ai.agent.name"}),
    ),
    "gen_ai.execute_tool.internal": Span(
        frozenset({"execute_tool"}),
        "INTERNAL",
        "gen_ai.tool.name",
        {
            "error.type": ON_ERROR,
            "gen_ai.agent.name": MAYBE,
            "gen_ai.conversation.id": MAYBE,
            "gen_ai.operation.name": REQUIRED,
            "gen_ai.tool.call.arguments": OPT_IN,
            "gen_ai.tool.call.id": RECOMMENDED,
            "gen_ai.tool.call.result": OPT_IN,
            "gen_ai.tool.description": RECOMMENDED,
            "gen_ai.tool.name": REQUIRED,
            "gen_ai.tool.type": RECOMMENDED,
        },
        frozenset(
            {"gen_ai.operation.name", "gen_ai.tool.name", "gen_ai.tool.type", "gen_ai.agent.name"}
        ),
    ),
}

# Operations that no convention knows: a name of ours is allowed, and all the rest is as for others.
OF_OURS: Final[Mapping[str, Span]] = {
    "create_batch": Span(
        frozenset({"create_batch"}), "CLIENT", "gen_ai.request.model", _CALL, _SAMPLED
    ),
    "evaluate": Span(
        frozenset({"evaluate"}),
        "CLIENT",
        "gen_ai.evaluation.name",
        {
            **_CALL,
            "gen_ai.evaluation.name": MAYBE,
            "gen_ai.evaluation.score.label": MAYBE,
            "gen_ai.evaluation.score.value": MAYBE,
            "gen_ai.input.messages": OPT_IN,
            "gen_ai.output.messages": OPT_IN,
            "gen_ai.request.model": MAYBE,
        },
        _SAMPLED,
    ),
    "follow_workflow": Span(
        frozenset({"follow_workflow"}),
        "CLIENT",
        "gen_ai.workflow.name",
        {**_CALL, "gen_ai.request.stream": STREAMING, "gen_ai.workflow.name": MAYBE},
        _SAMPLED,
    ),
}

COUNTER: Final = "counter"
HISTOGRAM: Final = "histogram"
# What a metric is recorded for: once for each span of these types and operations.
INFERENCE: Final = "gen_ai.client.inference"
EMBEDDINGS: Final = "gen_ai.client.embeddings"
OF_AGENT: Final = "gen_ai.invoke_agent.client"
# What has no metric of its own, and so the one that all operations had before.
OTHERS: Final = ("gen_ai.create_agent.client", "gen_ai.retrieval.client", *OF_OURS)


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        instrument: counter or histogram.
        unit: as UCUM writes it.
        levels: its attributes, each with its level.
        of: the types of spans that it is about.
        buckets: its boundaries, if it is a histogram.
        streams_only: whether it is recorded for streaming calls alone.
        whole_span: whether its value is the span's duration, s.
        version: the release that has it.
        recorded: whether each of these calls has a measurement, also one that failed.
        counts: the attribute that its spans have of the same, if it counts tokens.
    """

    instrument: str
    unit: str
    levels: Levels
    of: tuple[str, ...]
    buckets: tuple[float, ...] = ()
    streams_only: bool = False
    whole_span: bool = False
    version: str = VERSION
    recorded: bool = False
    counts: str | None = None


SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96,
                  81.92)  # fmt: skip
AGENT_SECONDS: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
TOKENS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216,
                 67108864)  # fmt: skip
WORKFLOW_SECONDS: Final = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
CALLS: Final = (1, 2, 4, 8, 16, 32, 64, 128)

_MEASURED: Final = {
    "gen_ai.operation.name": REQUIRED,
    "gen_ai.provider.name": REQUIRED,
    "gen_ai.request.model": MODEL,
    "gen_ai.response.model": RECOMMENDED,
    **_PLACE,
}
_TIMED: Final = {**_MEASURED, "error.type": ON_ERROR}
_COUNTED: Final = {**_MEASURED, "gen_ai.token.modality": REQUIRED}
_OF_AGENT: Final = {"gen_ai.agent.name": RECOMMENDED}
_LOOP: Final = ("gen_ai.invoke_agent.internal",)


def _duration(*of: str, version: str = VERSION) -> Metric:
    return Metric(
        HISTOGRAM, "s", _TIMED, of, SECONDS, whole_span=True, version=version, recorded=True
    )


def _chunk(*of: str, version: str = VERSION) -> Metric:
    return Metric(HISTOGRAM, "s", _MEASURED, of, SECONDS, streams_only=True, version=version)


def _usage(kind: str) -> Metric:
    counts = f"gen_ai.usage.{kind}"
    return Metric(COUNTER, "{token}", _COUNTED, (INFERENCE,), recorded=True, counts=counts)


def _tokens(of: str, kind: str) -> Metric:
    counts = f"gen_ai.usage.{kind}"
    return Metric(HISTOGRAM, "{token}", _TIMED, (of,), TOKENS, recorded=True, counts=counts)


METRICS: Final[Mapping[str, Metric]] = {
    "gen_ai.client.inference.duration": _duration(INFERENCE),
    "gen_ai.client.inference.time_to_first_chunk": _chunk(INFERENCE),
    "gen_ai.client.inference.time_per_output_chunk": _chunk(INFERENCE),
    "gen_ai.client.inference.usage.input_tokens": _usage("input_tokens"),
    "gen_ai.client.inference.usage.output_tokens": _usage("output_tokens"),
    "gen_ai.client.inference.usage.cache_read.input_tokens": _usage("cache_read.input_tokens"),
    "gen_ai.client.inference.usage.cache_write.input_tokens": _usage("cache_write.input_tokens"),
    "gen_ai.client.inference.usage.reasoning.output_tokens": _usage("reasoning.output_tokens"),
    "gen_ai.client.inference.operation.input_tokens": _tokens(INFERENCE, "input_tokens"),
    "gen_ai.client.inference.operation.output_tokens": _tokens(INFERENCE, "output_tokens"),
    "gen_ai.client.embeddings.duration": _duration(EMBEDDINGS),
    "gen_ai.client.embeddings.operation.input_tokens": _tokens(EMBEDDINGS, "input_tokens"),
    # The page of the release that has it could not be read, the name is that of pull request 321.
    "gen_ai.client.invoke_agent.duration": _duration(OF_AGENT),
    "gen_ai.client.operation.duration": _duration(*OTHERS),
    "gen_ai.invoke_agent.duration": Metric(
        HISTOGRAM,
        "s",
        {"error.type": ON_ERROR, "gen_ai.agent.name": MAYBE, "gen_ai.request.model": RECOMMENDED},
        _LOOP,
        AGENT_SECONDS,
        whole_span=True,
        recorded=True,
    ),
    "gen_ai.invoke_agent.inference_calls": Metric(
        HISTOGRAM, "{inference_call}", _OF_AGENT, _LOOP, CALLS, recorded=True
    ),
    "gen_ai.invoke_agent.tool_calls": Metric(
        HISTOGRAM, "{tool_call}", _OF_AGENT, _LOOP, CALLS, recorded=True
    ),
    "gen_ai.invoke_workflow.duration": Metric(
        HISTOGRAM,
        "s",
        {"error.type": ON_ERROR, "gen_ai.workflow.name": MAYBE},
        ("gen_ai.invoke_workflow.internal",),
        WORKFLOW_SECONDS,
        whole_span=True,
        recorded=True,
    ),
    "gen_ai.execute_tool.duration": Metric(
        HISTOGRAM,
        "s",
        {
            "error.type": ON_ERROR,
            "gen_ai.agent.name": MAYBE,
            "gen_ai.tool.name": REQUIRED,
            "gen_ai.tool.type": RECOMMENDED,
        },
        ("gen_ai.execute_tool.internal",),
        SECONDS,
        whole_span=True,
        recorded=True,
    ),
}
# What these releases had for the same, and what the default mode records.
OLD_METRICS: Final[Mapping[str, Metric]] = {
    "gen_ai.client.operation.duration": _duration(
        INFERENCE, EMBEDDINGS, OF_AGENT, *OTHERS, version=OLD_VERSION
    ),
    "gen_ai.client.operation.time_to_first_chunk": _chunk(INFERENCE, OF_AGENT, version=OLD_VERSION),
    "gen_ai.client.operation.time_per_output_chunk": _chunk(
        INFERENCE, OF_AGENT, version=OLD_VERSION
    ),
    "gen_ai.client.token.usage": Metric(
        HISTOGRAM,
        "{token}",
        {**_MEASURED, "gen_ai.token.type": REQUIRED},
        (INFERENCE, EMBEDDINGS, OF_AGENT),
        TOKENS,
        version=OLD_VERSION,
    ),
}

# Log events, each with its severity; None could not be read.
EVENTS: Final[Mapping[str, str | None]] = {
    "gen_ai.client.inference.operation.details": "DEBUG",
    "gen_ai.client.inference.exception": "WARN",
    "gen_ai.execute_tool.exception": None,
}
