# SPDX-License-Identifier: Apache-2.0
"""Records chats, agents and FIM, and what has no stream: embeddings, classifiers, OCR, new agents.

A stream here has no ``createdAt`` and marks no event as the last: usage may come after the finish
reason. So the recorder waits for the end of the stream, and ends the span at its last chunk's time.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import Any, Final

from .. import _log
from .. import _names as s
from .._content.structure import Clean
from .._content.transcript import Transcript
from .._reading.fields import Fields, fields_of, items_of, name_of
from .ending import Ending, read_usage
from .open_call import OpenCall
from .recorder import UNTIMED, Recorder

# The limit keeps a server that sends choices without end from filling its client's memory.
_MAX_CHOICES: Final = 128


class CompletionRecorder(Recorder):
    """Records one completion, streamed or not."""

    __slots__ = ("_choices", "_chunk_class", "_closing", "_said", "_usage")

    def __init__(self, call: OpenCall) -> None:
        super().__init__(call)
        # The value is the choice's finish reason, None until it has one.
        self._choices: dict[int, str | None] = {}
        # This is the chunks' class once the first output is known: `see` reads few of them further.
        self._chunk_class: Any = None
        self._usage: object = None
        self._closing: object = None
        self._said: dict[int, Transcript] = {}

    def see(self, event: Any) -> None:
        """Takes in one event, before the caller gets it; never raises an ``Exception``."""
        try:
            data = event.data
            # Most chunks are a further piece of one choice, with neither a finish reason nor usage.
            # They are read inline, because a function call costs as much as the reading; and now,
            # because the caller may change the chunk later.
            if type(data) is self._chunk_class:
                choices = data.choices
                if len(choices) == 1 and data.usage is None:
                    choice = choices[0]
                    if choice.finish_reason is None and choice.index in self._choices:
                        self._arrived = monotonic_ns()
                        return
            if not self.ended:
                self._on_event(event, data)
        except Exception as exc:  # noqa: BLE001 -- the caller must get its event in any case
            _log.report("read an event", exc)

    def _on_event(self, event: Any, data: Any) -> None:
        self._arrived, self._unheard, fields = monotonic_ns(), event, fields_of(data)
        self.on_completion(fields, "delta")
        self._unheard = None
        looked_at = self._call.clean is not None or self._last_chunk != UNTIMED
        if self._first_chunk is not None and not looked_at and fields is not data:
            self._chunk_class = type(data)

    def on_response(self, response: Any) -> None:
        """Takes in a response that was not streamed, and ends the call with it."""
        self._whole, self._closing, self._unheard = True, response, response
        self.on_completion(fields_of(response), "message")
        self.end(Ending(), self._call.at(self._arrived))

    def hear_again(self, unheard: Any) -> None:
        """Takes in once more what an interrupt cut off; of a chunk only its usage is read."""
        if self._whole:
            self._said.clear()
            self.on_response(unheard)
        else:
            self._usage = fields_of(unheard.data).get("usage") or self._usage

    def on_completion(self, data: Fields, field: str) -> None:
        """Reads a chunk of a completion, or a whole completion."""
        if self._model is None:
            self._model, self._response_id = name_of(data.get("model")), name_of(data.get("id"))
        self._usage = data.get("usage") or data.get("usage_info") or self._usage
        for item in items_of(data.get("choices")):
            choice = fields_of(item)
            index, reason = choice.get("index"), choice.get("finish_reason")
            if not isinstance(index, int) or not 0 <= index < _MAX_CHOICES:
                continue
            if isinstance(reason, str):
                self._choices[index] = "tool_call" if reason == "tool_calls" else name_of(reason)
            elif index not in self._choices:
                self._choices[index] = None
            several = items_of(choice.get("messages"))
            for position, each in enumerate(several or (choice.get(field),)):
                message = fields_of(each)
                told = message.get("content") or message.get("tool_calls")
                if told and not self._whole:
                    self.on_chunk()
                # An empty message may carry the role of the following ones: it must not be lost.
                if self._call.clean is not None and (told or message.get("role")):
                    self._transcript(index).on_completion(message, position)

    def is_complete(self) -> bool:
        """Returns whether each choice has a finish reason; usage may still come after that."""
        return bool(self._choices) and all(self._choices.values())

    def conclude(self, ending: Ending, at: int) -> int:
        """Adds usage, the finish reasons and a created agent's id to the ending."""
        self._chunk_class = None
        ending.closing = self._closing
        ending.usage = read_usage(self._usage)
        if (tier := name_of(fields_of(self._usage).get("service_tier"))) is not None:
            ending.attributes[s.RESPONSE_SERVICE_TIER] = tier
        # A comprehension would cost a function call here before Python 3.12.
        if told := list(filter(None, map(self._choices.get, sorted(self._choices)))):
            ending.attributes[s.RESPONSE_FINISH_REASONS] = told
        if self._call.request.operation == s.CREATE_AGENT:
            if self._response_id is not None:
                ending.attributes[s.AGENT_ID] = self._response_id
            self._response_id = self._model = None
        return at

    def say(self, ending: Ending, clean: Clean) -> None:
        """Moves one message for each choice into the ending, in their order."""
        said, self._said = self._said, {}
        # A choice that was cut short has no finish reason, unless the call failed.
        other = "error" if ending.failure else ""
        ending.output = [
            (said[at].parts(clean), self._choices.get(at) or other) for at in sorted(said)
        ]

    def _transcript(self, index: int) -> Transcript:
        return self._said.setdefault(index, Transcript())
