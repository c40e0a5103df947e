# SPDX-License-Identifier: Apache-2.0
"""Whatever a server tells of tools, agents and handoffs: whole trees of spans, inside the call."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_events import (
    Event,
    delta,
    done,
    error,
    function_call,
    handoff_done,
    handoff_started,
    rejected,
    started,
    tool_done,
    tool_started,
)
from tests.support.property_trees import (
    AGENTS,
    IDS,
    NEXT,
    PREVIOUS,
    REQUESTS,
    asked,
    assert_whole,
    property_test,
)
from tests.unit.reading.test_entries import Entry, Response
from tests.unit.recording.test_properties import ENDS, GAPS, NUMBERS, TEXTS, TIMES, USAGES

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
