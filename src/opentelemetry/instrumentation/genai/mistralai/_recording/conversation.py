# SPDX-License-Identifier: Apache-2.0
"""Records one turn of a conversation: reads its events and makes one `Ending`.

It tells events apart by the API's name for them and never by class: classes differ between SDK
lines, and an event that the SDK's model rejects has another class, with the API's JSON in
``data.raw``. A response that was not streamed is turned into events first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic_ns
from typing import Any, Final

from .. import _log
from .. import _names as s
from .._content.structure import Clean
from .._reading.clock import ServerClock, read_time
from .._reading.entries import events_of
from .._reading.errors import failure_of_event
from .._reading.fields import Fields, fields_of, name_of, unpacked
from .._reading.guardrails import verdicts_of
from .capturing import Capture
from .ending import FINISH_REASONS, Ending, Outcome, read_usage
from .function_calls import FunctionCalls
from .open_call import OpenCall
from .recorder import UNTIMED, Recorder
from .steps import Steps


class ConversationRecorder(Recorder):
    """Records one turn of a conversation, in constant memory unless content is captured."""

    __slots__ = (
        "_agent_id", "_agent_name", "_called", "_capture", "_clock", "_conversation_id",
        "_handed_over", "_piece", "_piece_class", "_steps",
    )  # fmt: skip

    def __init__(self, call: OpenCall) -> None:
        Recorder.__init__(self, call)
        self._clock = ServerClock(call.started)
        self._conversation_id = call.request.conversation_id
        self._agent_id = call.request.agent_id
        self._agent_name: str | None = None
        # The class of the current message's chunks, and the last chunk, which is read at its end.
        self._piece_class: Any = None
        self._piece: Any = None
        self._called: FunctionCalls | None = None
        self._handed_over = False
        self._steps: Steps | None = None
        self._capture = None if call.clean is None else Capture(call.clean)

    def see(self, event: Any) -> None:
        """Takes in one event, before the caller gets it; never raises an ``Exception``."""
        try:
            # Most events are further chunks of one message, and only its first and last chunk carry
            # new facts: the others stay unread. Comparing classes saves the 30 ns of a field read.
            data = event.data
            if self._capture is not None and not self.ended:
                self._capture.keep(event)
            if type(data) is self._piece_class:
                self._arrived = monotonic_ns()
                self._piece = data
            elif not self.ended:
                self._on_event(event)
        except Exception as exc:  # noqa: BLE001 -- the caller must get its event in any case
            _log.report("read an event", exc)

    def _on_event(self, event: Any) -> None:
        self._unheard = event
        data = fields_of(event.data)
        data = unpacked(data) if "raw" in data else data
        if self._piece is not None:
            self._catch_up(data.get("created_at"))
        self._piece_class, self._arrived = None, monotonic_ns()
        if (handler := HANDLERS.get(event.event)) is not None:
            handler(self, event, data)
        self._unheard = None

    def hear_again(self, unheard: Any) -> None:
        """Takes in the done or error event once more; of a response only its usage."""
        if self._whole:
            # Its entries are not read again: their steps would be reported twice.
            fields = fields_of(unheard)
            ending = Ending(usage=read_usage(fields.get("usage")), closing=unheard)
            ending.attributes.update(verdicts_of(fields.get("guardrails")))
            self.end(ending, self._call.now())
        elif unheard.event in ("conversation.response.done", "conversation.response.error"):
            self._on_event(unheard)

    def on_response(self, response: Any) -> None:
        """Takes in a response that was not streamed, and ends the call with it."""
        self._whole, fields = True, fields_of(response)
        self._conversation_id = name_of(fields.get("conversation_id")) or self._conversation_id
        events, times = events_of(fields.get("outputs"))
        if times:
            self._clock.agree(times[0], times[-1], self._call.now())
        try:
            for event in events:
                self.see(event)
        finally:
            # Each event overwrites it: an interrupted response would lose its usage.
            self._unheard = response
        self.hear_again(response)

    def on_started(self, _event: Any, data: Fields) -> None:
        """Reads the conversation's id, or the time of an event that has nothing else of use."""
        self._map(data)
        self._conversation_id = name_of(data.get("conversation_id")) or self._conversation_id

    def on_message(self, event: Any, data: Fields) -> None:
        """Reads a chunk of a message, or of a function call."""
        self._output(data, "agent_id")
        # Later chunks stay unread only if none carries a new fact. A rejected or misnamed event may
        # share its class with the done event: as `_piece_class` it would hide the stream's end.
        settled = self._last_chunk == UNTIMED and None not in (self._model, self._clock.shift)
        named = data.get("type") == event.event
        if settled and named and data is getattr(event.data, "__dict__", None):
            self._piece, self._piece_class = event.data, type(event.data)
        else:
            self._map(data)
            self._response_id = name_of(data.get("id")) or self._response_id

    def on_function_call(self, event: Any, data: Fields) -> None:
        """Reads a chunk of a function call; the caller must answer it unless a chunk settles it."""
        self.on_message(event, data)
        self._piece_class, self._called = None, self._called or FunctionCalls()
        self._called.note(data)

    def on_tool_started(self, _event: Any, data: Fields) -> None:
        """Starts a tool that runs on the server."""
        self._output(data, "agent_id")
        self._inside().start_tool(data, self._map(data))

    def on_tool_done(self, _event: Any, data: Fields) -> None:
        """Ends a tool."""
        on_span, kept = self._call.telemetry.content_on_spans, self._capture
        content = {} if kept is None else kept.of_tool(data.get("id"), on_span=on_span)
        if (answer := self._call.request.confirmed.get(name_of(data.get("id")) or "")) is not None:
            content = {**content, s.TOOL_CONFIRMATION: answer}
        self._inside().end_tool(data, self._map(data), content)

    def on_handoff_started(self, _event: Any, data: Fields) -> None:
        """Starts a handoff, and reads the first agent's name: only this event carries it."""
        self._output(data, "previous_agent_id")
        first, self._handed_over = not self._handed_over, True
        if first and self._agent_id and name_of(data.get("previous_agent_id")) == self._agent_id:
            self._agent_name = name_of(data.get("previous_agent_name"))
        self._inside().start_handoff(data, self._map(data))

    def on_handoff_done(self, _event: Any, data: Fields) -> None:
        """Ends a handoff: another agent takes over."""
        self._inside().end_handoff(data, self._map(data))

    def on_done(self, event: Any, data: Fields) -> None:
        """Ends the call at the event's ``created_at``; later events change nothing."""
        created = read_time(data.get("created_at"))
        at = self._clock.to_local(created, self._call.at(self._arrived))
        ending = Ending(Outcome.COMPLETED, usage=read_usage(data.get("usage")), closing=event)
        if created is not None:
            ending.attributes[s.RESPONSE_CREATED_AT] = created.isoformat()
        self.end(ending, at)

    def on_error(self, event: Any, data: Fields) -> None:
        """Ends the call as failed."""
        failure = failure_of_event(data.get("code"), data.get("message"))
        self.end(Ending(Outcome.FAILED, failure=failure, closing=event), self._map(data))

    def _output(self, data: Fields, agent_field: str) -> None:
        """Reads the answering agent and model from an output event."""
        self.on_chunk()
        if self._agent_id is None and isinstance(agent_id := data.get(agent_field), str):
            self._learn_agent(agent_id)
        if self._model is None:
            self._model, asked = name_of(data.get("model")), self._call.request
            if self._model and asked.operation == s.CHAT and not (asked.model or self._agent_id):
                self._corrected = s.CHAT, f"{s.CHAT} {self._model}"

    def _learn_agent(self, agent_id: str) -> None:
        if (named := name_of(agent_id)) is not None:
            self._agent_id = named
            self._corrected = s.INVOKE_AGENT, s.INVOKE_AGENT

    def _inside(self) -> Steps:
        call = self._call
        self._steps = self._steps or Steps(call.step, call.started, self._conversation_id)
        return self._steps.with_agent(self._agent_id)

    def _catch_up(self, followed_at: Any = None) -> None:
        """Reads a message's last chunk, which `see` left unread, before an event of this time."""
        piece = self._piece.__dict__
        if self._agent_id is None and isinstance(agent_id := piece.get("agent_id"), str):
            self._learn_agent(agent_id)
        at: Any = piece.get("created_at")
        comparable = type(at) is datetime is type(followed_at) and at.tzinfo == followed_at.tzinfo
        # An event that is no earlier keeps time from running backwards: its own mapping will do.
        if not (comparable and at <= followed_at):
            self._map(piece)
        self._response_id, self._piece = name_of(piece.get("id")) or self._response_id, None

    def _map(self, data: Fields) -> int:
        return self._clock.to_local(read_time(data.get("created_at")), self._call.at(self._arrived))

    def conclude(self, ending: Ending, at: int) -> int:
        """Ends the steps and adds all facts to the ending; returns when the call ends."""
        self._piece_class, attributes = None, ending.attributes
        if self._piece is not None:
            self._catch_up()
        if self._steps is not None:
            at = self._steps.end(at, ending.failure.type if ending.failure else None)
        ending.conversation_id = self._conversation_id
        if self._corrected is not None:
            ending.operation, ending.span_name = self._corrected
            attributes[s.OPERATION_NAME] = ending.operation
        reason = FINISH_REASONS.get(ending.outcome)
        if reason == "stop" and self._called is not None and self._called.are_waiting:
            reason = "tool_call"
        if reason is not None:
            attributes[s.RESPONSE_FINISH_REASONS] = [reason]
        if self._conversation_id is not None:
            attributes[s.CONVERSATION_ID] = self._conversation_id
        if self._agent_id is not None:
            attributes[s.AGENT_ID] = self._agent_id
        if self._agent_name is not None:
            attributes[s.AGENT_NAME] = self._agent_name
        if shift := self._clock.shift:
            attributes[s.CLOCK_SHIFT] = shift / 1e6  # in ms
        return at

    def say(self, ending: Ending, clean: Clean) -> None:
        """Moves the response's one message into the ending."""
        ending.output = None if self._capture is None else self._capture.output(clean)


HANDLERS: Final[Mapping[str, Callable[[ConversationRecorder, Any, Fields], None]]] = {
    "conversation.response.started": ConversationRecorder.on_started,
    "tool.execution.started": ConversationRecorder.on_tool_started,
    "tool.execution.delta": ConversationRecorder.on_started,
    "tool.execution.done": ConversationRecorder.on_tool_done,
    "agent.handoff.started": ConversationRecorder.on_handoff_started,
    "agent.handoff.done": ConversationRecorder.on_handoff_done,
    "message.output.delta": ConversationRecorder.on_message,
    "function.call.delta": ConversationRecorder.on_function_call,
    "conversation.response.done": ConversationRecorder.on_done,
    "conversation.response.error": ConversationRecorder.on_error,
}
