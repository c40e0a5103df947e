# SPDX-License-Identifier: Apache-2.0
"""Tools, handoffs and agents at work inside a conversation: whole spans, on a clock that is fake.

Times are seconds since the start of the call; events arrive 0.05 s after their ``created_at``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._reading.requests import Request
from opentelemetry.instrumentation.genai.mistralai._recording.ending import Ending
from opentelemetry.instrumentation.genai.mistralai._recording.steps import Step, Steps
from tests.support import names as s
from tests.support.fake_events import (
    UNSET,
    Event,
    delta,
    done,
    error,
    handoff_done,
    handoff_started,
    old_tool_started,
    rejected,
    server,
    started,
    tool_done,
    tool_started,
)
from tests.support.fakes import FakeCall, FakeChild, FakeClock, Story, ns, typed

LIBRARY = "document_library"
WRITER = {s.AGENT_ID: "ag_2", s.AGENT_NAME: "writer"}


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    return Story(monkeypatch)


def tell(story: Story, *events: Event) -> list[FakeChild]:
    """Lets events arrive, each 0.05 s after the server made it, and returns the spans made."""
    for event in events:
        at = event.data.created_at
        seconds = (at - server(0)).total_seconds() + 0.05 if at else story.clock() / 1e9 - 77
        story.receives((seconds, event))
    return story.call.children


def span(
    name: str, start: float, end: float | None, error_type: str | None = None, **told: Any
) -> FakeChild:
    """A whole span."""
    parent: str | None = told.pop("parent", None)
    told[s.OPERATION_NAME], _, _ = name.partition(" ")
    told[s.CONVERSATION_ID] = "conv_1"
    return FakeChild(name, typed(told), start, parent, end, error_type)


def tool(
    start: float, end: float, error_type: str | None = None, call: Any = "tool_1", **told: Any
) -> FakeChild:
    name: str | None = told.pop("name", "web_search")
    known: dict[str, Any] = {s.TOOL_TYPE: "extension", s.TOOL_CALL_ID: call}
    if name is not None:
        known[s.TOOL_NAME] = name
    if call is None:
        del known[s.TOOL_CALL_ID]
    return span(f"execute_tool {name or ''}".strip(), start, end, error_type, **known | told)


def handoff(
    start: float, end: float, target: tuple[str, str] | None, error_type: str | None = None,
    **told: Any,
) -> FakeChild:  # fmt: skip
    known = {s.TOOL_NAME: "agent_handoff", s.TRANSFER_MODE: "pass_control"}
    name = "execute_tool agent_handoff"
    if target is not None:
        known[s.HANDOFF_TARGET_ID], known[s.TRANSFER_TARGET_NAME] = target
        name = f"{name} {target[1]}"
    return span(name, start, end, error_type, **known | told)


BY_WRITER = {"previous_agent_id": "ag_2", "previous_agent_name": "writer"}
FIRST = {s.AGENT_ID: "ag_1", s.AGENT_NAME: "router"}

# Tools


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ({"name": None}, {"name": None}),
        ({"name": 7, "id": 7}, {"name": None, "call": None}),
        ({"name": "", "id": ""}, {"name": None, "call": None}),
        ({"name": UNSET, "id": UNSET, "agent_id": UNSET}, {"name": None, "call": None}),
        ({"id": None}, {"call": None}),
        ({"name": LIBRARY}, {"name": LIBRARY, s.TOOL_TYPE: "datastore"}),
        ({"agent_id": ["ag_1"]}, {}),
        ({"agent_id": "ag_9"}, {s.AGENT_ID: "ag_9"}),
    ],
)  # fmt: skip
def test_of_a_tool_is_told_what_its_events_say_usably(
    story: Story, told: dict[str, Any], known: dict[str, Any]
) -> None:
    closing = {key: told[key] for key in told if key != "agent_id"}
    events = tool_started(0.2, **told), tool_done(0.4, **closing)
    assert tell(story, started(0.1), *events) == [tool(0.2, 0.4, **known)]


def test_a_tool_whose_start_was_not_told_has_no_duration(story: Story) -> None:
    story.asks("invoke_agent", agent_id="ag_1")
    expected = [tool(at, at, **{s.AGENT_ID: "ag_1"}) for at in (0.4, 0.5)]
    assert tell(story, started(0.1), tool_done(0.4), tool_done(0.5)) == expected


@pytest.mark.parametrize("step_id", ["tool_1", None])
def test_one_id_twice_is_two_tools(story: Story, step_id: str | None) -> None:
    # What began first is done first.
    starts = [tool_started(at, id=step_id) for at in (0.2, 0.3)]
    ends = [tool_done(at, id=step_id) for at in (0.4, 0.5, 0.6)]
    times = [(0.2, 0.4), (0.3, 0.5), (0.6, 0.6)]
    expected = [tool(*both, call=step_id) for both in times]
    assert tell(story, started(0.1), *starts, *ends) == expected


def test_a_tool_and_a_handoff_may_have_the_same_id(story: Story) -> None:
    story.asks("invoke_agent", agent_id="ag_1")
    tell(story, started(0.05), tool_started(0.1, id="x"), handoff_started(0.2, id="x"))
    assert tell(story, tool_done(0.3, id="x"), handoff_done(0.5, id="x"), done(0.6)) == [
        tool(0.1, 0.3, call="x", **FIRST),
        handoff(0.2, 0.5, ("ag_2", "writer"), **FIRST),
        span("invoke_agent writer", 0.5, 0.6, **WRITER),
    ]


@pytest.mark.parametrize("shifted", [-3600, 3600])
def test_a_servers_clock_is_set_right_for_tools_too(story: Story, shifted: float) -> None:
    told = started(shifted), tool_started(shifted + 0.2), tool_done(shifted + 0.5)
    story.receives(*zip((0.2, 0.5, 0.8), told, strict=True))
    assert story.call.children == [tool(0.4, 0.7)]


def test_a_tool_of_a_rejected_event_is_a_tool(story: Story) -> None:
    raw: dict[str, Any] = {"id": "tool_1", "name": "web_search", "agent_id": "ag_1"}
    pair = [("tool.execution.started", 0.2), ("tool.execution.done", 0.4)]
    events = [rejected(name, **raw, created_at=server(at).isoformat()) for name, at in pair]
    story.receives((0.15, started(0.1)), *zip((0.3, 0.5), events, strict=True))
    assert story.call.children == [tool(0.2, 0.4, **{s.AGENT_ID: "ag_1"})]


def test_a_server_that_starts_tools_without_end_fills_no_memory(story: Story) -> None:
    tell(story, *[tool_started(0.1), tool_done(0.15)] * 1500)
    tell(story, *(tool_started(0.2, id=f"tool_{n % 1500}") for n in range(3000)), done(0.3))
    assert len(story.call.children) == 1500 + 1024
    del story.call.children[:1500]
    assert {(child.started, child.ended) for child in story.call.children} == {(0.2, 0.3)}


# Agents


def test_an_agent_that_is_named_after_the_first_tool_is_known_for_the_next(story: Story) -> None:
    # As on mistralai 1.x, where a tool's events name no agent.
    events = [old_tool_started(0.2), tool_done(0.3), delta(0.4, agent_id="ag_1")]
    events += [old_tool_started(0.5, id="tool_2"), tool_done(0.6, id="tool_2")]
    children = tell(story, started(0.1), *events, done(0.7))
    known = {s.AGENT_ID: "ag_1"}
    assert children == [tool(0.2, 0.3), tool(0.5, 0.6, call="tool_2", **known)]


def test_whoever_was_handed_the_conversation_works_until_it_hands_over(story: Story) -> None:
    back = handoff_done(0.7, id="h2", next_agent_id="ag_1", next_agent_name="router")
    children = tell(
        story,
        *(started(0.1), handoff_started(0.2), handoff_done(0.3)),
        *(tool_started(0.4), tool_done(0.5)),
        handoff_started(0.6, id="h2", **BY_WRITER),
        *(back, tool_started(0.8), tool_done(0.85), done(0.9)),
    )
    assert children == [
        handoff(0.2, 0.3, ("ag_2", "writer"), **FIRST),
        span("invoke_agent writer", 0.3, 0.7, **WRITER),
        tool(0.4, 0.5, parent="invoke_agent writer", **WRITER),
        handoff(0.6, 0.7, ("ag_1", "router"), parent="invoke_agent writer", **WRITER),
        span("invoke_agent router", 0.7, 0.9, **FIRST),
        tool(0.8, 0.85, parent="invoke_agent router", **FIRST),
    ]


def test_another_agents_tool_is_told_as_its_own_and_is_no_handoff(story: Story) -> None:
    story.asks("invoke_agent", agent_id="ag_1")
    tell(story, started(0.1), handoff_started(0.2), handoff_done(0.3))
    tell(story, tool_started(0.4, agent_id="ag_9"))
    tell(story, tool_started(0.5, id="t", agent_id="ag_1"), tool_done(0.6, id="t"), done(0.7))
    assert story.call.children[2:] == [
        tool(0.5, 0.6, call="t", **FIRST),
        tool(0.4, 0.7, **{s.AGENT_ID: "ag_9"}),
    ]


@pytest.mark.parametrize(
    ("closing", "target", "name"),
    [
        ({"next_agent_name": None}, {s.HANDOFF_TARGET_ID: "ag_2"}, ""),
        ({"next_agent_name": 7}, {s.HANDOFF_TARGET_ID: "ag_2"}, ""),
        ({"next_agent_id": None}, {s.TRANSFER_TARGET_NAME: "writer"}, " writer"),
        ({"next_agent_id": "", "next_agent_name": ""}, {}, ""),
    ],
)
def test_a_handoff_names_what_is_known_of_the_next_agent(
    story: Story, closing: dict[str, Any], target: dict[str, str], name: str
) -> None:
    handed, agent = tell(story, started(0.1), handoff_started(0.2), handoff_done(0.3, **closing))
    known = {s.TOOL_NAME: "agent_handoff", s.TRANSFER_MODE: "pass_control"}
    assert handed == span(f"execute_tool agent_handoff{name}", 0.2, 0.3, **known, **target, **FIRST)
    next_id = target.get(s.HANDOFF_TARGET_ID)
    known = {} if next_id is None else {s.AGENT_ID: next_id}
    assert agent == span(f"invoke_agent{name}", 0.3, None, **known)


# How a conversation ends, with an agent, a tool and a handoff under way


@pytest.mark.parametrize("end", ["done", "error", "exhausted", "failed", "left", "abandoned"])
def test_what_never_was_done_ends_with_the_conversation_and_as_it_does(
    story: Story, end: str
) -> None:
    opened = [tool_started(0.4), handoff_started(0.5, id="h2", **BY_WRITER)]
    tell(story, started(0.1), handoff_started(0.2), handoff_done(0.3), *opened)
    story.clock.set(0.9)
    ends: dict[str, Any] = {
        "done": lambda: story.receives((0.9, done(0.8))),
        "error": lambda: story.receives((0.9, error(0.8, code=3000))),
        "exhausted": story.recorder.exhausted,
        "failed": lambda: story.recorder.failed(TimeoutError()),
        "left": lambda: story.recorder.left("closed"),
        "abandoned": story.recorder.dropped,
    }
    ends[end]()
    (ended,) = story.call.endings
    assert ended.at == {"done": 0.8, "error": 0.8, "abandoned": 0.55}.get(end, 0.9)
    errors = {"error": "3000", "exhausted": "incomplete_stream", "failed": "TimeoutError"}
    at, error_type = ended.at, errors.get(end)
    writer = "invoke_agent writer"
    assert story.call.children[1:] == [
        span(writer, 0.3, at, error_type, **WRITER),
        tool(0.4, at, error_type, parent=writer, **WRITER),
        handoff(0.5, at, None, error_type, parent=writer, **WRITER),
    ]


@dataclass
class _EndedTwice(FakeCall):
    """A call that another thread ends, too, while the first step is told."""

    steps: Steps | None = None

    def step(self, step: Step) -> None:
        steps, self.steps = self.steps, None
        if steps is not None:
            steps.end(ns(0.9), None)
        super().step(step)


def test_steps_that_two_threads_end_are_told_once() -> None:
    call = _EndedTwice(FakeClock(), Request("chat", {}))
    steps = Steps(call.step, call.started, "conv_1")
    for step_id in ("t1", "t2"):
        steps.start_tool({"id": step_id, "name": step_id}, ns(0.2))
    for step_id in ("h1", "h2"):
        steps.start_handoff({"id": step_id}, ns(0.3))
    call.steps = steps
    steps.end(ns(0.9), None)
    told = sorted(child.name for child in call.children)
    assert told == ["execute_tool agent_handoff"] * 2 + ["execute_tool t1", "execute_tool t2"]


class _Forked(FakeCall):
    """A call in the child of a fork, whose spans are the parent's."""

    @property
    def is_open(self) -> bool:
        return False

    def end(self, ending: Ending, at: int) -> bool:
        del ending, at
        return False


def test_what_is_open_at_a_fork_is_not_ended_by_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(monkeypatch)
    story.receives((0.2, started(0.1)), (0.3, handoff_started(0.2)), (0.4, handoff_done(0.3)))
    story.receives((0.5, tool_started(0.4)))
    story.call.__class__ = _Forked
    agent, told = story.call.children[-1], len(story.call.children)
    story.recorder.left("closed")
    assert (agent.name, agent.is_open) == ("invoke_agent writer", True)
    assert len(story.call.children) == told
