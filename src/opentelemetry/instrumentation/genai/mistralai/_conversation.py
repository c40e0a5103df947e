# SPDX-License-Identifier: Apache-2.0
"""The recorder of a conversation: events in, one finished span out.

Events are dispatched on their name as the API spells it (``conversation.response.done``), never on
their class: classes differ from one SDK line to the next, and an event that the SDK's model rejects
arrives as another class, with the API's JSON in ``data.raw``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic_ns
from typing import Any, Final

from . import _semconv as s
from ._clock import ServerClock, read_time
from ._errors import failure_of_event
from ._recording import Ending, OpenCall, Outcome, StreamRecorder
from ._requests import text
from ._turns import last_turns
from ._usage import fields_of, read_usage

_Fields = dict[str, object]
_FINISH_REASONS: Final = {Outcome.COMPLETED: "stop", Outcome.FAILED: "error"}
# A confirmation that was given or refused is nothing that the caller still has to answer.
_ANSWERED: Final = frozenset({"allowed", "denied"})


class ConversationRecorder(StreamRecorder):
    """Records one conversation stream in constant memory, whatever its length."""

    __slots__ = (
        "_agent_id", "_agent_name", "_clock", "_conversation_id", "_created_at", "_delta_time",
        "_entry_agent", "_entry_class", "_entry_id", "_first_chunk", "_handed_over", "_last_chunk",
        "_model", "_must_answer", "_response_id", "_usage_counted",
    )  # fmt: skip

    def __init__(self, call: OpenCall) -> None:
        super().__init__(call)
        self._clock = ServerClock(call.started)
        self._conversation_id = call.request.conversation_id
        self._agent_id = call.request.agent_id
        self._agent_name: str | None = None
        self._model: str | None = None
        # The message whose pieces are arriving: the class of their data, their id and agent.
        self._entry_class: Any = None
        self._entry_id: str | None = None
        self._entry_agent: object = None
        self._delta_time: object = None
        self._response_id: str | None = None
        self._must_answer = False
        self._handed_over = False
        self._first_chunk: int | None = None
        self._last_chunk: int | None = None
        self._created_at: datetime | None = None
        self._usage_counted = False

    def on_event(self, event: Any) -> None:
        """Takes in one event, before the caller gets it."""
        # One more piece of a message is what thousands of events are, and tells nothing but time.
        # Reading a field of a pydantic model costs 30 ns, so the class stands for the event's name.
        data = event.data
        if type(data) is self._entry_class:
            fields = data.__dict__
            if fields["id"] == self._entry_id and (
                self._agent_id is not None or fields.get("agent_id") is self._entry_agent
            ):
                self._arrived = monotonic_ns()
                self._delta_time = fields["created_at"]
                return
        if self.ended:
            self._on_late_event(event)
            return
        if self._delta_time is not None:
            self._map(self._delta_time)
            self._delta_time = None
        self._arrived = monotonic_ns()
        handler = HANDLERS.get(event.event)
        if handler is not None:
            handler(self, event)

    def on_started(self, event: Any) -> None:
        """The server listens; it names the conversation."""
        data = _payload(event)
        self._map(data.get("created_at"))
        self._conversation_id = text(data.get("conversation_id")) or self._conversation_id

    def on_message(self, event: Any) -> None:
        """A piece of text, or of a function call."""
        data = _payload(event)
        self._output(data, "agent_id")
        entry_id = text(data.get("id"))
        self._response_id = entry_id or self._response_id
        # Not while something is to be learned from each piece, nor for a rejected event.
        settled = self._model is not None and not self._clock.is_unset
        if settled and data is event.data.__dict__ and not self._call.record_chunk_times:
            self._entry_class, self._entry_id = type(event.data), entry_id
            self._entry_agent = data.get("agent_id")

    def on_function_call(self, event: Any) -> None:
        """A piece of a function call, which the caller must answer unless that is settled."""
        self.on_message(event)
        status = text(_payload(event).get("confirmation_status"))
        # Each piece is looked at, since any may settle it.
        self._entry_class, self._must_answer = None, status not in _ANSWERED

    def on_tool_started(self, event: Any) -> None:
        """A tool that runs on the server."""
        self._output(_payload(event), "agent_id")

    def on_handoff_started(self, event: Any) -> None:
        """An agent hands over; if it is the first agent, its name is learned here."""
        data = _payload(event)
        self._output(data, "previous_agent_id")
        first, self._handed_over = not self._handed_over, True
        previous = text(data.get("previous_agent_id"))
        if first and previous is not None and previous == self._agent_id:
            self._agent_name = text(data.get("previous_agent_name"))

    def on_done(self, event: Any) -> None:
        """Ends the conversation at the event's ``created_at``; later events change nothing."""
        data = _payload(event)
        self._usage_counted = True
        self._created_at = read_time(data.get("created_at"))
        at = self._clock.to_local(self._created_at, self._arrived + self._call.clock_offset)
        ending = Ending(Outcome.COMPLETED, usage=read_usage(data.get("usage")), closing=event)
        self.finish(ending, at)

    def on_error(self, event: Any) -> None:
        """The server gives up."""
        data = _payload(event)
        failure = failure_of_event(data.get("code"))
        at = self._map(data.get("created_at"))
        self.finish(Ending(Outcome.FAILED, failure=failure, closing=event), at)

    def on_other(self, event: Any) -> None:
        """Something between other events, of which only the time is of use yet."""
        self._map(_payload(event).get("created_at"))

    def _on_late_event(self, event: Any) -> None:
        """After an error or a close, a done event still tells what was spent."""
        if self._usage_counted or HANDLERS.get(event.event) is not ConversationRecorder.on_done:
            return
        self._usage_counted = True
        ending = Ending(usage=read_usage(_payload(event).get("usage")))
        ending.response_model = self._model
        self._call.count_late(ending)

    def _output(self, data: _Fields, agent_field: str) -> None:
        """Learns from an output event who answers, and when the first one came."""
        if self._first_chunk is None:
            self._first_chunk = self._arrived
        if self._call.record_chunk_times:
            if self._last_chunk is not None:
                self._call.record_chunk(self._model, (self._arrived - self._last_chunk) / 1e9)
            self._last_chunk = self._arrived
        self._delta_time = data.get("created_at")
        if self._clock.is_unset:
            self._map(self._delta_time)
        self._entry_class, self._must_answer = None, False
        if self._agent_id is None:
            self._agent_id = text(data.get(agent_field))
            if self._agent_id is not None:
                self._call.correct(s.INVOKE_AGENT, s.INVOKE_AGENT)
        if self._model is None:
            self._model = text(data.get("model"))
            request = self._call.request
            nameless = request.operation == s.CHAT and not (request.model or self._agent_id)
            if self._model is not None and nameless:
                self._call.correct(s.CHAT, f"{s.CHAT} {self._model}")

    def _map(self, created_at: object) -> int:
        """Maps a server time onto this machine's clock; of an entry's pieces, the last one's."""
        arrived = self._arrived + self._call.clock_offset
        return self._clock.to_local(read_time(created_at), arrived)

    def finish(self, ending: Ending, at: int) -> None:
        """Ends the span, unless it has ended, at ``at``, ns since the epoch."""
        if self.ended:
            return
        self.ended, self._entry_class = True, None
        call = self._call
        ending.response_model = self._model
        if self._first_chunk is not None:
            ending.first_chunk = (self._first_chunk + call.clock_offset - call.started) / 1e9
        self._describe(ending)
        if call.end(ending, at) and self._conversation_id is not None:
            operation = s.INVOKE_AGENT if self._agent_id else call.request.operation
            last_turns.remember(self._conversation_id, operation)

    def _describe(self, ending: Ending) -> None:
        reason = _FINISH_REASONS.get(ending.outcome or "")
        if reason == "stop" and self._must_answer:
            reason = "tool_call"
        created_at = self._created_at
        for key, value in (
            (s.CONVERSATION_ID, self._conversation_id),
            (s.AGENT_ID, self._agent_id),
            (s.AGENT_NAME, self._agent_name),
            (s.RESPONSE_ID, self._response_id),
            (s.RESPONSE_MODEL, self._model),
            (s.RESPONSE_FINISH_REASONS, None if reason is None else [reason]),
            (s.RESPONSE_TIME_TO_FIRST_CHUNK, ending.first_chunk),
            (s.RESPONSE_CREATED_AT, None if created_at is None else created_at.isoformat()),
            (s.STREAM_OUTCOME, ending.outcome),
            (s.CLOCK_SHIFT, self._clock.shift_ms),
        ):
            if value is not None:
                ending.attributes[key] = value
        ending.usage.describe(ending.attributes)


def _payload(event: Any) -> _Fields:
    """The event's data; of one that the SDK's model rejected, the API's own JSON."""
    fields = fields_of(event.data)
    return fields_of(fields["raw"]) if "raw" in fields else fields


Handler = Callable[[ConversationRecorder, Any], None]
HANDLERS: Final[Mapping[str, Handler]] = {
    "conversation.response.started": ConversationRecorder.on_started,
    "tool.execution.delta": ConversationRecorder.on_other,
    "tool.execution.done": ConversationRecorder.on_other,
    "agent.handoff.done": ConversationRecorder.on_other,
    "message.output.delta": ConversationRecorder.on_message,
    "function.call.delta": ConversationRecorder.on_function_call,
    "tool.execution.started": ConversationRecorder.on_tool_started,
    "agent.handoff.started": ConversationRecorder.on_handoff_started,
    "conversation.response.done": ConversationRecorder.on_done,
    "conversation.response.error": ConversationRecorder.on_error,
}
