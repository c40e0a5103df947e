# SPDX-License-Identifier: Apache-2.0
"""What a recorder is given and what it gives back: the seam between streams and telemetry.

Recorders know neither the SDK nor OpenTelemetry. They are told what happens to a stream, and end a
call with an `Ending`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic_ns
from typing import Any, Protocol

from .. import _log
from .. import _names as s
from .._reading.errors import Failure, failure_of
from .._reading.requests import Request
from .._reading.settings import AttributeValue
from .ending import Ending, Outcome


class Child(Protocol):
    """A span inside a call."""

    @property
    def is_open(self) -> bool:
        """Whether the span has not ended."""
        ...

    def end(self, at: int, error_type: str | None = None) -> None:
        """Ends the span at ``at``, ns since the epoch; an ERROR if it has an ``error_type``."""


class Abandoned(Protocol):
    """What knows how to end a span that everybody forgot."""

    def abandon(self) -> None:
        """Ends the span, unless it has ended."""


class OpenCall(Protocol):
    """A call whose span is open, as its recorder sees it."""

    request: Request
    record_chunk_times: bool
    """Whether each output chunk's time is to be recorded."""
    started: int
    """The span's start, ns since the epoch."""

    @property
    def clean(self) -> Callable[[str], str | None] | None:
        """Gives what may be recorded of a text; None while content is not captured."""
        ...

    @property
    def content_on_spans(self) -> bool:
        """Whether spans may carry content."""
        ...

    @property
    def reference(self) -> object:
        """What a later turn may link to."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether the span has not ended, and is this process's to end."""
        ...

    def now(self) -> int:
        """Local time, ns since the epoch."""
        ...

    def at(self, arrived: int) -> int:
        """When an event arrived, ns since the epoch, by what ``time.monotonic_ns()`` was then."""
        ...

    def correct(self, operation: str, span_name: str) -> None:
        """The response says what the request could not."""

    def begin_child(
        self,
        name: str,
        attributes: Mapping[str, AttributeValue],
        started: int,
        parent: Child | None,
    ) -> Child | None:
        """Starts a span inside this one, or inside ``parent`` while that is open.

        Returns:
            None if the span of this call has ended, or is another process's.
        """
        ...

    def record_chunk(self, response_model: str | None, seconds: float) -> None:
        """Records the time between two output chunks."""

    recorder: Abandoned | None
    """Who knows how to end the call, should everybody forget it."""

    def end(self, ending: Ending, at: int) -> bool:
        """Ends the span at ``at``, ns since the epoch; False if it had ended."""
        ...


class StreamRecorder:
    """Records one stream, and knows every way in which one can end."""

    __slots__ = (
        "_arrived", "_call", "_chunk_times", "_first_chunk", "_last_chunk", "_left_at", "_model",
        "_response_id", "_unheard", "_whole", "ended",
    )  # fmt: skip

    def __init__(self, call: OpenCall) -> None:
        """Takes charge of a call whose stream is handed to the caller now."""
        self._call = call
        self._arrived = monotonic_ns()
        self._chunk_times = call.record_chunk_times
        self._left_at: int | None = None
        self._first_chunk: int | None = None
        self._last_chunk: int | None = None
        self._model: str | None = None
        self._response_id: str | None = None
        # Whether the response came at once: then nothing of it is a chunk.
        self._whole = False
        # An event or response that is being taken in; an interrupt leaves it here.
        self._unheard: Any = None
        self.ended = False
        call.recorder = self

    def see(self, event: Any) -> None:
        """Takes in one event, before the caller gets it; never raises an ``Exception``."""
        raise NotImplementedError

    def on_response(self, response: Any) -> None:
        """Takes in a response that was not streamed, and ends the call with it."""
        raise NotImplementedError

    def finish(self, ending: Ending, at: int) -> None:
        """Ends the span, unless it has ended, at ``at``, ns since the epoch."""
        raise NotImplementedError

    def hear_again(self, unheard: Any) -> None:
        """Takes in once more what an interrupt kept from being understood, if it was the last."""
        raise NotImplementedError

    def on_chunk(self) -> None:
        """Notes the time of an event that brought output."""
        if self._whole:
            return
        if self._first_chunk is None:
            self._first_chunk = self._arrived
        if self._chunk_times:
            if self._last_chunk is not None:
                self._call.record_chunk(self._model, (self._arrived - self._last_chunk) / 1e9)
            self._last_chunk = self._arrived

    def describe(
        self,
        ending: Ending,
        finish_reasons: list[str] | None,
        others: Mapping[str, AttributeValue | None],
    ) -> None:
        """Puts what is known of the response into the call's ending."""
        ending.response_model = self._model
        if self._first_chunk is not None:
            waited = self._call.at(self._first_chunk) - self._call.started
            # In whole microseconds as the span's end, which may be the same moment.
            ending.first_chunk = (waited - waited % 1000) / 1e9
        attributes = ending.attributes
        if self._response_id is not None:
            attributes[s.RESPONSE_ID] = self._response_id
        if self._model is not None:
            attributes[s.RESPONSE_MODEL] = self._model
            if self._call.request.model is None:
                # Of an append, a restart, an agent. Viewers look for a span's model nowhere else.
                attributes[s.REQUEST_MODEL] = self._model
        if finish_reasons is not None:
            attributes[s.RESPONSE_FINISH_REASONS] = finish_reasons
        if ending.first_chunk is not None:
            attributes[s.RESPONSE_TIME_TO_FIRST_CHUNK] = ending.first_chunk
        if ending.outcome is not None:
            attributes[s.STREAM_OUTCOME] = ending.outcome
        for key, value in others.items():
            if value is not None:
                attributes[key] = value
        attributes.update(ending.usage.counts)
        if ending.usage.connectors:
            attributes.update(ending.usage.of_connectors())

    def exhausted(self) -> None:
        """No more events, and none that closed the stream: something was cut off."""
        if not self.ended:
            failure = Failure(s.INCOMPLETE_STREAM)
            self.finish(Ending(Outcome.FAILED, failure=failure), self._call.now())

    def failed(self, exc: BaseException) -> None:
        """The SDK or the transport raised, and the stream is over."""
        if not self.ended:
            self.finish(Ending(Outcome.FAILED, failure=failure_of(exc)), self._call.now())

    def left(self, outcome: str) -> None:
        """The caller left: closed or cancelled."""
        self.finish(Ending(outcome), self._call.now())

    def leave_later(self) -> None:
        """The caller left, at a moment when nothing may be done about it but to note the time."""
        self._left_at = self._call.now()

    def hear_the_rest(self) -> None:
        """Takes in the event that an interrupt, or a failure, kept from being understood."""
        unheard, self._unheard = self._unheard, None
        if unheard is None:
            return
        try:
            self.hear_again(unheard)
        except Exception as exc:  # noqa: BLE001 -- the span must end, with this event or without
            _log.report("read an event", exc)

    def abandon(self) -> None:
        """Ends the span when the last event arrived; without one, when the stream was made."""
        self.hear_the_rest()
        if self.ended:
            return
        if self._left_at is not None:
            self.finish(Ending(Outcome.CLOSED), self._left_at)
        else:
            self.finish(Ending(Outcome.ABANDONED), self._call.at(self._arrived))
