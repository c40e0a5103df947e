# SPDX-License-Identifier: Apache-2.0
"""Functions that the model asks its caller to run: why a conversation finished."""

from __future__ import annotations

from typing import Any

import pytest

from emulator import Emulator
from tests.support import names as s
from tests.support import sdk
from tests.support.conversation_spans import (
    FROM_THE_RUN,
    MODEL,
    common,
    interval,
    nanoseconds,
    taken,
)
from tests.support.conversations import Ask, Run, ask_async, ask_sync
from tests.support.fake_events import Event, delta, done, function_call, rejected, tool_started
from tests.support.fakes import Story
from tests.support.recording import Recording, Span, plain

# Each scenario's tokens.
WAITING = {
    "function_call": (18, 6, 24),
    "functions_parallel": (40, 24, 64),
    "functions_confirmation": (18, 6, 24),
}


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Asks for a scenario's response, sync or async; returns it, or raises what comes."""
    made: Ask = request.param
    return made


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        # Any piece may settle it, and any may open it again.
        ([function_call(confirmation_status="pending"), function_call()], "tool_call"),
        ([function_call(), function_call(confirmation_status="allowed")], "stop"),
        ([function_call(), function_call(confirmation_status="denied")], "stop"),
        ([function_call(confirmation_status="allowed"), function_call(id="fc_2")], "tool_call"),
        ([rejected("function.call.delta", confirmation_status="denied")], "stop"),
        ([rejected("function.call.delta", confirmation_status=["denied"])], "tool_call"),
        ([function_call(confirmation_status="")], "tool_call"),
        ([function_call(confirmation_status=7)], "tool_call"),
        # Whatever comes after it, nobody has answered it.
        ([function_call(), delta(), delta()], "tool_call"),
        ([function_call(), tool_started()], "tool_call"),
        ([delta(), delta(), function_call(), function_call()], "tool_call"),
    ],
)
def test_a_caller_must_answer_what_nobody_answered_allowed_or_denied(
    monkeypatch: pytest.MonkeyPatch, events: list[Event], reason: str
) -> None:
    story = Story(monkeypatch)
    story.receives(*((0.3, event) for event in events), (0.5, done()))
    (ended,) = story.call.endings
    assert ended.attributes[s.RESPONSE_FINISH_REASONS] == [reason]


@pytest.mark.parametrize("scenario", WAITING)
def test_a_conversation_that_waits_for_a_function_is_one_whole_span_and_no_tool(
    emulator: Emulator, client: Any, run: Run, recording: Recording, scenario: str
) -> None:
    events = run(client, scenario)
    span = recording.the_span()
    sent, received, total = WAITING[scenario]
    # Of a pair whose pieces take turns, either may be called the last.
    (response_id,) = taken(span, s.RESPONSE_ID).values()
    assert response_id in {event.data.id for event in events[1:-1]}
    attributes = {
        **common(emulator),
        **taken(span, *FROM_THE_RUN, s.RESPONSE_CREATED_AT),
        s.OPERATION_NAME: "chat",
        s.REQUEST_MODEL: MODEL,
        s.RESPONSE_ID: response_id,
        s.RESPONSE_FINISH_REASONS: ["tool_call"],
        s.USAGE_INPUT_TOKENS: sent,
        s.USAGE_OUTPUT_TOKENS: received,
        s.USAGE_TOTAL_TOKENS: total,
        s.STREAM_OUTCOME: "completed",
    }
    # Before 2.0 the events of a function call name no model.
    model = {s.RESPONSE_MODEL: MODEL} if sdk.VERSION >= (2,) else {}
    assert plain(span) == Span(f"chat {MODEL}", attributes | model)
    assert interval(span)[1] == nanoseconds(events[-1].data.created_at)
    assert s.METRIC_TOOL_DURATION not in recording.metrics()


def test_once_the_caller_answered_the_conversation_stops(
    emulator: Emulator, client: Any, run: Run, ask: Ask, recording: Recording
) -> None:
    result = {"type": "function.result", "tool_call_id": "call_1", "result": "It rains."}
    (first, *_) = run(client, "run_function")
    known = {"conversation_id": first.data.conversation_id, "inputs": [result]}
    run(client, "run_function", "append_stream", **known)
    emulator.clear()
    asked = ask(client, "run_function")
    known["conversation_id"] = asked.conversation_id
    ask(client, "run_function", "append", **known)
    reasons = [plain(span).attributes[s.RESPONSE_FINISH_REASONS] for span in recording.spans()]
    assert reasons == [["tool_call"], ["stop"]] * 2
