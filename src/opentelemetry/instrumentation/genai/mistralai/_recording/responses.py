# SPDX-License-Identifier: Apache-2.0
"""The recorder of what streams named events: the Responses API, transcription and speech.

The name of an event says what it is, and whether it is the last word; the ``status`` of the
response inside it may be missing, or lag behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic_ns
from typing import Any, Final

from .._content.messages import parts_of_items
from .._content.structure import Clean
from .._reading.errors import failure_of_event
from .._reading.fields import fields_of, items_of, name_of
from .completions import CompletionRecorder
from .ending import Ending, Outcome, Output
from .recorder import OpenCall

_Fields = dict[str, object]
# Events for the user's hook.
_CLOSING: Final = frozenset((
    "transcription.done", "speech.audio.done", "response.completed", "response.incomplete",
    "response.failed", "error",
))  # fmt: skip
# Events that tell whole what deltas told before, if there were any.
_WHOLE: Final = (
    "transcription.segment", "response.output_item.added", "response.output_item.done",
    "response.output_text.done", "response.reasoning_text.done",
    "response.function_call_arguments.done", "response.content_part.done",
)  # fmt: skip


class EventRecorder(CompletionRecorder):
    """Records one response, transcription or speech, streamed or not."""

    __slots__ = ("_output",)

    def __init__(self, call: OpenCall) -> None:
        super().__init__(call)
        # Of a response that tells it whole.
        self._output: list[Output] | None = None

    def _on_event(self, event: Any, data: Any) -> None:
        self._arrived, self._unheard = monotonic_ns(), event
        self._handle(event, data)
        self._unheard = None

    def hear_again(self, unheard: Any) -> None:
        """Takes in once more what an interrupt kept from being understood, if it was the last."""
        if self._whole or name_of(fields_of(unheard).get("event")) not in _CLOSING:
            super().hear_again(unheard)
        else:
            self._handle(unheard, unheard.data)

    def _handle(self, event: Any, data: Any) -> None:
        name, fields = name_of(fields_of(event).get("event")), fields_of(data)
        handler = HANDLERS.get(name)
        if handler is not None:
            if name in _CLOSING and not self._done:
                self._closing = event
            handler(self, fields_of(fields["raw"]) if "raw" in fields else fields)

    def on_whole(self, response: _Fields) -> None:
        """All of a response."""
        if "output" in response:
            self.on_response_object(response, response.get("status"))
        else:
            self.on_audio_done(response)

    def on_delta(self, data: _Fields) -> None:
        """A piece of text or sound."""
        piece = data.get("delta") or data.get("text")
        if piece or data.get("audio_data"):
            self.on_chunk()
        if self._call.clean is not None and isinstance(piece, str):
            self._transcript(0).on_message({"id": data.get("item_id"), "content": piece})

    def on_thought(self, data: _Fields) -> None:
        """A piece of reasoning."""
        piece = data.get("delta")
        if piece:
            self.on_chunk()
        if self._call.clean is not None:
            thought = [{"thinking": piece}]
            self._transcript(0).on_message({"id": data.get("item_id"), "content": thought})

    def on_silent_delta(self, _data: _Fields) -> None:
        """A piece of arguments, which say nothing before they are whole."""
        self.on_chunk()

    def on_whole_piece(self, data: _Fields) -> None:
        """What its deltas have told before; if it had none, the first of the output."""
        if self._first_chunk is None and _tells_something(data):
            self.on_chunk()

    def on_audio_done(self, data: _Fields) -> None:
        """All sound, or all of its text, has come."""
        self._done = True
        self.on_completion(data, "message")
        self.on_whole_piece(data)
        if self._call.clean is not None and not self._said:
            self._transcript(0).on_message({"content": data.get("text")})

    def on_response_event(self, data: _Fields, status: str | None = None) -> None:
        """News of a response of the Responses API, of which the event says whether it is over."""
        self.on_response_object(fields_of(data.get("response")), status)

    def on_response_object(self, response: _Fields, status: object) -> None:
        """A response of the Responses API, with a status that may be the last word."""
        self.on_completion(response, "message")
        items = items_of(response.get("output"))
        # Of one that goes on, none is known yet.
        reason = "error" if status == "failed" else ""
        if status == "completed":
            called = any(fields_of(item).get("type") == "function_call" for item in items)
            reason = "tool_call" if called else "stop"
        elif status == "incomplete":
            details = fields_of(response.get("incomplete_details"))
            reason = name_of(details.get("reason")) or "incomplete"
        elif self._whole and status != "failed":
            reason = name_of(status) or "stop"
        if status in ("completed", "incomplete"):
            self._done, self._choices[0] = True, reason
        if items and self._first_chunk is None:
            self.on_chunk()
        if items and self._call.clean is not None:
            self._output = [(parts_of_items(items, self._call.clean), reason)]
        if status == "failed":
            self._fail(fields_of(response.get("error")))

    def on_error(self, data: _Fields) -> None:
        """The server gives up."""
        self._fail(data)

    def _fail(self, error: _Fields) -> None:
        if self._done:
            return
        outcome = None if self._whole else Outcome.FAILED
        failure = failure_of_event(error.get("code"), error.get("message"))
        self.finish(Ending(outcome, failure=failure), self._call.now())

    def _tell(self, ending: Ending, clean: Clean) -> None:
        super()._tell(ending, clean)
        output, self._output = self._output, None
        if output is not None:
            failed = "error" if ending.failure else ""
            ending.output = [(parts, reason or failed) for parts, reason in output]


def _tells_something(data: _Fields) -> bool:
    item, part = fields_of(data.get("item")), fields_of(data.get("part"))
    told = data.get("text") or data.get("arguments") or part.get("text")
    return bool(told or item.get("content") or item.get("summary") or "arguments" in item)


HANDLERS: Final[Mapping[str | None, Callable[[EventRecorder, _Fields], None]]] = {
    **dict.fromkeys(_WHOLE, EventRecorder.on_whole_piece),
    "transcription.text.delta": EventRecorder.on_delta,
    "transcription.done": EventRecorder.on_audio_done,
    "speech.audio.delta": EventRecorder.on_delta,
    "speech.audio.done": EventRecorder.on_audio_done,
    "response.output_text.delta": EventRecorder.on_delta,
    "response.reasoning_text.delta": EventRecorder.on_thought,
    "response.function_call_arguments.delta": EventRecorder.on_silent_delta,
    "response.created": EventRecorder.on_response_event,
    "response.in_progress": EventRecorder.on_response_event,
    "response.completed": partial(EventRecorder.on_response_event, status="completed"),
    "response.incomplete": partial(EventRecorder.on_response_event, status="incomplete"),
    "response.failed": partial(EventRecorder.on_response_event, status="failed"),
    "error": EventRecorder.on_error,
}
