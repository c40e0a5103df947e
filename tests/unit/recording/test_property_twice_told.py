# SPDX-License-Identifier: Apache-2.0
"""One story, told in two ways: a stream and a response make the same tree of spans of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from opentelemetry.instrumentation.genai.mistralai._reading.fields import text
from tests.support.fake_events import (
    UNSET,
    Event,
    delta,
    done,
    function_call,
    handoff_done,
    handoff_started,
    server,
    started,
    tool_done,
    tool_started,
)
from tests.support.fakes import FakeCall, FakeChild
from tests.support.property_trees import (
    AGENTS,
    IDS,
    NEXT,
    PREVIOUS,
    REQUESTS,
    TAKERS,
    asked,
    assert_whole,
    property_test,
)
from tests.unit.reading.test_entries import Entry, Response
from tests.unit.recording.test_properties import TEXTS


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
