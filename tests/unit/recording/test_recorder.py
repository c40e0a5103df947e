# SPDX-License-Identifier: Apache-2.0
"""Whatever a server sends, in whatever order: one end, inside the call, with usable numbers.

Whole trees of spans, too; and one story makes the same tree streamed and not.
"""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from itertools import groupby
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from opentelemetry.instrumentation.genai.mistralai._reading.fields import text
from opentelemetry.instrumentation.genai.mistralai._sdk.streams import leave, observe
from tests.support.fake_events import (
    MODEL,
    UNSET,
    Entry,
    Event,
    Response,
    Usage,
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
from tests.support.fakes import Ended, FakeCall, FakeChild, Story

OUTCOMES = {"completed", "failed", "cancelled", "closed", "abandoned"}
NAMES = [
    "conversation.response.started",
    "conversation.response.done",
    "conversation.response.error",
    "message.output.delta",
    "function.call.delta",
    "tool.execution.started",
    "tool.execution.done",
    "agent.handoff.started",
    "of.tomorrow",
]


class Hostile:
    """Raises whatever is done with it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __hash__(self) -> int:
        raise RuntimeError("hash")


def offset(hours: int) -> timezone:
    return timezone(timedelta(hours=hours))


TIMES: st.SearchStrategy[object] = st.one_of(
    st.none(),
    st.floats(-1, 5).map(server),
    st.floats(-1, 5).map(lambda seconds: server(seconds).replace(tzinfo=None)),
    st.floats(-1, 5).map(lambda seconds: server(seconds).isoformat()),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.sampled_from([datetime.min, datetime.max]),
    st.sampled_from(
        [datetime.min.replace(tzinfo=offset(14)), datetime.max.replace(tzinfo=offset(-14))]
    ),
    st.text(max_size=5),
)
TEXTS: st.SearchStrategy[object] = st.sampled_from(
    [None, UNSET, "", "a", "b", MODEL, "the user's words", 7, b"x", ["x"]]
)
NUMBERS: st.SearchStrategy[object] = st.one_of(
    st.integers(-5, 50),
    st.sampled_from([10**12, 10**12 + 1, 10**30, True, 7.5, float("nan"), "7", None, UNSET]),
)
CONNECTORS = st.none() | TEXTS | st.dictionaries(st.text(max_size=3) | st.integers(), NUMBERS)
USAGES: st.SearchStrategy[object] = st.one_of(
    st.builds(Usage, NUMBERS, NUMBERS, NUMBERS, NUMBERS, CONNECTORS),
    st.dictionaries(st.sampled_from(["prompt_tokens", "total_tokens", "x"]), NUMBERS),
    TEXTS,
)
OUTPUT = {"id": TEXTS, "model": TEXTS, "agent_id": TEXTS, "confirmation_status": TEXTS}
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(started, TIMES, conversation_id=TEXTS),
    st.builds(delta, TIMES, **OUTPUT),
    st.builds(delta, TIMES),
    st.builds(function_call, TIMES, **OUTPUT),
    st.builds(tool_started, TIMES, **OUTPUT),
    st.builds(handoff_started, TIMES, previous_agent_id=TEXTS, previous_agent_name=TEXTS),
    st.builds(done, TIMES, usage=USAGES),
    st.builds(error, TIMES, code=NUMBERS | TEXTS),
    st.builds(rejected, st.sampled_from(NAMES), id=TEXTS, created_at=TIMES, usage=USAGES),
    st.builds(Event, st.sampled_from(NAMES), TEXTS),
)
HOSTILE: st.SearchStrategy[object] = st.one_of(
    TEXTS,
    st.builds(Hostile),
    st.builds(Event, st.sampled_from([*NAMES, None, 7]) | st.builds(Hostile), st.builds(Hostile)),
    st.builds(delta, TIMES, id=st.builds(Hostile)),
    st.builds(done, TIMES, usage=st.builds(Hostile)),
    st.builds(started, st.builds(Hostile)),
)
GAPS = st.integers(0, 2 * 10**9)
ENDS = st.sampled_from(["exhausted", "raised", "cancelled", "closed", "dropped"])


class Played:
    """A stream that was read to its end, by a caller that ended it in one of all ways."""

    def __init__(self, steps: list[tuple[int, Any]], end: str, gap: int) -> None:
        with pytest.MonkeyPatch.context() as monkeypatch:
            story = Story(monkeypatch)
            stream = SimpleNamespace(generator=self._events(story, steps, end, gap))
            observe(stream, story.recorder, story.call)
            self.seen: list[Any] = []
            try:
                self.seen.extend(stream.generator)
            except (TimeoutError, asyncio.CancelledError):
                pass
            if end == "dropped":
                story.recorder.dropped()
            leave(stream)
        self.call = story.call
        self.over = (story.call.now() - story.call.started) / 1e9

    def _events(
        self, story: Story, steps: list[tuple[int, Any]], end: str, gap: int
    ) -> Iterator[Any]:
        for waited, event in steps:
            story.clock.advance(waited)
            yield event
        story.clock.advance(gap)
        if end == "raised":
            raise TimeoutError
        if end == "cancelled":
            raise asyncio.CancelledError
        # What the last piece of a message raises is kept from the caller by the observer.
        with contextlib.suppress(RuntimeError):
            if end == "closed":
                story.recorder.left("closed")
            if end == "dropped":
                story.recorder.dropped()


def is_usable(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**12


def fields_of(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    return getattr(value, "__dict__", {})


def usage_of(event: Event) -> tuple[object, ...]:
    """What a done event reports, by the contract."""
    data = fields_of(event.data)
    fields = fields_of(fields_of(data.get("raw", data)).get("usage"))
    names = ("prompt_tokens", "completion_tokens", "total_tokens", "connector_tokens")
    numbers = [fields.get(name) if is_usable(fields.get(name)) else None for name in names]
    connectors: Any = fields.get("connectors")
    items: list[tuple[Any, Any]] = [*connectors.items()] if isinstance(connectors, dict) else []
    return (*numbers, {k: v for k, v in items if isinstance(k, str) and is_usable(v)})


@given(steps=st.lists(st.tuples(GAPS, EVENTS | HOSTILE), max_size=12), end=ENDS, gap=GAPS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_stream_of_anything_reaches_its_caller_and_ends_its_span_once_inside_the_call(
    steps: list[tuple[int, Any]], end: str, gap: int
) -> None:
    played = Played(steps, end, gap)
    assert [id(event) for event in played.seen] == [id(event) for _, event in steps]
    (ended,) = played.call.endings
    assert 0 <= ended.at <= played.over
    assert ended.outcome in OUTCOMES
    assert ended.first_chunk is None or 0 <= ended.first_chunk <= played.over
    for key, value in ended.attributes.items():
        assert "usage" not in key or is_usable(value)


@given(steps=st.lists(st.tuples(GAPS, EVENTS), max_size=12), end=ENDS, gap=GAPS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_first_done_event_alone_is_counted_and_the_first_that_ends_says_how(
    steps: list[tuple[int, Event]], end: str, gap: int
) -> None:
    call = Played(steps, end, gap).call
    (ended,) = call.endings
    none = (None, None, None, None, dict[str, int]())
    dones = [event for _, event in steps if event.event == "conversation.response.done"]
    ends = [event.event for _, event in steps if event.event in NAMES[1:3]]
    by_end = {"exhausted": "failed", "raised": "failed", "dropped": "abandoned"}
    by_event = {NAMES[1]: "completed", NAMES[2]: "failed"}
    assert ended.outcome == (by_event[ends[0]] if ends else by_end.get(end, end))
    counted = usage_of(dones[0]) if dones else none
    assert ended.usage == (counted if ends and ends[0] == NAMES[1] else none)


def test_a_chunk_is_timed_from_the_one_before_it_when_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = Story(monkeypatch)
    story.asks("chat", chunk_times=True)
    story.receives((0.2, started()), (0.3, delta()), (0.45, delta()), (0.5, delta(id="msg_2")))
    assert story.call.chunks == [(MODEL, 0.15), (MODEL, 0.05)]
    story.asks("chat")
    story.receives((0.3, delta()), (0.4, delta()))
    assert story.call.chunks == []


def test_a_long_answer_is_recorded_in_constant_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = Story(monkeypatch)
    story.receives((0.3, delta(0.2)), (0.31, delta(0.2)))
    tracemalloc.start()
    story.receives(*((0.4, delta(0.3, name="x" * 1000)) for _ in range(300)))
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 100_000


# Few, so that they repeat; of a handoff and of a tool the same.
IDS: st.SearchStrategy[object] = st.sampled_from(["a", "b", None]) | TEXTS
TAKERS = ("ag_1", "ag_2", "ag_3")
AGENTS: st.SearchStrategy[object] = st.sampled_from(TAKERS) | TEXTS
PREVIOUS = {"previous_agent_id": AGENTS, "previous_agent_name": TEXTS}
NEXT = {"next_agent_id": AGENTS, "next_agent_name": TEXTS}
REQUESTS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"agent_id": "ag_1"}, {"model": "mistral-small-latest"}, {"conversation_id": "conv_0"}]
)


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
ENTRIES = st.builds(
    Entry,
    st.sampled_from(["message.output", "function.call", "tool.execution", "agent.handoff", "x"]),
    TIMES, TIMES, IDS, TEXTS, TEXTS, AGENTS, TEXTS, AGENTS, TEXTS, AGENTS, TEXTS,
)  # fmt: skip


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
            "dropped": story.recorder.dropped,
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
    return ended.corrected, attributes, ended.usage, ended.response_model, of(None)


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
    events, entries = told_twice(beats)
    # Of pieces on end, the first of which names nobody, a stream asks the last one.
    for kind, told in groupby((event for _, event in events), key=lambda event: event.event):
        if kind == "message.output.delta":
            agents = [text(event.data.agent_id) for event in told]
            assume(agents[0] or {*agents} <= {None, agents[-1]})
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
