# SPDX-License-Identifier: Apache-2.0
"""The recorder of a conversation: what arrives, how its span ends, and when.

Names and operations in test_turns, late usage in test_usage.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support import names as s
from tests.support.fake_events import (
    MODEL,
    UNSET,
    Event,
    Usage,
    delta,
    done,
    error,
    function_call,
    handoff_started,
    old_function_call,
    rejected,
    server,
    started,
    tool_done,
    tool_started,
)
from tests.support.fakes import PACKAGE, Ended, Story, typed

CONVERSATION = {s.CONVERSATION_ID: "conv_1"}
ANSWERED = {
    s.RESPONSE_ID: "msg_1",
    s.RESPONSE_MODEL: MODEL,
    s.RESPONSE_TIME_TO_FIRST_CHUNK: 0.3,
}
NO_USAGE = {
    s.USAGE_INPUT_TOKENS: 0,
    s.USAGE_OUTPUT_TOKENS: 0,
    s.USAGE_TOTAL_TOKENS: 0,
}
ZEROS = (0, 0, 0, None, dict[str, int]())


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    return Story(monkeypatch)


def created(seconds: float) -> dict[str, str]:
    return {s.RESPONSE_CREATED_AT: server(seconds).isoformat()}


def finished(outcome: str, *reasons: str) -> dict[str, object]:
    told: dict[str, object] = {s.STREAM_OUTCOME: outcome}
    return {**told, s.RESPONSE_FINISH_REASONS: [*reasons]} if reasons else told


def end_of(story: Story) -> Ended:
    (ended,) = story.call.endings
    return ended


# When the span ends


def test_a_done_event_ends_the_span_at_created_at_and_before_the_caller_gets_it(
    story: Story,
) -> None:
    usage = Usage(10, 20, 95, 65, {"web_search": 1})
    last = done(0.5, usage=usage)
    story.receives((0.2, started(0.15)), (0.3, delta(0.25)), (0.4, delta(0.35)), (0.6, last))
    assert story.call.endings == [
        Ended(
            at=0.5,
            outcome="completed",
            attributes={
                **CONVERSATION,
                **ANSWERED,
                **created(0.5),
                **finished("completed", "stop"),
                s.USAGE_INPUT_TOKENS: 10,
                s.USAGE_OUTPUT_TOKENS: 20,
                s.USAGE_TOTAL_TOKENS: 95,
                s.USAGE_CONNECTOR_TOKENS: 65,
                s.USAGE_CONNECTORS_WEB_SEARCH: 1,
            },
            usage=(10, 20, 95, 65, {"web_search": 1}),
            response_model=MODEL,
            first_chunk=0.3,
            closing=last,
        )
    ]
    assert story.recorder.ended


def test_attributes_have_the_types_that_the_contract_names(story: Story) -> None:
    story.asks("chat", agent_id="ag_1")
    story.receives((1, started(99)), (2, handoff_started()), (3, delta(101)), (4, done(102)))
    assert typed(end_of(story).attributes) == typed(
        {
            **CONVERSATION,
            **ANSWERED,
            **NO_USAGE,
            **created(102),
            **finished("completed", "stop"),
            s.AGENT_ID: "ag_1",
            s.AGENT_NAME: "router",
            s.REQUEST_MODEL: MODEL,
            s.RESPONSE_TIME_TO_FIRST_CHUNK: 2.0,
            s.CLOCK_SHIFT: -98_000.0,
        }
    )


@pytest.mark.parametrize(
    "unusable", [None, UNSET, "soon", object(), datetime.fromisoformat("0001-01-01T00:00:00+14:00")]
)
def test_without_a_usable_created_at_the_span_ends_on_arrival(
    story: Story, unusable: object
) -> None:
    last = done(unusable)
    story.receives((0.2, started(unusable)), (0.6, last))
    attributes = {**CONVERSATION, **NO_USAGE, **finished("completed", "stop")}
    assert story.call.endings == [Ended(0.6, "completed", attributes, ZEROS, closing=last)]


def test_an_error_event_ends_the_span_at_its_created_at(story: Story) -> None:
    last = error(0.5, code=3000)
    story.receives((0.2, started(0.1)), (0.3, delta(0.2)), (0.6, last))
    attributes = {**CONVERSATION, **ANSWERED, **finished("failed", "error")}
    failed = Ended(0.5, "failed", attributes, failure=("3000", {}, None), closing=last)
    failed.response_model, failed.first_chunk = MODEL, 0.3
    assert story.call.endings == [failed]


def test_a_stream_that_ends_with_neither_done_nor_error_has_failed(story: Story) -> None:
    story.receives((0.2, started(0.1)))
    story.clock.set(0.7)
    story.recorder.exhausted()
    attributes = {**CONVERSATION, **finished("failed", "error")}
    failure = ("incomplete_stream", dict[str, str | int](), None)
    assert story.call.endings == [Ended(0.7, "failed", attributes, failure=failure)]


def test_what_the_transport_raised_fails_the_span_at_local_time(story: Story) -> None:
    exc = TimeoutError("the user's words")
    story.clock.set(0.7)
    story.recorder.failed(exc)
    failure = ("TimeoutError", dict[str, str | int](), exc)
    attributes = finished("failed", "error")
    assert story.call.endings == [Ended(0.7, "failed", attributes, failure=failure)]


@pytest.mark.parametrize("outcome", ["closed", "cancelled"])
def test_leaving_is_no_error_and_has_no_finish_reason(story: Story, outcome: str) -> None:
    story.receives((0.3, delta(0.2)))
    story.clock.set(0.7)
    story.recorder.left(outcome)
    attributes = {**ANSWERED, **finished(outcome)}
    left = Ended(0.7, outcome, attributes, response_model=MODEL, first_chunk=0.3)
    assert story.call.endings == [left]


ARRIVED: list[tuple[list[tuple[float, Event]], float]] = [
    ([], 0.1),
    ([(0.3, started(0.2))], 0.3),
    ([(0.3, delta(0.2)), (0.4, delta(0.2))], 0.4),
    ([(0.3, delta(0.2)), (0.4, Event("of.tomorrow", None))], 0.4),
    ([(0.3, delta(0.2)), (0.4, rejected("message.output.delta", id="msg_1"))], 0.4),
]


@pytest.mark.parametrize(("arrivals", "at"), ARRIVED)
def test_an_abandoned_stream_ends_when_its_last_event_arrived_or_when_it_was_handed_over(
    story: Story, arrivals: list[tuple[float, Event]], at: float
) -> None:
    story.receives(*arrivals)
    story.clock.set(9)
    story.recorder.dropped()
    ended = end_of(story)
    assert (ended.at, ended.outcome, ended.failure) == (at, "abandoned", None)
    assert s.RESPONSE_FINISH_REASONS not in ended.attributes


# What changes nothing any more


@pytest.mark.parametrize("first", ["done", "error", "exhausted", "failed", "left", "dropped"])
def test_whatever_ends_a_span_ends_it_once(story: Story, first: str) -> None:
    ends: dict[str, Any] = {
        "done": lambda: story.receives((0.5, done(0.5))),
        "error": lambda: story.receives((0.5, error(0.5))),
        "exhausted": story.recorder.exhausted,
        "failed": lambda: story.recorder.failed(ValueError()),
        "left": lambda: story.recorder.left("closed"),
        "dropped": story.recorder.dropped,
    }
    ends[first]()
    ended = end_of(story)
    for end in ends.values():
        end()
    assert story.call.endings == [ended]


def test_what_comes_after_a_done_event_is_not_looked_at(story: Story) -> None:
    story.receives((0.3, delta(0.2)), (0.5, done(0.5)))
    before = end_of(story)
    after = [done(0.6, usage=Usage(9)), error(0.6), delta(0.6, id="x"), handoff_started(0.6)]
    story.receives(*((0.6, event) for event in after), (0.7, Event("message.output.delta", None)))
    assert story.call.endings == [before]


# What was answered

REJECTED = (rejected("message.output.delta"), rejected("function.call.delta", id="fc_1"))


@pytest.mark.parametrize(
    ("events", "reason", "response_id"),
    [
        ([], "stop", None),
        ([tool_started()], "stop", None),
        ([delta()], "stop", "msg_1"),
        ([delta(), delta(id=""), delta(id=None), delta(id=7)], "stop", "msg_1"),
        ([delta(), tool_started(), handoff_started()], "stop", "msg_1"),
        ([delta(), rejected("message.output.delta", id="msg_2")], "stop", "msg_2"),
        ([delta(), *REJECTED], "tool_call", "fc_1"),
        ([function_call()], "tool_call", "fc_1"),
        ([old_function_call()], "tool_call", "fc_1"),
        ([rejected("function.call.delta", id="fc_1")], "tool_call", "fc_1"),
        ([function_call(confirmation_status="pending")], "tool_call", "fc_1"),
        ([function_call(confirmation_status="allowed")], "stop", "fc_1"),
        ([function_call(confirmation_status="denied")], "stop", "fc_1"),
        ([delta(), function_call(), function_call()], "tool_call", "fc_1"),
        ([function_call(), delta()], "tool_call", "msg_1"),
        ([function_call(), tool_started()], "tool_call", "fc_1"),
        ([function_call(), handoff_started()], "tool_call", "fc_1"),
    ],
)
def test_a_call_that_waits_says_why_a_stream_finished_and_the_last_entry_is_its_id(
    story: Story, events: list[Event], reason: str, response_id: str | None
) -> None:
    story.receives(*((0.3, event) for event in events), (0.5, done()))
    attributes = end_of(story).attributes
    assert attributes[s.RESPONSE_FINISH_REASONS] == [reason]
    assert attributes.get(s.RESPONSE_ID) == response_id


def test_created_at_is_recorded_unshifted_and_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(monkeypatch)
    at = datetime.fromisoformat("2027-01-01T03:00:00.500000+03:00")
    story.receives((0.2, started("2027-01-01T00:00:00Z")), (0.9, done(at)))
    (ended,) = story.call.endings
    created_at = ended.attributes[s.RESPONSE_CREATED_AT]
    assert (ended.at, created_at) == (0.7, "2027-01-01T00:00:00.500000+00:00")


def naive(at: float) -> datetime:
    return server(at).replace(tzinfo=None)


def far(at: float) -> datetime:
    return server(at).astimezone(timezone(timedelta(hours=9)))


ENDS: dict[str, tuple[list[tuple[float, Event]], float, object]] = {
    "shifted": ([(0.2, started(50)), (0.6, done(50.3))], 0.5, -49_800.0),
    "shifted, the done event first": ([(0.6, done(-50))], 0.6, 50_600.0),
    "later than its arrival": ([(0.2, started(0.2)), (0.6, done(9))], 0.6, None),
    "before the start": ([(0.2, started(0.2)), (0.6, done(-9))], 0.2, None),
    "before the delta": ([(0.3, delta(0.25)), (0.6, done(0.1))], 0.25, None),
    "before the next delta": (
        [(0.2, delta(0.1)), (0.4, delta(0.35)), (0.6, done(0.2))],
        0.35,
        None,
    ),
    "before the next delta, which has no offset": (
        [(0.2, delta(0.1)), (0.4, delta(naive(0.35))), (0.6, done(0.2))],
        0.35,
        None,
    ),
    "before the next delta, which has another offset": (
        [(0.2, delta(0.1)), (0.4, delta(far(0.35))), (0.6, done(0.2))],
        0.35,
        None,
    ),
    "after the next delta, and neither has an offset": (
        [(0.2, delta(0.1)), (0.4, delta(naive(0.2))), (0.6, done(naive(0.35)))],
        0.35,
        None,
    ),
    "after a delta whose time is no time": (
        [(0.2, delta(0.1)), (0.4, delta("soon")), (0.6, done(0.35))],
        0.35,
        None,
    ),
    "a delta of the future": (
        [(0.2, started(0.1)), (0.3, delta(9)), (0.4, delta(9)), (0.6, done(0.5))],
        0.5,
        None,
    ),
    "deltas that go back, of which only the last one is looked at": (
        [(0.2, delta(0.1)), (0.4, delta(0.35)), (0.5, delta(0.2)), (0.6, done(0.3))],
        0.3,
        None,
    ),
    "a tool that ended later": (
        [(0.2, started(0.1)), (0.4, tool_done(0.35)), (0.6, done(0.3))],
        0.35,
        None,
    ),
    "the second delta is the first with a time": (
        [(0.2, delta()), (0.3, delta(50)), (0.9, done(50.5))],
        0.8,
        -49_700.0,
    ),
}


def rejected_done() -> Event:
    return rejected("conversation.response.done", usage={"prompt_tokens": 3, "total_tokens": 3})


@pytest.mark.parametrize(
    ("cut_off", "last"),
    [
        ("fields_of", done(0.5, usage=Usage(3, 0, 3))),
        ("read_time", done(0.5, usage=Usage(3, 0, 3))),
        ("read_usage", done(0.5, usage=Usage(3, 0, 3))),
        ("unpacked", rejected_done()),
        ("name_of", done(0.5, usage=Usage(3, 0, 3))),
    ],
)
def test_an_event_whose_reading_is_interrupted_is_read_when_the_stream_is_dropped(
    monkeypatch: pytest.MonkeyPatch, cut_off: str, last: Event
) -> None:
    story = Story(monkeypatch)
    story.receives((0.2, started(0.1)), (0.3, delta(0.2)), (0.4, delta(0.3)))

    def interrupt(*_args: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"{PACKAGE}._recording.conversation.{cut_off}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            story.receives((0.6, last))
    assert story.call.endings == []
    story.recorder.dropped()
    (ended,) = story.call.endings
    assert (ended.outcome, ended.usage[0]) == ("completed", 3)


@pytest.mark.parametrize("case", ENDS)
def test_server_times_are_shifted_and_clamped_each_at_its_own_arrival(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    arrivals, at, shift_ms = ENDS[case]
    story = Story(monkeypatch)
    story.receives(*arrivals)
    (ended,) = story.call.endings
    assert (ended.at, ended.attributes.get(s.CLOCK_SHIFT)) == (at, shift_ms)


@pytest.mark.parametrize(
    ("event", "first_chunk"),
    [
        (delta(9), 0.3),
        (function_call(), 0.3),
        (tool_started(), 0.3),
        (handoff_started(), 0.3),
        (rejected("message.output.delta"), 0.3),
        (started(), 0.4),
        (Event("tool.execution.done", None), 0.4),
    ],
)
def test_the_first_chunk_is_the_first_output_event_by_its_arrival(
    monkeypatch: pytest.MonkeyPatch, event: Event, first_chunk: float
) -> None:
    story = Story(monkeypatch)
    story.receives((0.2, started(0.1)), (0.3, event), (0.4, delta(0.1)), (0.5, done()))
    (ended,) = story.call.endings
    recorded = ended.attributes[s.RESPONSE_TIME_TO_FIRST_CHUNK]
    assert (ended.first_chunk, recorded) == (first_chunk, first_chunk)
