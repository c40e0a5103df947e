# SPDX-License-Identifier: Apache-2.0
"""Collects what the server does during one turn: tools, handoffs, and agents at work.

A tool or a handoff is reported when its closing event arrives, with both times and all attributes.
An agent that was handed the conversation gets a span of its own, which lasts to the next handoff.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .. import _names as s
from .._reading.fields import AttributeValue, Fields, name_of

# The limits keep a server that starts tools without end from filling its client's memory.
_MAX_OPEN: Final = 1024
_MAX_NAMES: Final = 256
_DATASTORES: Final = frozenset({"document_library"})


class Step:
    """Describes a tool, a handoff, or an agent's work as plain data; `_otel` makes a span of it.

    Attributes:
        name: the span's name.
        attributes: the span's attributes.
        started: ns since the epoch.
        ended: ns since the epoch; None while an agent is at work.
        error_type: why the step failed, None if it did not.
        inside: the agent's work that this step is part of, None outside of one.
        span: the span of this step; the receiver sets it.
    """

    __slots__ = ("attributes", "ended", "error_type", "inside", "name", "span", "started")

    def __init__(
        self, name: str, attributes: Mapping[str, AttributeValue], started: int, inside: Step | None
    ) -> None:
        self.name = name
        self.attributes = attributes
        self.started = started
        self.ended: int | None = None
        self.error_type: str | None = None
        self.inside = inside
        self.span: Any = None


class _Begun:
    """Holds a tool or handoff that has started and is not done."""

    __slots__ = ("agent_id", "inside", "name", "started")

    def __init__(self, name: str | None, started: int, agent_id: str | None) -> None:
        self.name = name
        self.started = started
        self.agent_id = agent_id
        self.inside: Step | None = None


_AllBegun = dict["str | None", list[_Begun]]


class Steps:
    """Tracks the tools, handoffs and agents at work of one turn.

    All times are ns since the epoch on this machine's clock. An event without a time gets its
    arrival, which may be later than the next event's time: then the next event gets the same time.
    """

    __slots__ = (
        "_agent", "_agent_id", "_conversation_id", "_handed_over", "_handoffs", "_latest", "_names",
        "_open", "_tell", "_tools",
    )  # fmt: skip

    def __init__(
        self, tell: Callable[[Step], None], started: int, conversation_id: str | None
    ) -> None:
        """Begins without any step.

        Args:
            tell: the function that each step is passed to.
            started: when the call started.
            conversation_id: the conversation's id, an attribute of each step.
        """
        self._tell = tell
        self._conversation_id = conversation_id
        self._agent: Step | None = None
        self._agent_id: str | None = None
        self._handed_over = False
        self._names: dict[str, str] = {}
        self._open = 0
        self._latest = started
        # The values are lists, because a server may use an id twice; the first started ends first.
        self._tools: _AllBegun = {}
        self._handoffs: _AllBegun = {}

    def with_agent(self, agent_id: str | None) -> Steps:
        """Sets the agent of the client span, None if unknown; does nothing after a handoff."""
        if not self._handed_over:
            self._agent_id = agent_id
        return self

    def start_tool(self, data: Fields, at: int) -> None:
        """Starts a tool, for the agent that its event names, else for the agent at work."""
        at = self._not_before(at)
        step = _Begun(name_of(data.get("name")), at, name_of(data.get("agent_id")))
        self._start(self._tools, name_of(data.get("id")), step)

    def end_tool(self, data: Fields, at: int, content: Mapping[str, str]) -> None:
        """Ends a tool; a tool whose start event was missing has no duration."""
        at, step_id, name = self._not_before(at), name_of(data.get("id")), name_of(data.get("name"))
        step = self._take(self._tools, step_id) or self._placed(_Begun(name, at, None))
        step.name = name or step.name
        self._make_tool(step, step_id, at, content)

    def start_handoff(self, data: Fields, at: int) -> None:
        """Starts a handoff, and reads the name of the agent that hands over."""
        at = self._not_before(at)
        agent_id = name_of(data.get("previous_agent_id"))
        self._learn(agent_id, name_of(data.get("previous_agent_name")))
        self._start(self._handoffs, name_of(data.get("id")), _Begun(None, at, agent_id))

    def end_handoff(self, data: Fields, at: int) -> None:
        """Ends a handoff, and starts the next agent's work, which lasts to the next handoff."""
        step_id, agent_id = name_of(data.get("id")), name_of(data.get("next_agent_id"))
        at, name = self._not_before(at), name_of(data.get("next_agent_name"))
        step = self._take(self._handoffs, step_id) or self._placed(_Begun(None, at, None))
        self._make_handoff(step, at, agent_id, name)
        self._end_agent(at, None)
        self._learn(agent_id, name)
        self._agent_id, self._handed_over = agent_id, True
        span_name = f"{s.INVOKE_AGENT} {name}" if name else s.INVOKE_AGENT
        attributes = self._attributes(s.INVOKE_AGENT, agent_id)
        self._agent = Step(span_name, attributes, at, None)
        self._tell(self._agent)

    def end(self, at: int, error_type: str | None) -> int:
        """Ends all open steps with the call; returns the time at which the call ends."""
        at = self._not_before(at)
        # `pop` comes first, because two threads may end one stream: without it a step would be
        # reported twice.
        for step_id in list(self._tools):
            for step in self._tools.pop(step_id, ()):
                self._make_tool(step, step_id, at, {}, error_type)
        for step_id in list(self._handoffs):
            for step in self._handoffs.pop(step_id, ()):
                self._make_handoff(step, at, None, None, error_type)
        self._end_agent(at, error_type)
        return at

    def _end_agent(self, at: int, error_type: str | None) -> None:
        agent, self._agent = self._agent, None
        if agent is not None:
            self._done(agent, at, error_type)

    def _done(self, step: Step, at: int, error_type: str | None) -> None:
        step.ended, step.error_type = at, error_type
        self._tell(step)

    def _not_before(self, at: int) -> int:
        self._latest = max(self._latest, at)
        return self._latest

    def _start(self, steps: _AllBegun, step_id: str | None, step: _Begun) -> None:
        if self._open < _MAX_OPEN:
            self._open += 1
            steps.setdefault(step_id, []).append(self._placed(step))

    def _take(self, steps: _AllBegun, step_id: str | None) -> _Begun | None:
        if step_id not in steps:
            return None
        self._open -= 1
        step = steps[step_id].pop(0)
        if not steps[step_id]:
            del steps[step_id]
        return step

    def _placed(self, step: _Begun) -> _Begun:
        """Puts a step inside the work of the agent at work, if the step is that agent's."""
        if step.agent_id is None:
            step.agent_id = self._agent_id
        if step.agent_id == self._agent_id:
            step.inside = self._agent
        return step

    def _learn(self, agent_id: str | None, name: str | None) -> None:
        if agent_id is not None and name is not None and len(self._names) < _MAX_NAMES:
            self._names[agent_id] = name

    def _make_tool(
        self,
        step: _Begun,
        step_id: str | None,
        at: int,
        content: Mapping[str, str],
        error_type: str | None = None,
    ) -> None:
        attributes = self._attributes(s.EXECUTE_TOOL, step.agent_id)
        attributes[s.TOOL_TYPE] = "datastore" if step.name in _DATASTORES else "extension"
        if step.name is not None:
            attributes[s.TOOL_NAME] = step.name
        if step_id is not None:
            attributes[s.TOOL_CALL_ID] = step_id
        attributes.update(content)
        self._make(step, step.name, attributes, at, error_type)

    def _make_handoff(
        self,
        step: _Begun,
        at: int,
        agent_id: str | None,
        name: str | None,
        error_type: str | None = None,
    ) -> None:
        attributes = self._attributes(s.EXECUTE_TOOL, step.agent_id)
        attributes[s.TOOL_NAME] = "agent_handoff"
        attributes[s.TRANSFER_MODE] = "pass_control"
        if name is not None:
            attributes[s.TRANSFER_TARGET_NAME] = name
        if agent_id is not None:
            attributes[s.HANDOFF_TARGET_ID] = agent_id
        self._make(
            step, f"agent_handoff {name}" if name else "agent_handoff", attributes, at, error_type
        )

    def _make(
        self,
        step: _Begun,
        label: str | None,
        attributes: Mapping[str, AttributeValue],
        at: int,
        error_type: str | None,
    ) -> None:
        span_name = f"{s.EXECUTE_TOOL} {label}" if label else s.EXECUTE_TOOL
        self._done(Step(span_name, attributes, step.started, step.inside), at, error_type)

    def _attributes(self, operation: str, agent_id: str | None) -> dict[str, AttributeValue]:
        attributes: dict[str, AttributeValue] = {s.OPERATION_NAME: operation}
        if self._conversation_id is not None:
            attributes[s.CONVERSATION_ID] = self._conversation_id
        if agent_id is not None:
            attributes[s.AGENT_ID] = agent_id
            if agent_id in self._names:
                attributes[s.AGENT_NAME] = self._names[agent_id]
        return attributes
