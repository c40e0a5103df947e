# SPDX-License-Identifier: Apache-2.0
"""What is to be recorded of conversations of the emulator: their spans, and those inside."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from emulator import Emulator
from tests.support import names as s
from tests.support import sdk
from tests.support.recording import Recording, Span, plain

MODEL = "mistral-medium-latest"


def common(emulator: Emulator) -> dict[str, Any]:
    """What every span of a stream says."""
    return {
        s.PROVIDER_NAME: "mistral_ai",
        s.REQUEST_STREAM: True,
        s.SERVER_ADDRESS: "127.0.0.1",
        s.SERVER_PORT: int(emulator.url.rpartition(":")[2]),
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


FROM_THE_RUN = (s.CONVERSATION_ID, s.RESPONSE_TIME_TO_FIRST_CHUNK)


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
    conversation = plain(parent).attributes[s.CONVERSATION_ID]
    attributes = {s.CONVERSATION_ID: conversation}
    attributes[s.OPERATION_NAME], _, _ = name.partition(" ")
    short = {"agent": s.AGENT_ID, "agent_name": s.AGENT_NAME}
    short |= {"name": s.TOOL_NAME, "type": s.TOOL_TYPE}
    short |= {"call": s.TOOL_CALL_ID, "target": s.TRANSFER_TARGET_NAME}
    short |= {"mode": s.TRANSFER_MODE, "target_id": s.HANDOFF_TARGET_ID}
    short["error"] = s.ERROR_TYPE
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
