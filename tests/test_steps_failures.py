# SPDX-License-Identifier: Apache-2.0
"""Providers that raise inside a conversation: the spans around what failed end all the same."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._reading.requests import Request
from opentelemetry.instrumentation.genai.mistralai._recording.ending import Ending
from opentelemetry.instrumentation.genai.mistralai._recording.recorder import Child
from opentelemetry.instrumentation.genai.mistralai._recording.steps import Steps
from tests.fake_events import done, handoff_done, handoff_started, started, tool_done, tool_started
from tests.fakes import PACKAGE, FakeCall, FakeChild, FakeClock, Story, ns


class _Raising(FakeChild):
    def end(self, at: int, error_type: str | None = None) -> None:
        super().end(at, error_type)
        raise ValueError("somebody's exporter")


@dataclass
class _Call(FakeCall):
    """A call whose children cannot be ended, or not be started."""

    refuses: str = ""

    def begin_child(
        self, name: str, attributes: Mapping[str, Any], started: int, parent: Child | None
    ) -> FakeChild | None:
        if self.refuses and self.refuses in name:
            raise ValueError("somebody's sampler")
        made = super().begin_child(name, attributes, started, parent)
        if made is not None:
            made.__class__ = _Raising
        return made


@pytest.mark.parametrize("refuses", ["", "execute_tool", "invoke_agent", "agent_handoff"])
def test_a_conversation_whose_children_fail_is_ended_once_and_its_children_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, refuses: str
) -> None:
    monkeypatch.setattr(f"{PACKAGE}._log._reported", set[tuple[str, str]]())
    story = Story(monkeypatch)
    story.call = _Call(story.clock, story.call.request, refuses=refuses)
    story.recorder = type(story.recorder)(story.call)
    events = (
        started(0.1),
        tool_started(0.2),
        handoff_started(0.3),
        handoff_done(0.4),
        tool_done(0.5),
        handoff_started(0.6, id="h2"),
        handoff_done(0.7, id="h2"),
        done(0.8),
    )
    for number, event in enumerate(events):
        story.clock.set(0.2 + number / 10)
        try:
            story.recorder.see(event)
        except ValueError:
            # The observer around a recorder logs it, and the caller gets the event.
            continue
    assert [ended.outcome for ended in story.call.endings] == ["completed"]
    assert all(not child.is_open for child in story.call.children)
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


@dataclass
class _EndedTwice(FakeCall):
    """A call that another thread ends, too, while the first step is told."""

    steps: Steps | None = None

    def begin_child(
        self, name: str, attributes: Mapping[str, Any], started: int, parent: Child | None
    ) -> FakeChild | None:
        steps, self.steps = self.steps, None
        if steps is not None:
            steps.end(ns(0.9), None)
        return super().begin_child(name, attributes, started, parent)


def test_steps_that_two_threads_end_are_told_once() -> None:
    call = _EndedTwice(FakeClock(), Request("chat", {}))
    steps = Steps(call, "conv_1")
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
