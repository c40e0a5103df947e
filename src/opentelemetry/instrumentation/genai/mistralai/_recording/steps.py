# SPDX-License-Identifier: Apache-2.0
"""What happens inside a conversation on the server: tools run, agents hand over to each other.

A tool or a handoff becomes a span when its closing event arrives, with both times and all
attributes. Whoever was handed the conversation works under a span of its own, to the next handoff.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .. import _names as s
from .._reading.fields import Fields, name_of
from .._reading.settings import AttributeValue

# A server that starts tools without end must not fill the memory of its client.
_MAX_OPEN: Final = 1024
_MAX_NAMES: Final = 256
_DATASTORES: Final = frozenset({"document_library"})


class Step:
    """A tool, a handoff, or an agent's work; a recorder tells its call of it, as plain data.

    Attributes:
        name: the span's.
        attributes: the span's.
        started: ns since the epoch.
        ended: the same; None while an agent is at work.
        error_type: why it failed, None if it did not.
        inside: the agent's work that it is a part of, None outside of one.
        span: whoever is told keeps here what it has made of this.
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
    """A tool or handoff under way."""

    __slots__ = ("agent_id", "inside", "name", "started")

    def __init__(self, name: str | None, started: int, agent_id: str | None) -> None:
        self.name = name
        self.started = started
        self.agent_id = agent_id
        self.inside: Step | None = None


_AllBegun = dict["str | None", list[_Begun]]


class Steps:
    """The tools, handoffs and agents at work of one conversation.

    All times are ns since the epoch on this machine's clock. None is taken for earlier than the one
    before it: an event without a time has that of its arrival, which is late.
    """

    __slots__ = (
        "_agent", "_agent_id", "_conversation_id", "_handed_over", "_handoffs", "_latest", "_names",
        "_open", "_tell", "_tools",
    )  # fmt: skip

    def __init__(
        self, tell: Callable[[Step], None], started: int, conversation_id: str | None
    ) -> None:
        """Begins without any.

        Args:
            tell: is told of each step.
            started: when the call did.
            conversation_id: whose steps they are.
        """
        self._tell = tell
        self._conversation_id = conversation_id
        self._agent: Step | None = None
        self._agent_id: str | None = None
        self._handed_over = False
        self._names: dict[str, str] = {}
        self._open = 0
        self._latest = started
        # Lists, because a server may use an id twice; what was started first is done first.
        self._tools: _AllBegun = {}
        self._handoffs: _AllBegun = {}

    def begin(self, agent_id: str | None) -> Steps:
        """The agent of the client span is at work, unless it has handed over; None if unknown."""
        if not self._handed_over:
            self._agent_id = agent_id
        return self

    def start_tool(self, data: Fields, at: int) -> None:
        """A tool starts, for the agent that its event names, else for the one at work."""
        at = self._not_before(at)
        step = _Begun(name_of(data.get("name")), at, name_of(data.get("agent_id")))
        self._start(self._tools, name_of(data.get("id")), step)

    def end_tool(self, data: Fields, at: int, content: Mapping[str, str]) -> None:
        """A tool is done; one whose start was not told has no duration."""
        at, step_id, name = self._not_before(at), name_of(data.get("id")), name_of(data.get("name"))
        step = self._take(self._tools, step_id) or self._placed(_Begun(name, at, None))
        step.name = name or step.name
        self._make_tool(step, step_id, at, content)

    def start_handoff(self, data: Fields, at: int) -> None:
        """An agent hands over; its name is known from here on."""
        at = self._not_before(at)
        agent_id = name_of(data.get("previous_agent_id"))
        self._learn(agent_id, name_of(data.get("previous_agent_name")))
        self._start(self._handoffs, name_of(data.get("id")), _Begun(None, at, agent_id))

    def end_handoff(self, data: Fields, at: int) -> None:
        """An agent takes over, and works until it hands over in turn."""
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
        """The conversation ends, and with it what never was done; returns when it does."""
        at = self._not_before(at)
        # Taken out first: a stream that is read to its end and closed by another thread ends twice.
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
        """Finds whose work a step is; of an agent that nobody handed over to, the call's own."""
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
