# SPDX-License-Identifier: Apache-2.0
"""What is to be recorded of conversations of the emulator: their spans, and those inside."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from emulator import Emulator
from tests.support import sdk
from tests.support.recording import Recording, Span, plain

MODEL = "mistral-medium-latest"


def common(emulator: Emulator) -> dict[str, Any]:
    """What every span of a stream says."""
    return {
        "gen_ai.provider.name": "mistral_ai",
        "gen_ai.request.stream": True,
        "server.address": "127.0.0.1",
        "server.port": int(emulator.url.rpartition(":")[2]),
    }


def taken(span: ReadableSpan, *keys: str) -> dict[str, Any]:
    """What only the run can tell, checked for its type and then taken as it is."""
    attributes = dict(span.attributes or {})
    known = {key: attributes[key] for key in keys}
    assert all(isinstance(value, (str, float)) for value in known.values()), known
    return known


def nanoseconds(moment: datetime) -> int:
    """A moment in ns since the epoch."""
    return round(moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp() * 1e6) * 1000


FROM_THE_RUN = ("gen_ai.conversation.id", "gen_ai.response.time_to_first_chunk")
DURATION = "gen_ai.execute_tool.duration"


def interval(span: ReadableSpan) -> tuple[int, int]:
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time, span.end_time


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def family(recording: Recording) -> tuple[ReadableSpan, list[ReadableSpan]]:
    """The client span, ended last, and all spans within, as they began; each inside its parent."""
    *children, client = recording.spans()
    assert client.kind.name == "CLIENT"
    by_id = {id_of(span): span for span in (*children, client)}
    for child in children:
        assert child.parent is not None
        start, end = interval(child)
        parent_start, parent_end = interval(by_id[child.parent.span_id])
        assert parent_start <= start <= end <= parent_end
    return client, sorted(children, key=lambda span: (*interval(span), span.name))


def child(parent: ReadableSpan, name: str, /, **told: str) -> Span:
    """A whole span inside a conversation; ``tool`` and the like are short for ``gen_ai.tool``."""
    conversation = plain(parent).attributes["gen_ai.conversation.id"]
    attributes = {"gen_ai.conversation.id": conversation}
    attributes["gen_ai.operation.name"], _, _ = name.partition(" ")
    short = {"agent": "gen_ai.agent.id", "agent_name": "gen_ai.agent.name"}
    short |= {key: f"gen_ai.tool.{key}" for key in ("name", "type")}
    short |= {"call": "gen_ai.tool.call.id", "target": "gen_ai.transfer.target.name"}
    short |= {"mode": "gen_ai.transfer.mode", "target_id": "mistral_ai.handoff.target.id"}
    short["error"] = "error.type"
    error_type = told.get("error")
    status = "UNSET" if error_type is None else "ERROR"
    attributes |= {short[key]: value for key, value in told.items()}
    return Span(name, attributes, "INTERNAL", status, error_type, id_of(parent))


def tool(
    parent: ReadableSpan, name: str = "web_search", call: str = "tool_1", /, **told: str
) -> Span:
    kind = "datastore" if name == "document_library" else "extension"
    return child(parent, f"execute_tool {name}", name=name, type=kind, call=call, **told)


def times_of(events: list[Any]) -> list[int]:
    return [nanoseconds(event.data.created_at) for event in events]


# The first line of the SDK ends the stream at the first tool.execution.delta.
DELTAS = ("tools_interleaved", "tool_document_library") if sdk.VERSION < (1, 9) else ()


def known(*scenarios: str) -> list[str]:
    return [name for name in scenarios if name not in DELTAS]
