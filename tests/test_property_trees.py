# SPDX-License-Identifier: Apache-2.0
"""Whatever a server tells of tools, agents and handoffs: whole trees of spans, inside the call.

And the same tree, whether the story is told by a stream or by the entries of a response.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from opentelemetry.instrumentation.genai.mistralai._fields import text
from tests.fake_events import (
    UNSET,
    Event,
    delta,
    done,
    error,
    function_call,
    handoff_done,
    handoff_started,
    rejected,
    server,
    started,
    tool_done,
    tool_started,
)
from tests.fakes import Ended, FakeCall, FakeChild, Story
from tests.test_entries import Entry, Response
from tests.test_properties import ENDS, GAPS, NUMBERS, TEXTS, TIMES, USAGES

# Few, so that they repeat; of a handoff and of a tool the same.
IDS: st.SearchStrategy[object] = st.sampled_from(["a", "b", None]) | TEXTS
TAKERS = ("ag_1", "ag_2", "ag_3")
AGENTS: st.SearchStrategy[object] = st.sampled_from(TAKERS) | TEXTS
PREVIOUS = {"previous_agent_id": AGENTS, "previous_agent_name": TEXTS}
NEXT = {"next_agent_id": AGENTS, "next_agent_name": TEXTS}
STEP = {"id": IDS, "name": TEXTS, "agent_id": AGENTS}
INSIDE: st.SearchStrategy[Event] = st.one_of(
    st.builds(tool_started, TIMES, **STEP, model=TEXTS),
    st.builds(tool_done, TIMES, id=IDS, name=TEXTS),
    st.builds(handoff_started, TIMES, id=IDS, **PREVIOUS),
    st.builds(handoff_done, TIMES, id=IDS, **NEXT),
    st.builds(delta, TIMES, **STEP),
    st.builds(function_call, TIMES, **STEP, confirmation_status=TEXTS),
    st.builds(started, TIMES, conversation_id=TEXTS),
    st.builds(
        rejected,
        st.sampled_from(["tool.execution.started", "tool.execution.done", "agent.handoff.done"]),
        created_at=TIMES, **STEP, **NEXT,
    ),
)  # fmt: skip
CLOSING: st.SearchStrategy[Event] = st.one_of(
    st.builds(done, TIMES, usage=USAGES), st.builds(error, TIMES, code=NUMBERS | TEXTS)
)
STEPS = st.lists(st.tuples(GAPS, INSIDE), max_size=20)
_Arrivals = list[tuple[int, Event]]
TAILS = st.lists(st.tuples(GAPS, CLOSING | INSIDE), max_size=3)
REQUESTS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"agent_id": "ag_1"}, {"model": "mistral-small-latest"}, {"conversation_id": "conv_0"}]
)
ENTRIES = st.builds(
    Entry,
    st.sampled_from(["message.output", "function.call", "tool.execution", "agent.handoff", "x"]),
    TIMES, TIMES, IDS, TEXTS, TEXTS, AGENTS, TEXTS, AGENTS, TEXTS, AGENTS, TEXTS,
)  # fmt: skip


def property_test(test: Any) -> Any:
    health = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    return health(test)


def asked(request: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Story:
    story = Story(monkeypatch)
    story.asks("invoke_agent" if "agent_id" in request else "chat", **request)
    return story


def assert_whole(call: FakeCall) -> Ended:
    """Every span has ended, inside its parent; the call asserts that they ended before it."""
    (ended,) = call.endings
    assert 0 <= ended.at <= (call.now() - call.started) / 1e9
    for child in call.children:
        assert child.ended is not None
        assert 0 <= child.started <= child.ended <= ended.at
        if child.inside is not None:
            assert child.inside.ended is not None
            assert child.inside.started <= child.started
            assert child.ended <= child.inside.ended
        assert all(isinstance(value, str) for _, value in child.attributes.values())
    return ended


@property_test
@given(request=REQUESTS, steps=STEPS, tail=TAILS, end=ENDS, gap=GAPS)
def test_every_span_inside_a_stream_ends_once_inside_its_parent_and_before_the_call(
    request: dict[str, Any], steps: _Arrivals, tail: _Arrivals, end: str, gap: int
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        story = asked(request, monkeypatch)
        for waited, event in [*steps, *tail]:
            story.clock.advance(waited)
            story.recorder.see(event)
        story.clock.advance(gap)
        ends: dict[str, Any] = {
            "exhausted": story.recorder.exhausted,
            "raised": lambda: story.recorder.failed(TimeoutError()),
            "cancelled": lambda: story.recorder.left("cancelled"),
            "closed": lambda: story.recorder.left("closed"),
            "dropped": story.recorder.abandon,
        }
        ends[end]()
        ended = assert_whole(story.call)
    error_type = ended.failure and ended.failure[0]
    assert {child.error_type for child in story.call.children} <= {None, error_type}


@property_test
@given(request=REQUESTS, entries=st.lists(ENTRIES | TEXTS, max_size=12), usage=USAGES, took=GAPS)
def test_every_span_inside_a_response_ends_once_inside_its_parent_and_before_the_call(
    request: dict[str, Any], entries: list[object], usage: object, took: int
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        story = asked(request, monkeypatch)
        story.clock.advance(took)
        story.recorder.on_response(Response(entries, usage))
        ended = assert_whole(story.call)
    assert (ended.outcome, ended.failure) == (None, None)
    assert {child.error_type for child in story.call.children} <= {None}


# One story, told in two ways


@dataclass
class Beat:
    """Something that begins, and is done when ``lasts`` others have begun; None is never."""

    entry: Entry
    lasts: int | None
    says_when: bool


BEATS = st.builds(
    Beat,
    st.builds(
        Entry,
        st.sampled_from(["message.output", "function.call", "tool.execution", "agent.handoff"]),
        id=IDS, name=TEXTS, model=TEXTS, agent_id=AGENTS, confirmation_status=TEXTS,
        **PREVIOUS, **NEXT,
    ),
    st.sampled_from([0, 0, 0, 1, 2, 3, None]),
    st.booleans(),
)  # fmt: skip
# Of each entry: the event that opens it, and its fields.
OPENING: dict[str, tuple[Any, tuple[str, ...]]] = {
    "message.output": (delta, ("id", "model", "agent_id")),
    "function.call": (function_call, ("id", "model", "agent_id", "confirmation_status")),
    "tool.execution": (tool_started, ("id", "name", "model", "agent_id")),
    "agent.handoff": (handoff_started, ("id", "previous_agent_id", "previous_agent_name")),
}
ONLY_IN_STREAMS = ("time_to_first_chunk", "stream.outcome", "response.created_at")


def told_twice(beats: list[Beat]) -> tuple[list[tuple[float, Event]], list[Entry]]:
    """The same story as a stream's events, with their times, and as a response's entries."""
    events: list[tuple[float, Event]] = []
    entries: list[Entry] = []
    over = {n + beat.lasts: n for n, beat in enumerate(beats) if beat.lasts is not None}
    for n, beat in enumerate(beats):
        entry, at = beat.entry, 0.2 + n / 100
        if entry.type in ("message.output", "function.call") and entry.id not in ("a", "b"):
            # Of a message's pieces the last one is asked for the id.
            entry = replace(entry, id="msg_1")
        opening, fields = OPENING[entry.type]
        told = {key: getattr(entry, key) for key in fields}
        if entry.type == "agent.handoff" and beat.lasts is None:
            # As it is in an entry of a handoff that nobody took over.
            entry = replace(entry, next_agent_id="", next_agent_name="")
        if entry.type == "agent.handoff":
            entry = replace(entry, model=UNSET)
        entry = replace(entry, created_at=server(at))
        events.append((at, opening(at, **told)))
        if beat.lasts is not None:
            end = 0.2 + (n + beat.lasts) / 100 + 0.001 * (1 + n % 8)
            taker = {key: getattr(entry, key) for key in NEXT}
            closings: dict[str, Event] = {
                "tool.execution": tool_done(end, id=entry.id, name=entry.name),
                "agent.handoff": handoff_done(end, id=entry.id, **taker),
            }
            # A message, or a function call, has one more piece.
            events.append((end, closings.get(entry.type) or opening(end, **told)))
            alone = over.get(n) == n and n + 1 < len(beats) and beat.lasts == 0
            alone = alone and sum(m + (b.lasts or 0) == n for m, b in enumerate(beats)) == 1
            last_piece = entry.type not in closings
            if beat.says_when or last_piece or not alone or entry.next_agent_id not in TAKERS:
                entry = replace(entry, completed_at=server(end))
        entries.append(entry)
    return sorted(events, key=lambda arrival: arrival[0]), entries


def tree(call: FakeCall, timed: bool) -> tuple[Any, ...]:
    """What a call and all within it say, times and stream-only attributes aside."""
    (ended,) = call.endings

    def of(parent: FakeChild | None) -> list[Any]:
        return sorted(
            (child.name, repr(sorted(child.attributes.items())), repr(child.error_type),
             repr((child.started, child.ended if child.ended != ended.at else "end")) * timed,
             of(child))
            for child in call.children if child.inside is parent
        )  # fmt: skip

    attributes = {k: v for k, v in ended.attributes.items() if not k.endswith(ONLY_IN_STREAMS)}
    return call.corrections[-1:], attributes, ended.usage, ended.response_model, of(None)


@property_test
@given(request=REQUESTS, beats=st.lists(BEATS, max_size=12))
def test_a_stream_and_a_response_make_the_same_tree_of_one_story(
    request: dict[str, Any], beats: list[Beat]
) -> None:
    # Of what never was done, an entry says nothing; what follows it does.
    beats = [
        beat if beat.lasts is not None or beat.entry.type == "agent.handoff" or beat is beats[-1]
        else replace(beat, lasts=0) for beat in beats
    ]  # fmt: skip
    # Of messages on end, that name nobody at first, a stream looks at the last one.
    for kind, told in groupby(beats, key=lambda beat: beat.entry.type):
        first, *others = [text(beat.entry.agent_id) for beat in told]
        assume(kind != "message.output" or first or len({*others} - {None}) < 2)
    events, entries = told_twice(beats)
    with pytest.MonkeyPatch.context() as monkeypatch:
        streamed = asked(request, monkeypatch)
        streamed.receives((0.15, started(0.1)))
        streamed.receives(*((at + 0.00001, event) for at, event in events), (1, done(0.9)))
        answered = asked(request, monkeypatch)
        answered.clock.set(1)
        answered.recorder.on_response(Response(entries))
    assert_whole(streamed.call)
    assert_whole(answered.call)
    closed = ("tool.execution", "agent.handoff")
    timed = not any(
        e.completed_at is UNSET for e, b in zip(entries, beats, strict=True)
        if e.type in closed and b.lasts is not None
    )  # fmt: skip
    assert tree(streamed.call, timed) == tree(answered.call, timed)
