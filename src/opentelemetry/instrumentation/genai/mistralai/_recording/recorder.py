# SPDX-License-Identifier: Apache-2.0
"""What every recorder does: events in, one `Ending` out.

A recorder knows neither the SDK nor OpenTelemetry. It is told what happens to a stream, tells its
call each step that ran on the server and each chunk's time, and ends it, once.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, Protocol

from .. import _log
from .. import _names as s
from .._content.structure import Clean
from .._reading.errors import Failure, failure_of
from .._reading.requests import Request
from .ending import Ending, Outcome

if TYPE_CHECKING:
    from .steps import Step


# No chunk's time is recorded. A number, so that asking costs no call and no further slot.
UNTIMED: Final = -1


class OpenCall(Protocol):
    """A call whose span is open, as its recorder sees it: the request, the time, the ways out."""

    request: Request
    started: int
    """The span's start, ns since the epoch."""

    @property
    def record_chunk_times(self) -> bool:
        """Whether each output chunk's time is to be recorded."""
        ...

    @property
    def clean(self) -> Clean | None:
        """Gives what may be recorded of a text; None while content is not captured."""
        ...

    @property
    def content_on_spans(self) -> bool:
        """Whether spans may carry content."""
        ...

    def now(self) -> int:
        """Local time, ns since the epoch."""
        ...

    def at(self, arrived: int) -> int:
        """When an event arrived, ns since the epoch, by what ``time.monotonic_ns()`` was then."""
        ...

    def step(self, step: Step) -> None:
        """Takes in a step: when it is done, or an agent's work when it begins, and when it ends."""

    def record_chunk(self, ending: Ending, seconds: float) -> None:
        """Records the time between two output chunks.

        Args:
            ending: what is known by now of the response.
            seconds: since the chunk before.
        """

    def end(self, ending: Ending, at: int) -> bool:
        """Ends the span at ``at``, ns since the epoch; False if it had ended."""
        ...


class Recorder:
    """Records what one call brings back, and knows every way in which that can end.

    Attributes:
        ended: whether the call has its ending. An interrupt in its midst leaves this False, and
            whoever comes next asks again.
    """

    __slots__ = (
        "_arrived", "_call", "_corrected", "_first_chunk", "_last_chunk",
        "_left_at", "_model", "_response_id", "_unheard", "_whole", "ended",
    )  # fmt: skip

    def __init__(self, call: OpenCall) -> None:
        """Takes charge of a call whose result is handed to the caller now."""
        self._call = call
        self._arrived = monotonic_ns()
        # The operation and the span's name, where the response tells otherwise than the request.
        self._corrected: tuple[str, str] | None = None
        self._left_at: int | None = None
        self._first_chunk: int | None = None
        # When the last chunk came, if that is to be recorded; else `UNTIMED`.
        self._last_chunk: int | None = None if call.record_chunk_times else UNTIMED
        self._model: str | None = None
        self._response_id: str | None = None
        # Whether the response came at once: then nothing of it is a chunk.
        self._whole = False
        # An event or response that is being taken in; an interrupt leaves it here.
        self._unheard: Any = None
        self.ended = False

    # What a recorder of one kind of response adds; nobody calls the method of this class in it.

    def see(self, event: Any) -> None:
        """Takes in one event, before the caller gets it; never raises an ``Exception``."""
        raise NotImplementedError

    def on_response(self, response: Any) -> None:
        """Takes in a response that was not streamed, and ends the call with it."""
        raise NotImplementedError

    def hear_again(self, unheard: Any) -> None:
        """Takes in once more what an interrupt kept from being understood, if it was the last."""
        raise NotImplementedError

    def is_complete(self) -> bool:
        """Whether all was said, though no event said that it was the last."""
        raise NotImplementedError

    def conclude(self, ending: Ending, at: int) -> int:
        """Puts what only this kind of response tells into the ending; returns when the call ends.

        What the response has used, its failure and its finish reasons are in ``ending`` afterwards.
        """
        raise NotImplementedError

    def say(self, ending: Ending, clean: Clean) -> None:
        """Puts what was said into the ending, and lets it go; called only if content is wanted."""
        raise NotImplementedError

    # What all of them do.

    def on_chunk(self) -> None:
        """Notes the time of an event that brought output."""
        if self._whole:
            return
        if self._first_chunk is None:
            self._first_chunk = self._arrived
        if self._last_chunk != UNTIMED:
            if self._last_chunk is not None:
                known = Ending()
                known.response_model = self._model
                if self._corrected is not None:
                    known.operation = self._corrected[0]
                self._call.record_chunk(known, (self._arrived - self._last_chunk) / 1e9)
            self._last_chunk = self._arrived

    def exhausted(self) -> None:
        """No more events; if none closed the stream, something was cut off."""
        if self.ended:
            return
        if self.is_complete():
            self.end(Ending(Outcome.COMPLETED), self._call.at(self._arrived))
        else:
            failure = Failure(s.INCOMPLETE_STREAM)
            self.end(Ending(Outcome.FAILED, failure=failure), self._call.now())

    def failed(self, exc: BaseException) -> None:
        """The SDK or the transport raised, and the stream is over."""
        if not self.ended:
            self.end(Ending(Outcome.FAILED, failure=failure_of(exc)), self._call.now())

    def left(self, outcome: str) -> None:
        """The caller left: closed or cancelled. When all had been said, that changes nothing."""
        if self.ended:
            return
        if self.is_complete():
            self.end(Ending(Outcome.COMPLETED), self._call.at(self._arrived))
        else:
            self.end(Ending(outcome), self._call.now())

    def leave_later(self) -> None:
        """The caller left, at a moment when nothing may be done about it but to note the time."""
        self._left_at = self._call.now()

    def dropped(self) -> None:
        """Ends the span when the last event arrived; without one, when the stream was made."""
        unheard, self._unheard = self._unheard, None
        if unheard is not None:
            try:
                self.hear_again(unheard)
            except Exception as exc:  # noqa: BLE001 -- the span must end, with this event or without
                _log.report("read an event", exc)
        if self.ended:
            return
        if self.is_complete():
            self.end(Ending(Outcome.COMPLETED), self._call.at(self._arrived))
        elif self._left_at is not None:
            self.end(Ending(Outcome.CLOSED), self._left_at)
        else:
            self.end(Ending(Outcome.ABANDONED), self._call.at(self._arrived))

    def end(self, ending: Ending, at: int) -> None:
        """Ends the span, unless it has ended, at ``at``, ns since the epoch."""
        if self.ended:
            return
        try:
            try:
                at = self.conclude(ending, at)
                attributes, model = ending.attributes, self._model
                ending.response_model = model
                if self._response_id is not None:
                    attributes[s.RESPONSE_ID] = self._response_id
                if model is not None:
                    attributes[s.RESPONSE_MODEL] = model
                    if self._call.request.model is None:
                        # Of an append, a restart, an agent: viewers look nowhere else for it.
                        attributes[s.REQUEST_MODEL] = model
                if self._first_chunk is not None:
                    waited = self._call.at(self._first_chunk) - self._call.started
                    # In whole microseconds as the span's end, which may be the same moment.
                    ending.first_chunk = (waited - waited % 1000) / 1e9
                    attributes[s.RESPONSE_TIME_TO_FIRST_CHUNK] = ending.first_chunk
                if ending.outcome is not None:
                    attributes[s.STREAM_OUTCOME] = ending.outcome
                attributes.update(ending.usage.counts)
            except Exception as exc:  # noqa: BLE001 -- the span must end, described or not
                _log.report("describe a response", exc)
            clean = self._call.clean
            if clean is not None:
                try:
                    self.say(ending, clean)
                except Exception as exc:  # noqa: BLE001 -- as above, with these words or without
                    _log.report("capture content", exc)
        finally:
            # Also when the user's `redact` was interrupted.
            self._call.end(ending, at)
        self.ended = True
