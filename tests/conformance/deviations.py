# SPDX-License-Identifier: Apache-2.0
"""Every deviation from the conventions, with its reason; docs/conventions.md lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.conformance import registry as r

_INFERENCE: Final = "gen_ai.client.inference"
_EMBEDDINGS: Final = "gen_ai.client.embeddings"
_AGENT: Final = "gen_ai.invoke_agent.client"
_TOOL: Final = "gen_ai.execute_tool.internal"
_CREATION: Final = "gen_ai.create_agent.client"
_RETRIEVAL: Final = "gen_ai.retrieval.client"
_WORKFLOW: Final = "gen_ai.invoke_workflow.internal"
_USED: Final = f"metric {_INFERENCE}.usage"
_LATEST: Final = f"metric {_INFERENCE}.operation"
_OLD: Final = "metric gen_ai.client.operation"
_NAMED: Final = "has gen_ai.request.model, though the request names none"


@dataclass(frozen=True)
class Deviation:
    """A deviation.

    Attributes:
        id: what it is called.
        what: what is otherwise.
        reason: why.
        findings: all that `checking` finds of it.
    """

    id: str
    what: str
    reason: str
    findings: frozenset[str]


def _deviation(identity: str, what: str, reason: str, *findings: str) -> Deviation:
    return Deviation(identity, what, reason, frozenset(findings))


DEVIATIONS: Final = (
    _deviation(
        "old metrics",
        "by default the histograms of calls have the names of v1.41.0 (`gen_ai.client.operation.*`,"
        " `gen_ai.client.token.usage`)",
        "today's dashboards and the official instrumentations use these names;"
        ' `metric_names="latest"` gives the newest',
        f"{_OLD}.duration: of v1.41.0",
        f"{_OLD}.time_to_first_chunk: of v1.41.0",
        f"{_OLD}.time_per_output_chunk: of v1.41.0",
        "metric gen_ai.client.token.usage: of v1.41.0",
    ),
    _deviation(
        "schema",
        f"`schema_url` is `{r.OLD_SCHEMA_URL}`, and with the newest names the meter has none",
        "it is the last published schema that has GenAI names; the newest metrics are not in it",
        "scope of spans: its schema_url is of v1.41.0",
        "scope of events: its schema_url is of v1.41.0",
        "scope of metrics: its schema_url is of v1.41.0",
        "scope of metrics: its schema_url is of nothing",
    ),
    _deviation(
        "model",
        "a span whose request names no model (append, restart, agents) gets"
        " `gen_ai.request.model` from the response when it ends; a `chat` then also gets the name"
        " `chat {model}`",
        "viewers show and price a call by this attribute alone (samplers do not see it)",
        f"{_INFERENCE}: {_NAMED}",
        f"{_INFERENCE}: its name has a model that the request does not name",
        f"{_INFERENCE}: sets gen_ai.request.model when it ends",
        f"{_AGENT}: {_NAMED}",
        f"{_AGENT}: sets gen_ai.request.model when it ends",
    ),
    _deviation(
        "agent's answer",
        "client spans of `invoke_agent` have `gen_ai.response.id`, `gen_ai.response.model`,"
        " `gen_ai.request.stream` and `gen_ai.response.time_to_first_chunk`",
        "a model writes an agent's answer; without these, nobody could find, price or time it",
        f"{_AGENT}: has gen_ai.request.stream",
        f"{_AGENT}: has gen_ai.response.id",
        f"{_AGENT}: has gen_ai.response.model",
        f"{_AGENT}: has gen_ai.response.time_to_first_chunk",
    ),
    _deviation(
        "agent's metrics",
        "calls of agents have the metrics of inference, not `gen_ai.client.invoke_agent.duration`",
        "it is one API, so one sum covers all calls",
        *(
            f"metric {_INFERENCE}.{name}: recorded for {_AGENT}"
            for name in (
                "duration", "operation.input_tokens", "operation.output_tokens",
                "time_per_output_chunk", "time_to_first_chunk", "usage.input_tokens",
                "usage.output_tokens",
            )
        ),
        f"metric gen_ai.client.invoke_agent.duration: not recorded for {_AGENT}",
    ),
    _deviation(
        "agent's name",
        "the name of an `invoke_agent` client span is without the agent's, and `gen_ai.agent.name`"
        " is set on it when it ends",
        "the API tells the name only at a handoff, so the spans of one agent would have two names",
        f"{_AGENT}: its name lacks gen_ai.agent.name",
        f"{_AGENT}: sets gen_ai.agent.name when it ends",
    ),
    _deviation(
        "agent's id",
        "`execute_tool` spans, and `invoke_agent` spans inside a call, have `gen_ai.agent.id`",
        "two agents may share a name, and some names are not known",
        f"{_TOOL}: has gen_ai.agent.id",
        "gen_ai.invoke_agent.internal: has gen_ai.agent.id",
    ),
    _deviation(
        "handoffs",
        "a handoff is `execute_tool agent_handoff {agent}` with `gen_ai.transfer.*`, without a"
        " duration on metrics",
        "this is proposed for the conventions, and not yet adopted; a handoff takes no time",
        f"{_TOOL}: has gen_ai.transfer.mode",
        f"{_TOOL}: has gen_ai.transfer.target.name",
        f"{_TOOL}: its name has more than gen_ai.tool.name",
        f"metric gen_ai.execute_tool.duration: not recorded for {_TOOL} that hands over",
    ),
    _deviation(
        "server's agents",
        "agents that take over on the server are `invoke_agent` spans of kind INTERNAL, without"
        " `gen_ai.invoke_agent.*` metrics",
        "they are steps inside one call; these metrics are for loops in your process",
        *(
            f"metric gen_ai.invoke_agent.{name}: not recorded for"
            " gen_ai.invoke_agent.internal on the server"
            for name in ("duration", "inference_calls", "tool_calls")
        ),
    ),
    _deviation(
        "outcome",
        "durations of streams have `mistral_ai.stream.outcome`",
        "so that streams that are left early can be counted",
        f"metric {_INFERENCE}.duration: has mistral_ai.stream.outcome",
        f"{_OLD}.duration: has mistral_ai.stream.outcome",
    ),
    _deviation(
        "first chunk",
        "the first chunk is the first event with output",
        "`conversation.response.started` only says that the server listens",
        f"{_INFERENCE}: lacks gen_ai.response.time_to_first_chunk, though an event came",
    ),
    _deviation(
        "some tokens",
        "counters of cached and reasoning tokens, and the newest histograms of tokens, are recorded"
        " for calls that report some, and not 0 for each",
        "zeros would make series that say nothing, and would lower percentiles",
        *(
            f"{_USED}.{name}: not recorded for {_INFERENCE} without tokens"
            for name in (
                "cache_read.input_tokens", "cache_write.input_tokens", "reasoning.output_tokens",
            )
        ),
        f"{_LATEST}.input_tokens: not recorded for {_INFERENCE} without tokens",
        f"{_LATEST}.output_tokens: not recorded for {_INFERENCE} without tokens",
        f"metric {_EMBEDDINGS}.operation.input_tokens: not recorded for {_EMBEDDINGS} without"
        " tokens",
    ),
    _deviation(
        "no tokens",
        "OCR, moderation, classification and summaries of an index have"
        " `gen_ai.client.operation.duration`, and no metric of tokens",
        "they report no tokens; the conventions do not know two of these operations",
        *(
            f"metric {_INFERENCE}.{name}: not recorded for what says nothing of tokens"
            for name in (
                "duration", "operation.input_tokens", "operation.output_tokens",
                "usage.cache_read.input_tokens", "usage.cache_write.input_tokens",
                "usage.input_tokens", "usage.output_tokens", "usage.reasoning.output_tokens",
            )
        ),
        f"{_OLD}.duration: recorded for what says nothing of tokens",
    ),
    _deviation(
        "embeddings",
        "embeddings have `gen_ai.usage.output_tokens` and `gen_ai.response.id`, and are in the"
        " usage counters",
        "the SDK reports them, a 0 as well; and one place counts all tokens that are spent",
        f"{_EMBEDDINGS}: has gen_ai.response.id",
        f"{_EMBEDDINGS}: has gen_ai.usage.output_tokens",
        f"{_USED}.input_tokens: recorded for {_EMBEDDINGS}",
        f"{_USED}.output_tokens: recorded for {_EMBEDDINGS}",
    ),
    _deviation(
        "cache creation",
        "`gen_ai.usage.cache_creation.input_tokens` has the number of"
        " `gen_ai.usage.cache_write.input_tokens` once more",
        "viewers read the older name",
        f"{_INFERENCE}: has gen_ai.usage.cache_creation.input_tokens",
    ),
    _deviation(
        "status code",
        "calls that failed by HTTP have `http.response.status_code`, and"
        " `http.response.header.retry-after` if the server said it",
        "one search finds every 429, also without spans of the HTTP client",
        *(
            f"{kind}: has http.response.status_code"
            for kind in (
                _INFERENCE, _EMBEDDINGS, _AGENT, _CREATION, _RETRIEVAL, _WORKFLOW, _TOOL, *r.OF_OURS
            )
        ),
        f"{_INFERENCE}: has http.response.header.retry-after",
    ),
    _deviation(
        "on the server",
        "`invoke_workflow`, and `execute_tool` of `connectors.call_tool`, are of kind CLIENT, with"
        " provider and server",
        "in the conventions they run inside the process; these run elsewhere",
        *(
            f"{kind}: {what}"
            for kind in (_WORKFLOW, _TOOL)
            for what in (
                "its kind is CLIENT", "has gen_ai.provider.name", "has server.address",
                "has server.port",
            )
        ),
    ),
    _deviation(
        "sessions",
        "a realtime session has the usage counters and the time to its first chunk, and no other"
        " metric",
        "a session of hours would spoil every percentile",
        *(
            f"metric {_INFERENCE}.{name}: not recorded for sessions"
            for name in (
                "duration", "operation.input_tokens", "operation.output_tokens",
                "usage.cache_read.input_tokens", "usage.cache_write.input_tokens",
                "usage.reasoning.output_tokens",
            )
        ),
        f"{_OLD}.duration: not recorded for sessions",
    ),
    _deviation(
        "older limit",
        "a `retrieval` has `gen_ai.request.top_k` beside `gen_ai.retrieval.top_k`",
        "that was its name until v1.41, and viewers read it",
        f"{_RETRIEVAL}: has gen_ai.request.top_k",
    ),
    _deviation(
        "index of a summary",
        "the summary of an index has `gen_ai.data_source.id`",
        "nothing else names the index",
        f"{_INFERENCE}: has gen_ai.data_source.id",
    ),
    _deviation(
        "description",
        "`create_agent` is without `gen_ai.agent.description`",
        "people write descriptions, and no words of theirs are recorded unasked",
        f"{_CREATION}: lacks gen_ai.agent.description, though the application gave a description",
    ),
    _deviation(
        "events",
        "the log event of an exception is `gen_ai.client.operation.exception`, one name for all"
        " operations, and `gen_ai.client.inference.operation.details` has the severity INFO",
        "alerts use that name; where DEBUG is dropped, content that was asked for would be lost",
        "event gen_ai.client.operation.exception: no such event",
        "event gen_ai.client.inference.operation.details: its severity is INFO",
    ),
)  # fmt: skip


def listed() -> str:
    """The list of docs/conventions.md, as a table."""
    rows = (f"| {one.what} | {one.reason} |" for one in DEVIATIONS)
    return "\n".join(("| what | why |", "|---|---|", *rows))
