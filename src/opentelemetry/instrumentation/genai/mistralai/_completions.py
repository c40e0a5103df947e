# SPDX-License-Identifier: Apache-2.0
"""The recorder of everything that is no conversation: chat, agents, fim, responses, audio and more.

Their streams have no ``createdAt`` and say of no event that it is the last: usage may come after
the finish reason. So the span waits for the end of the stream, and ends when its last chunk came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic_ns
from typing import Any, Final

from . import _guard
from . import _semconv as s
from ._errors import failure_of_event
from ._fields import fields_of, items_of, text
from ._json import Clean
from ._messages import parts_of_items
from ._recording import Ending, OpenCall, Outcome, Output, StreamRecorder
from ._transcript import Transcript
from ._usage import read_usage

_Fields = dict[str, object]
# Events that close nothing.
_UNDER_WAY: Final = frozenset((
    "transcription.text.delta", "speech.audio.delta", "response.created",
    "response.output_text.delta", "response.reasoning_text.delta",
    "response.function_call_arguments.delta",
))  # fmt: skip
# What a server may make its client remember.
_MAX_CHOICES: Final = 128
_REASONS: Final = {"tool_calls": "tool_call", "max_output_tokens": "length"}


class CompletionRecorder(StreamRecorder):
    """Records one completion, streamed or not."""

    __slots__ = ("_choices", "_chunk_class", "_closing", "_done", "_output", "_said", "_usage")

    def __init__(self, call: OpenCall) -> None:
        super().__init__(call)
        # Of each choice: why it is finished.
        self._choices: dict[int, str | None] = {}
        # That of the chunks, when all that most of them have to tell is the time.
        self._chunk_class: Any = None
        self._done = False
        self._usage: object = None
        self._closing: object = None
        self._said: dict[int, Transcript] = {}
        # The output of a response that tells it whole.
        self._output: list[Output] | None = None

    def see(self, event: Any) -> None:
        """Takes in one event, before the caller gets it; never raises an ``Exception``."""
        try:
            data = event.data
            # One more piece of a choice, neither its end nor usage, is what thousands of chunks
            # are. It is looked at here, because a call of a function costs as much as the look, and
            # at once, because the caller may change it.
            if type(data) is self._chunk_class:
                choices = data.choices
                if len(choices) == 1 and data.usage is None:
                    choice = choices[0]
                    if choice.finish_reason is None and choice.index in self._choices:
                        self._arrived = monotonic_ns()
                        return
            if not self.ended:
                self._on_event(event, data)
        except Exception as exc:  # noqa: BLE001 -- the caller gets its event all the same
            _guard.report("read an event", exc)

    def _on_event(self, event: Any, data: Any) -> None:
        self._arrived = monotonic_ns()
        name, fields = fields_of(event).get("event"), fields_of(data)
        if name is None:
            self.on_completion(fields, "delta")
            looked_at = self._call.clean is not None or self._chunk_times
            if self._first_chunk is not None and not looked_at and fields is not data:
                self._chunk_class = type(data)
            return
        handler = HANDLERS.get(text(name))
        if handler is not None:
            if name not in _UNDER_WAY:
                self._closing = event
            handler(self, fields_of(fields["raw"]) if "raw" in fields else fields)

    def on_response(self, response: Any) -> None:
        """Takes in a response that was not streamed, and ends the call with it."""
        self._whole, self._closing = True, response
        fields = fields_of(response)
        self.on_completion(fields, "message")
        if "output" in fields:
            self.on_response_object(fields)
        elif self._call.clean and isinstance(fields.get("text"), str):
            self._transcript(0).on_message({"content": fields["text"]})
        if not self.ended:
            self.finish(Ending(), self._arrived + self._call.clock_offset)

    def on_completion(self, data: _Fields, field: str) -> None:
        """A chunk of a completion, or a whole one."""
        if self._model is None:
            self._model, self._response_id = text(data.get("model")), text(data.get("id"))
        self._usage = data.get("usage") or data.get("usage_info") or self._usage
        for item in items_of(data.get("choices")):
            choice = fields_of(item)
            index, reason = choice.get("index"), choice.get("finish_reason")
            if not isinstance(index, int) or not 0 <= index < _MAX_CHOICES:
                continue
            if isinstance(reason, str):
                self._choices[index] = _REASONS.get(reason) or text(reason)
            elif index not in self._choices:
                self._choices[index] = None
            message = fields_of(choice.get(field))
            if message.get("content") or message.get("tool_calls"):
                self.on_chunk()
                if self._call.clean is not None:
                    self._transcript(index).on_completion(message)

    def on_delta(self, data: _Fields) -> None:
        """A piece of text or sound."""
        self.on_chunk()
        piece = data.get("delta") or data.get("text")
        if self._call.clean is not None and isinstance(piece, str):
            self._transcript(0).on_message({"id": data.get("item_id"), "content": piece})

    def on_silent_delta(self, _data: _Fields) -> None:
        """A piece of arguments, which say nothing before they are whole."""
        self.on_chunk()

    def on_audio_done(self, data: _Fields) -> None:
        """All sound, or all of its text, has come."""
        self._done = True
        self.on_completion(data, "message")

    def on_response_event(self, data: _Fields) -> None:
        """News of a response of the Responses API."""
        self.on_response_object(fields_of(data.get("response")))

    def on_response_object(self, response: _Fields) -> None:
        """A response of the Responses API, of which the status says whether it is the last word."""
        self.on_completion(response, "message")
        status, items = response.get("status"), items_of(response.get("output"))
        if status in ("completed", "incomplete"):
            details = fields_of(response.get("incomplete_details"))
            reason = text(details.get("reason")) or "stop"
            called = any(fields_of(item).get("type") == "function_call" for item in items)
            self._done = True
            self._choices[0] = "tool_call" if called else _REASONS.get(reason, reason)
        if self._call.clean is not None and items:
            self._output = [(parts_of_items(items, self._call.clean), self._reason(0))]
        if status == "failed":
            self._fail(fields_of(response.get("error")).get("code"))

    def on_error(self, data: _Fields) -> None:
        """The server gives up."""
        self._fail(data.get("code"))

    def _fail(self, code: object) -> None:
        outcome = None if self._whole else Outcome.FAILED
        self.finish(Ending(outcome, failure=failure_of_event(code)), self._call.now())

    def exhausted(self) -> None:
        """No more events; whether that is right depends on what they said."""
        if not self._end_completed():
            super().exhausted()

    def left(self, outcome: str) -> None:
        """The caller left; when all had been said, that changes nothing."""
        if not self._end_completed():
            super().left(outcome)

    def abandon(self) -> None:
        """Ends the span of a stream that everybody forgot."""
        if not self._end_completed():
            super().abandon()

    def _end_completed(self) -> bool:
        complete = self._done or (bool(self._choices) and all(self._choices.values()))
        if complete:
            self.finish(Ending(Outcome.COMPLETED), self._arrived + self._call.clock_offset)
        return complete

    def finish(self, ending: Ending, at: int) -> None:
        """Ends the span, unless it has ended, at ``at``, ns since the epoch."""
        if self.ended:
            return
        self.ended, self._chunk_class = True, None
        ending.usage = read_usage(self._usage)
        ending.closing = self._closing
        reasons = list(filter(None, map(self._choices.get, sorted(self._choices))))
        created = self._call.request.operation == s.CREATE_AGENT
        agent_id = self._response_id if created else None
        if created:
            self._response_id = self._model = None
        self.describe(ending, reasons or None, {s.AGENT_ID: agent_id})
        try:
            if self._call.clean is not None:
                self._tell(ending, self._call.clean)
        except Exception as exc:  # noqa: BLE001 -- the span must end, with these words or without
            _guard.report("capture content", exc)
        finally:
            self._call.end(ending, at)

    def _tell(self, ending: Ending, clean: Clean) -> None:
        """Puts what was said into the call's ending, and lets it go."""
        said, output = self._said, self._output
        self._said, self._output = {}, None
        ending.output = output or [
            (said[index].parts(clean), self._reason(index)) for index in sorted(said)
        ]

    def _reason(self, index: int) -> str | None:
        return self._choices.get(index)

    def _transcript(self, index: int) -> Transcript:
        return self._said.setdefault(index, Transcript())


Handler = Callable[[CompletionRecorder, _Fields], None]
HANDLERS: Final[Mapping[str | None, Handler]] = {
    **dict.fromkeys(_UNDER_WAY, CompletionRecorder.on_delta),
    "transcription.done": CompletionRecorder.on_audio_done,
    "speech.audio.done": CompletionRecorder.on_audio_done,
    "response.function_call_arguments.delta": CompletionRecorder.on_silent_delta,
    "response.created": CompletionRecorder.on_response_event,
    "response.completed": CompletionRecorder.on_response_event,
    "response.incomplete": CompletionRecorder.on_response_event,
    "response.failed": CompletionRecorder.on_response_event,
    "error": CompletionRecorder.on_error,
}
