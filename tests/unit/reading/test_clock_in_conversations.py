# SPDX-License-Identifier: Apache-2.0
"""Server time in a conversation: when its span ends, what is shifted, and the first chunk."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.support.fake_events import (
    Event,
    delta,
    done,
    function_call,
    handoff_started,
    rejected,
    started,
    tool_done,
    tool_started,
)
from tests.support.fakes import Story


def test_created_at_is_recorded_unshifted_and_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(monkeypatch)
    at = datetime.fromisoformat("2027-01-01T03:00:00.500000+03:00")
    story.receives((0.2, started("2027-01-01T00:00:00Z")), (0.9, done(at)))
    (ended,) = story.call.endings
    created_at = ended.attributes["mistral_ai.response.created_at"]
    assert (ended.at, created_at) == (0.7, "2027-01-01T00:00:00.500000+00:00")


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


@pytest.mark.parametrize("case", ENDS)
def test_server_times_are_shifted_and_clamped_each_at_its_own_arrival(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    arrivals, at, shift_ms = ENDS[case]
    story = Story(monkeypatch)
    story.receives(*arrivals)
    (ended,) = story.call.endings
    assert (ended.at, ended.attributes.get("mistral_ai.clock.shift_ms")) == (at, shift_ms)


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
    recorded = ended.attributes["gen_ai.response.time_to_first_chunk"]
    assert (ended.first_chunk, recorded) == (first_chunk, first_chunk)
