# SPDX-License-Identifier: Apache-2.0
"""What Jaeger shows of conversations that go well, and of those that the caller leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.jaeger.expected import (
    MODEL,
    created_at,
    first_chunk,
    recorded,
    shown_as,
    since_epoch,
    tags_of,
    times,
)
from tests.jaeger.program import ids
from tests.support import names as s

if TYPE_CHECKING:
    from tests.jaeger.program import Program
    from tests.jaeger.server import Jaeger

ANSWERED = {
    s.RESPONSE_ID: ("string", "msg_1"),
    s.RESPONSE_MODEL: ("string", MODEL),
    s.RESPONSE_FINISH_REASONS: ("string", '["stop"]'),
    s.USAGE_INPUT_TOKENS: ("int64", 24),
    s.USAGE_OUTPUT_TOKENS: ("int64", 29),
    s.USAGE_TOTAL_TOKENS: ("int64", 53),
    s.STREAM_OUTCOME: ("string", "completed"),
}


def test_an_answer_is_one_span_with_its_settings_and_its_usage(program: Program) -> None:
    settings = {"temperature": 0.5, "max_tokens": 64, "stop": ["END", "\n"], "random_seed": 7}
    with program.caller() as caller:
        events = program.converse(
            "start", "answer", model=MODEL, inputs="Hello", completion_args=settings
        )
    [span] = program.client_spans()
    own = {
        s.OPERATION_NAME: ("string", "chat"),
        s.REQUEST_MODEL: ("string", MODEL),
        s.REQUEST_TEMPERATURE: ("float64", 0.5),
        s.REQUEST_MAX_TOKENS: ("int64", 64),
        s.REQUEST_STOP_SEQUENCES: ("string", '["END","\\n"]'),
        s.REQUEST_SEED: ("int64", 7),
        s.CONVERSATION_ID: ("string", events[0].data.conversation_id),
        s.RESPONSE_CREATED_AT: ("string", created_at(events[-1]).isoformat()),
        **ANSWERED,
        **first_chunk(span),
    }
    tags = tags_of(program, own)
    assert program.shown(span) == shown_as(span, f"chat {MODEL}", tags, caller=caller)


def test_the_span_is_drawn_up_to_the_servers_created_at(program: Program) -> None:
    with program.caller():
        events = program.converse("start", "answer", model=MODEL, inputs="Hello")
    [span] = program.client_spans()
    shown = program.shown(span)
    end = since_epoch(created_at(events[-1]))
    # Jaeger rounds twice, see `microseconds`.
    assert shown["startTime"] + shown["duration"] in (end - 1, end)
    # The emulator waits 20 ms before the first piece.
    assert 0.02 <= recorded(span, s.RESPONSE_TIME_TO_FIRST_CHUNK) < 10


def test_connectors_are_counted_beside_the_tokens(program: Program) -> None:
    with program.caller() as caller:
        events = program.converse(
            "start", "web_search", model=MODEL, inputs="Hello", tools=[{"type": "web_search"}]
        )
    [span] = program.client_spans()
    own = {
        s.OPERATION_NAME: ("string", "chat"),
        s.REQUEST_MODEL: ("string", MODEL),
        s.CONVERSATION_ID: ("string", events[0].data.conversation_id),
        s.RESPONSE_CREATED_AT: ("string", created_at(events[-1]).isoformat()),
        **ANSWERED,
        s.USAGE_INPUT_TOKENS: ("int64", 142),
        s.USAGE_OUTPUT_TOKENS: ("int64", 38),
        s.USAGE_TOTAL_TOKENS: ("int64", 1204),
        s.USAGE_CONNECTOR_TOKENS: ("int64", 1024),
        s.USAGE_CONNECTORS_WEB_SEARCH: ("int64", 1),
        **first_chunk(span),
    }
    tags = tags_of(program, own)
    assert program.shown(span) == shown_as(span, f"chat {MODEL}", tags, caller=caller)


def test_an_agent_is_named_by_its_id(program: Program) -> None:
    with program.caller() as caller:
        events = program.converse("start", "agent", agent_id="ag_1", inputs="Hello")
    [span] = program.client_spans()
    own = {
        s.OPERATION_NAME: ("string", "invoke_agent"),
        s.AGENT_ID: ("string", "ag_1"),
        s.REQUEST_MODEL: ("string", MODEL),
        s.CONVERSATION_ID: ("string", events[0].data.conversation_id),
        s.RESPONSE_CREATED_AT: ("string", created_at(events[-1]).isoformat()),
        **ANSWERED,
        s.USAGE_INPUT_TOKENS: ("int64", 5),
        s.USAGE_OUTPUT_TOKENS: ("int64", 7),
        s.USAGE_TOTAL_TOKENS: ("int64", 12),
        **first_chunk(span),
    }
    tags = tags_of(program, own)
    assert program.shown(span) == shown_as(span, "invoke_agent", tags, caller=caller)


def test_a_stream_that_is_left_is_closed_and_no_error(program: Program) -> None:
    with program.caller() as caller:
        events = program.converse("start", "answer", leave_after=3, model=MODEL, inputs="Hello")
    [span] = program.client_spans()
    own = {
        s.OPERATION_NAME: ("string", "chat"),
        s.REQUEST_MODEL: ("string", MODEL),
        s.CONVERSATION_ID: ("string", events[0].data.conversation_id),
        s.RESPONSE_ID: ("string", "msg_1"),
        s.RESPONSE_MODEL: ("string", MODEL),
        s.STREAM_OUTCOME: ("string", "closed"),
        **first_chunk(span),
    }
    tags = tags_of(program, own)
    assert len(events) == 3
    assert program.shown(span) == shown_as(span, f"chat {MODEL}", tags, caller=caller)


def test_an_append_and_a_restart_say_which_conversation_they_continue(program: Program) -> None:
    with program.caller() as caller:
        first = program.converse("start", "answer", model=MODEL, inputs="Hello")
        conversation_id = first[0].data.conversation_id
        appended = program.converse(
            "append", "answer", conversation_id=conversation_id, inputs="And?"
        )
        restarted = program.converse(
            "restart",
            "answer",
            conversation_id=conversation_id,
            inputs="Again",
            from_entry_id="msg_1",
        )
    [_, append, restart] = program.client_spans()
    new_id = restarted[0].data.conversation_id
    assert appended[0].data.conversation_id == conversation_id != new_id
    named = {
        "append": {s.CONVERSATION_ID: ("string", conversation_id)},
        "restart": {
            s.CONVERSATION_ID: ("string", new_id),
            s.RESTARTED_FROM: ("string", conversation_id),
        },
    }
    turns = (("append", append, appended), ("restart", restart, restarted))
    for turn, span, events in turns:
        own = {
            s.OPERATION_NAME: ("string", "chat"),
            # Viewers look for a span's model nowhere else.
            s.REQUEST_MODEL: ("string", MODEL),
            s.RESPONSE_CREATED_AT: ("string", created_at(events[-1]).isoformat()),
            **named[turn],
            **ANSWERED,
            **first_chunk(span),
        }
        tags = tags_of(program, own)
        assert program.shown(span) == shown_as(span, f"chat {MODEL}", tags, caller=caller)


def test_otlp_keeps_the_nanoseconds_and_the_arrays(program: Program, jaeger: Jaeger) -> None:
    program.converse("start", "answer", model=MODEL, inputs="Hello")
    [span] = program.client_spans()
    [resource] = jaeger.otlp_trace(ids(span)[0])["resourceSpans"]
    [scope] = resource["scopeSpans"]
    [shown] = scope["spans"]
    start, end = times(span)
    assert (shown["startTimeUnixNano"], shown["endTimeUnixNano"]) == (str(start), str(end))
    attributes = {each["key"]: each["value"] for each in shown["attributes"]}
    assert attributes[s.RESPONSE_FINISH_REASONS] == {
        "arrayValue": {"values": [{"stringValue": "stop"}]}
    }
