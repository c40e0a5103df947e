# SPDX-License-Identifier: Apache-2.0
"""Providers that raise inside a conversation: the spans around what failed end all the same."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from opentelemetry.instrumentation.genai.mistralai._reading.requests import Request
from opentelemetry.instrumentation.genai.mistralai._recording.ending import Ending
from opentelemetry.instrumentation.genai.mistralai._recording.steps import Step, Steps
from tests.support.fake_events import handoff_done, handoff_started, started, tool_started
from tests.support.fakes import FakeCall, FakeClock, Story, ns


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
