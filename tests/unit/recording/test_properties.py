# SPDX-License-Identifier: Apache-2.0
"""Whatever a server sends, in whatever order: one end, inside the call, with usable numbers."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opentelemetry.instrumentation.genai.mistralai._sdk.streams import leave, observe
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
    rejected,
    server,
    started,
    tool_started,
)
from tests.support.fakes import Story

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
