# SPDX-License-Identifier: Apache-2.0
"""What Jaeger shows of a conversation that fails: why, where, and none of the user's words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.jaeger.expected import MODEL, first_chunk, microseconds, shown_as, tags_of
from tests.jaeger.program import ids

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
        "gen_ai.operation.name": ("string", "chat"),
        "gen_ai.request.model": ("string", MODEL),
        "gen_ai.conversation.id": ("string", events[0].data.conversation_id),
        "gen_ai.response.id": ("string", "msg_1"),
        "gen_ai.response.model": ("string", MODEL),
        "gen_ai.response.finish_reasons": ("string", '["error"]'),
        "mistral_ai.stream.outcome": ("string", "failed"),
        "error": ("bool", True),
        "error.type": ("string", "500"),
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
        "gen_ai.operation.name": ("string", "chat"),
        "gen_ai.request.model": ("string", MODEL),
        "http.response.status_code": ("int64", 429),
        "mistral_ai.error.code": ("string", "1300"),
        "error": ("bool", True),
        "error.type": ("string", "429"),
        "otel.status_code": ("string", "ERROR"),
        "otel.status_description": ("string", "429"),
    }
    [event] = span.events
    assert event.attributes is not None
    log = {
        "timestamp": microseconds(event.timestamp),
        "fields": {
            "event": ("string", "exception"),
            "exception.type": ("string", f"{type(error).__module__}.SDKError"),
            "exception.stacktrace": ("string", event.attributes["exception.stacktrace"]),
        },
    }
    tags = tags_of(program, own)
    assert program.shown(span) == shown_as(span, f"chat {MODEL}", tags, caller=caller, logs=[log])
    assert INPUT in str(error)
    assert INPUT not in json.dumps(program.trace(ids(span)[0]))


def test_an_exception_is_drawn_inside_its_span(program: Program) -> None:
    refused(program)
    [span] = program.client_spans()
    shown = program.shown(span)
    [log] = shown["logs"]
    assert 0 <= log["timestamp"] - shown["startTime"] <= shown["duration"] + 1
