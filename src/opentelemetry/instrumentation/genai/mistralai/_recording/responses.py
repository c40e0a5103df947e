# SPDX-License-Identifier: Apache-2.0
"""Records the Responses API, transcription and speech, whose streams have named events.

The name of an event decides what it means, and whether it ends the response; the ``status`` of the
response inside the event may be missing, or lag behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from .. import _names as s
from .._content.messages import parts_of_items
from .._content.structure import Clean
from .._content.transcript import Transcript
from .._reading.errors import failure_of_event
from .._reading.fields import Fields, fields_of, items_of, name_of, payload_of
from .ending import Ending, Outcome, Output, read_usage
from .open_call import OpenCall
from .recorder import Recorder

# The first of these events is passed to the user's hook as the one that closed the stream.
_CLOSING: Final = frozenset((
    "transcription.done", "speech.audio.done", "response.completed", "response.incomplete",
    "response.failed", "error",
))  # fmt: skip
# These events repeat as a whole what deltas brought before, if there were any.
_WHOLE: Final = (
    "transcription.segment", "response.output_item.added", "response.output_item.done",
    "response.output_text.done", "response.reasoning_text.done",
    "response.function_call_arguments.done", "response.content_part.done",
)  # fmt: skip


class ResponseRecorder(Recorder):
    """Records one response, transcription or speech, streamed or not."""

    __slots__ = ("_closing", "_done", "_output", "_reason", "_said", "_tier", "_usage")

    def __init__(self, call: OpenCall) -> None:
        super().__init__(call)
        # True once the response is over: what comes after that is no failure.
        self._done = False
        # The finish reason.
        self._reason: str | None = None
        self._usage: object = None
        self._tier: str | None = None
        self._closing: object = None
        # `_said` collects the deltas, `_output` comes from a whole response; `say` prefers the
        # latter, because it is complete.
        self._said: Transcript | None = None
        self._output: list[Output] | None = None

    def on_response(self, response: Any) -> None:
        """Takes in a response that was not streamed, and ends the call with it."""
        self._whole, self._closing, self._unheard = True, response, response
        fields = fields_of(response)
        if "output" in fields:
            self.on_response_object(fields, fields.get("status"))
        else:
            self.on_audio_done(fields)
        self.end(Ending(), self._call.at(self._arrived))

    def hear_again(self, unheard: Any) -> None:
        """Takes in the last event or response once more; of any other event only its usage."""
        if self._whole:
            self._said = None
            self.on_response(unheard)
        elif name_of(fields_of(unheard).get("event")) in _CLOSING:
            self.hear(unheard)
        else:
            self._usage = fields_of(unheard.data).get("usage") or self._usage

    def hear(self, event: Any) -> None:
        """Reads one event by its name."""
        name = name_of(fields_of(event).get("event"))
        handler = HANDLERS.get(name)
        if handler is not None:
            if name in _CLOSING and not self._done:
                self._closing = event
            handler(self, payload_of(event))

    def on_delta(self, data: Fields) -> None:
        """Reads a delta of text or sound."""
        piece = data.get("delta") or data.get("text")
        if piece or data.get("audio_data"):
            self.on_chunk()
        if self._call.clean is not None and isinstance(piece, str):
            self._speech().on_message({"id": data.get("item_id"), "content": piece})

    def on_thought(self, data: Fields) -> None:
        """Reads a delta of reasoning."""
        piece = data.get("delta")
        if piece:
            self.on_chunk()
        if self._call.clean is not None:
            thought = [{"thinking": piece}]
            self._speech().on_message({"id": data.get("item_id"), "content": thought})

    def on_silent_delta(self, _data: Fields) -> None:
        """Notes the time of a delta of arguments, whose text comes with the whole response only."""
        self.on_chunk()

    def on_whole_piece(self, data: Fields) -> None:
        """Notes the first output, if no delta came before this event."""
        if self._first_chunk is None and _tells_something(data):
            self.on_chunk()

    def on_audio_done(self, data: Fields) -> None:
        """Reads the last event of a transcription or of speech, or the whole of one."""
        self._done = True
        self._identify(data)
        self.on_whole_piece(data)
        if self._call.clean is not None and self._said is None:
            self._speech().on_message({"content": data.get("text")})

    def on_response_event(self, data: Fields, status: str | None = None) -> None:
        """Reads an event of the Responses API; ``status`` comes from the event's name."""
        self.on_response_object(fields_of(data.get("response")), status)

    def on_response_object(self, response: Fields, status: object) -> None:
        """Reads a response of the Responses API; some statuses end it."""
        self._identify(response)
        items = items_of(response.get("output"))
        # A response that goes on has no finish reason yet.
        reason = "error" if status == "failed" else ""
        if status == "completed":
            called = any(fields_of(item).get("type") == "function_call" for item in items)
            reason = "tool_call" if called else "content_filter" if _refuses(items) else "stop"
        elif status == "incomplete":
            details = fields_of(response.get("incomplete_details"))
            reason = name_of(details.get("reason")) or "incomplete"
        elif self._whole and status != "failed":
            reason = name_of(status) or "stop"
        if status in ("completed", "incomplete"):
            self._done, self._reason = True, reason
        if items and self._first_chunk is None:
            self.on_chunk()
        if items and self._call.clean is not None:
            self._output = [(parts_of_items(items, self._call.clean), reason)]
        if status == "failed":
            self._fail(fields_of(response.get("error")))

    def on_error(self, data: Fields) -> None:
        """Ends the call as failed."""
        self._fail(data)

    def _fail(self, error: Fields) -> None:
        if self._done:
            return
        outcome = None if self._whole else Outcome.FAILED
        failure = failure_of_event(error.get("code"), error.get("message"))
        self.end(Ending(outcome, failure=failure), self._call.now())

    def is_complete(self) -> bool:
        """Returns whether the response is over; the stream may go on after that."""
        return self._done

    def conclude(self, ending: Ending, at: int) -> int:
        """Adds usage and the finish reason to the ending."""
        ending.closing = self._closing
        ending.usage = read_usage(self._usage)
        if (tier := self._tier or name_of(fields_of(self._usage).get("service_tier"))) is not None:
            ending.attributes[s.RESPONSE_SERVICE_TIER] = tier
        if self._reason:
            ending.attributes[s.RESPONSE_FINISH_REASONS] = [self._reason]
        return at

    def say(self, ending: Ending, clean: Clean) -> None:
        """Moves the whole response's output into the ending, else the output of the deltas."""
        said, self._said = self._said, None
        output, self._output = self._output, None
        failed = "error" if ending.failure else ""
        if output is not None:
            ending.output = [(parts, reason or failed) for parts, reason in output]
        elif said is not None:
            # The API gives no finish reason for sound.
            reason = self._reason or ("stop" if self._done else failed)
            ending.output = [(said.parts(clean), reason)]
        else:
            ending.output = []

    def _speech(self) -> Transcript:
        said = self._said = self._said or Transcript()
        return said

    def _identify(self, data: Fields) -> None:
        if self._model is None:
            self._model, self._response_id = name_of(data.get("model")), name_of(data.get("id"))
        self._usage = data.get("usage") or data.get("usage_info") or self._usage
        # The last event has the tier that it was processed at, the ones before it what was asked.
        self._tier = name_of(data.get("service_tier")) or self._tier


def _refuses(items: Sequence[object]) -> bool:
    """Returns whether the model refuses to answer; the API calls that completed."""
    chunks = (chunk for item in items for chunk in items_of(fields_of(item).get("content")))
    return any("refusal" in fields_of(chunk) for chunk in chunks)


def _tells_something(data: Fields) -> bool:
    item, part = fields_of(data.get("item")), fields_of(data.get("part"))
    told = data.get("text") or data.get("arguments") or part.get("text") or part.get("refusal")
    return bool(told or item.get("content") or item.get("summary") or "arguments" in item)


HANDLERS: Final[Mapping[str | None, Callable[[ResponseRecorder, Fields], None]]] = {
    **dict.fromkeys(_WHOLE, ResponseRecorder.on_whole_piece),
    "transcription.text.delta": ResponseRecorder.on_delta,
    "transcription.done": ResponseRecorder.on_audio_done,
    "speech.audio.delta": ResponseRecorder.on_delta,
    "speech.audio.done": ResponseRecorder.on_audio_done,
    "response.output_text.delta": ResponseRecorder.on_delta,
    "response.reasoning_text.delta": ResponseRecorder.on_thought,
    "response.function_call_arguments.delta": ResponseRecorder.on_silent_delta,
    "response.created": ResponseRecorder.on_response_event,
    "response.in_progress": ResponseRecorder.on_response_event,
    "response.completed": partial(ResponseRecorder.on_response_event, status="completed"),
    "response.incomplete": partial(ResponseRecorder.on_response_event, status="incomplete"),
    "response.failed": partial(ResponseRecorder.on_response_event, status="failed"),
    "error": ResponseRecorder.on_error,
}
