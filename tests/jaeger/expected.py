# SPDX-License-Identifier: Apache-2.0
"""What Jaeger must show of a client span: everything it has, as literals where that is possible."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import format_span_id, format_trace_id

from opentelemetry.instrumentation.genai.mistralai import __version__
from tests.jaeger.program import ids
from tests.support import names as s

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span

    from tests.jaeger.program import Program

MODEL = "mistral-medium-latest"
Tags = dict[str, tuple[str, Any]]
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def tags_of(program: Program, own: Tags) -> Tags:
    """The tags that every client span has, and its own."""
    return {
        "otel.scope.name": ("string", "opentelemetry.instrumentation.genai.mistralai"),
        "otel.scope.version": ("string", __version__),
        "span.kind": ("string", "client"),
        s.PROVIDER_NAME: ("string", "mistral_ai"),
        s.REQUEST_STREAM: ("bool", True),
        s.SERVER_ADDRESS: ("string", "127.0.0.1"),
        s.SERVER_PORT: ("int64", program.server_port),
        **own,
    }


def shown_as(
    span: ReadableSpan, name: str, tags: Tags, *, caller: Span, logs: list[Any] | None = None
) -> dict[str, Any]:
    """What Jaeger must show; of the span in memory only ids, times and links are taken."""
    trace_id, span_id = ids(span)
    parent = {"refType": "CHILD_OF", "traceID": ids(caller)[0], "spanID": ids(caller)[1]}
    links = [
        {
            "refType": "FOLLOWS_FROM",
            "traceID": format_trace_id(link.context.trace_id),
            "spanID": format_span_id(link.context.span_id),
        }
        for link in span.links
    ]
    start, end = times(span)
    return {
        "traceID": trace_id,
        "spanID": span_id,
        "processID": "p1",
        "operationName": name,
        "references": [parent, *links],
        "startTime": microseconds(start),
        "duration": microseconds(end - start),
        "tags": tags,
        "logs": logs or [],
        "warnings": None,
    }


def times(span: ReadableSpan) -> tuple[int, int]:
    """Start and end, ns since the epoch."""
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time, span.end_time


def microseconds(nanoseconds: int) -> int:
    """As Jaeger rounds: down, a date and a duration each by itself.

    The end that it draws, ``startTime + duration``, can so be a microsecond before the end's own.
    """
    return nanoseconds // 1000


def recorded(span: ReadableSpan, key: str) -> Any:
    """What only the run could tell, from the span in memory."""
    assert span.attributes is not None
    return span.attributes[key]


def first_chunk(span: ReadableSpan) -> Tags:
    """How long the first output took."""
    key = s.RESPONSE_TIME_TO_FIRST_CHUNK
    return {key: ("float64", recorded(span, key))}


def created_at(event: Any) -> datetime:
    """The server's time of an event that the caller got, in UTC."""
    time: datetime = event.data.created_at
    return time.astimezone(timezone.utc)


def since_epoch(time: datetime) -> int:
    """A date as Jaeger writes it: microseconds since the epoch."""
    return (time - _EPOCH) // timedelta(microseconds=1)


_NOTED = (
    s.ERROR_TYPE,
    s.AGENT_ID,
    s.AGENT_NAME,
    s.TOOL_CALL_ID,
    s.TOOL_TYPE,
    s.TRANSFER_TARGET_NAME,
    s.STREAM_OUTCOME,
)


def picture(trace: dict[str, Any]) -> list[str]:
    """A trace as one line a span: indented under its parent, with what tells it from others.

    ``follows`` is the number of the line that a span is linked to, or ``another trace``.
    """
    spans: list[dict[str, Any]] = sorted(trace["spans"], key=lambda span: int(span["startTime"]))
    parents = {span["spanID"]: found for span in spans for found in referred(span, "CHILD_OF")}

    def below(parent: str | None, depth: int) -> list[tuple[int, dict[str, Any]]]:
        rows: list[tuple[int, dict[str, Any]]] = []
        for span in spans:
            if parents.get(span["spanID"]) == parent:
                rows += [(depth, span), *below(span["spanID"], depth + 1)]
        return rows

    rows = below(None, 0)
    numbers = {span["spanID"]: number for number, (_, span) in enumerate(rows, 1)}
    lines: list[str] = []
    for depth, span in rows:
        tags = {tag["key"]: tag["value"] for tag in span["tags"]}
        notes = [f"{key.rpartition('.')[2]}={tags[key]}" for key in _NOTED if key in tags]
        followed = (
            numbers.get(linked, "another trace") for linked in referred(span, "FOLLOWS_FROM")
        )
        notes += [f"follows={number}" for number in followed]
        lines.append("  " * depth + " | ".join([span["operationName"], *notes]))
    return lines


def referred(span: dict[str, Any], kind: str) -> list[str]:
    """The ids of the spans that a span refers to in that way."""
    return [each["spanID"] for each in span["references"] if each["refType"] == kind]
