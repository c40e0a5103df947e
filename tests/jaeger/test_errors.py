# SPDX-License-Identifier: Apache-2.0
"""What Jaeger shows of a conversation that fails: why, where, and none of the user's words."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.jaeger.expected import MODEL, first_chunk, microseconds, shown_as, tags_of
from tests.jaeger.program import ids
from tests.support import names as s
from tests.support.sdk import Mistral

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from tests.jaeger.program import Program

# The emulator repeats it in its error event and in the body of its 429.
INPUT = "what the user wrote"


def test_an_error_event_makes_the_span_an_error(program: Program) -> None:
    with program.caller() as caller:
        events = program.converse("start", "error_event", model=MODEL, inputs=INPUT)
    [span] = program.client_spans()
    own = {
        s.OPERATION_NAME: ("string", "chat"),
        s.REQUEST_MODEL: ("string", MODEL),
        s.CONVERSATION_ID: ("string", events[0].data.conversation_id),
        s.RESPONSE_ID: ("string", "msg_1"),
        s.RESPONSE_MODEL: ("string", MODEL),
        s.RESPONSE_FINISH_REASONS: ("string", '["error"]'),
        s.STREAM_OUTCOME: ("string", "failed"),
        "error": ("bool", True),
        s.ERROR_TYPE: ("string", "500"),
        "otel.status_code": ("string", "ERROR"),
        "otel.status_description": ("string", "500"),
        **first_chunk(span),
    }
    tags = tags_of(program, own)
    assert program.shown(span) == shown_as(span, f"chat {MODEL}", tags, caller=caller)
    assert INPUT in events[-1].data.message
    assert INPUT not in json.dumps(program.trace(ids(span)[0]))


def refused(program: Program) -> tuple[Span, Exception]:
    """A conversation that the server refuses with a 429, and what the caller catches."""
    with program.caller() as caller, pytest.raises(Exception, match="Status 429") as raised:
        program.converse("start", "http_429", model=MODEL, inputs=INPUT)
    return caller, raised.value


def test_an_http_error_is_shown_with_its_status_and_its_exception(program: Program) -> None:
    caller, error = refused(program)
    [span] = program.client_spans()
    own = {
        s.OPERATION_NAME: ("string", "chat"),
        s.REQUEST_MODEL: ("string", MODEL),
        s.RESPONSE_FINISH_REASONS: ("string", '["error"]'),
        s.HTTP_STATUS_CODE: ("int64", 429),
        s.ERROR_CODE: ("string", "1300"),
        "error": ("bool", True),
        s.ERROR_TYPE: ("string", "429"),
        "otel.status_code": ("string", "ERROR"),
        "otel.status_description": ("string", "429"),
    }
    [event] = span.events
    assert event.attributes is not None
    log = {
        "timestamp": microseconds(event.timestamp),
        "fields": {
            "event": ("string", "exception"),
            s.EXCEPTION_TYPE: ("string", f"{type(error).__module__}.SDKError"),
            s.EXCEPTION_STACKTRACE: ("string", event.attributes[s.EXCEPTION_STACKTRACE]),
        },
    }
    tags = tags_of(program, own)
    assert program.shown(span) == shown_as(span, f"chat {MODEL}", tags, caller=caller, logs=[log])
    assert INPUT in str(error)
    assert INPUT not in json.dumps(program.trace(ids(span)[0]))


def inside(shown: dict[str, Any], around: dict[str, Any]) -> bool:
    """Whether Jaeger draws a span, or an event of one, inside of another span."""
    start = shown.get("startTime", shown.get("timestamp"))
    first, last = around["startTime"], around["startTime"] + around["duration"]
    return bool(first <= start and start + shown.get("duration", 0) <= last)


def test_every_exception_is_drawn_inside_its_span(program: Program) -> None:
    # Jaeger cuts start and duration to microseconds one by one, and hides events past the end: of
    # a hundred roots half were hit.
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with Mistral(api_key="key", server_url=f"http://127.0.0.1:{port}") as client:
            for _ in range(200):
                with pytest.raises(Exception, match="refused"):
                    client.chat.complete(model=MODEL, messages=[{"role": "user", "content": INPUT}])
    spans = program.client_spans()
    assert (len(spans), {span.parent for span in spans}) == (200, {None})
    shown = [program.shown(span) for span in spans]
    assert [len(span["logs"]) for span in shown] == [1] * 200
    assert [span for span in shown if not inside(span["logs"][0], span)] == []


@pytest.mark.parametrize("scenario", ["handoff_chain", "tools_interleaved", "tool_error_event"])
def test_every_step_is_drawn_inside_its_conversation(program: Program, scenario: str) -> None:
    for _ in range(10):
        program.converse("start", scenario, agent_id="ag_1", inputs=INPUT)
    for root in program.client_spans():
        spans = {span["spanID"]: span for span in program.trace(ids(root)[0])["spans"]}
        assert len(spans) > 1
        assert all(inside(span, spans[ids(root)[1]]) for span in spans.values())
