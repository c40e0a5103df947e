# SPDX-License-Identifier: Apache-2.0
"""Defines the base of every recorder, which makes one `Ending` of a call's events.

A recorder knows neither the SDK nor OpenTelemetry. It gets what happens to a stream from the
stream's observer, reports each step and each chunk's time to its call, and ends the call once.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import Any, ClassVar, Final

from .. import _log
from .. import _names as s
from .._content.structure import Clean
from .._reading.errors import Failure, failure_of
from .ending import Ending, Outcome
from .open_call import OpenCall

# This marks that no chunk's time is recorded; as a number it needs no call and no further slot.
UNTIMED: Final = -1


class Recorder:
    """Reads what one call returns, and ends the call however its stream ends.

    Attributes:
        ended: whether the call has ended. An interrupt while it ends leaves this False, and
            the next use of the stream finishes the end.
        ends_silently: whether no event says that it is the last, so that a stream of this kind is
            whole once it is exhausted.
    """

    ends_silently: ClassVar[bool] = False

    __slots__ = (
        "_arrived", "_call", "_corrected", "_first_chunk", "_last_chunk",
        "_left_at", "_model", "_response_id", "_unheard", "_whole", "ended",
    )  # fmt: skip

    def __init__(self, call: OpenCall) -> None:
        """Begins to record a call whose result is handed to the caller now."""
        self._call = call
        self._arrived = monotonic_ns()
        # These are the operation and the span's name, if the response corrects the request.
        self._corrected: tuple[str, str] | None = None
        self._left_at: int | None = None
        self._first_chunk: int | None = None
        # This is the last chunk's arrival, or `UNTIMED` if chunks' times are not recorded.
        self._last_chunk: int | None = None if call.telemetry.record_chunk_times else UNTIMED
        self._model: str | None = None
        self._response_id: str | None = None
        # A response that was not streamed has no chunks: True keeps it from reporting their times.
        self._whole = False
        # The event or response that is being read stays here if an interrupt cuts the reading off.
        self._unheard: Any = None
        self.ended = False

    # Subclasses implement the methods from here to `say`, where theirs differ.

    def see(self, event: Any) -> None:
        """Takes in one event, before the caller gets it; never raises an ``Exception``.

        Kinds with thousands of small events look at most of them here, and at the others in `hear`.
        """
        try:
            if not self.ended:
                self._arrived, self._unheard = monotonic_ns(), event
                self.hear(event)
                self._unheard = None
        except Exception as exc:  # noqa: BLE001 -- the caller must get its event in any case
            _log.report("read an event", exc)

    def hear(self, event: Any) -> None:
        """Reads one event; a kind whose results come whole has none."""

    def on_response(self, response: Any) -> None:
        """Takes in a response that was not streamed, and ends the call with it."""
        raise NotImplementedError

    def hear_again(self, unheard: Any) -> None:
        """Takes in once more the last event or response, if an interrupt cut its reading off."""
        if self._whole:
            self.on_response(unheard)
        else:
            self.hear(unheard)

    def is_complete(self) -> bool:
        """Returns whether all output has come; False if only a last event says so."""
        return False

    def conclude(self, ending: Ending, at: int) -> int:  # noqa: ARG002 -- for subclasses
        """Adds to the ending what only this kind of response has; returns when the call ends.

        Afterwards ``ending`` holds the response's usage, its failure and its finish reasons.
        """
        return at

    def say(self, ending: Ending, clean: Clean) -> None:
        """Moves the output into the ending; runs only while content is captured."""
        raise NotImplementedError

    # All recorders share the methods from here on.

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
        """Ends the call when no more events come: as failed, if the stream was cut off."""
        if self.ended:
            return
        if self.ends_silently or self.is_complete():
            self.end(Ending(Outcome.COMPLETED), self._call.at(self._arrived))
        else:
            failure = Failure(s.INCOMPLETE_STREAM)
            self.end(Ending(Outcome.FAILED, failure=failure), self._call.now())

    def failed(self, exc: BaseException) -> None:
        """Ends the call when the SDK or the transport raised."""
        if not self.ended:
            self.end(Ending(Outcome.FAILED, failure=failure_of(exc)), self._call.now())

    def left(self, outcome: str) -> None:
        """Ends the call with ``outcome``, or as completed if all output has come."""
        if self.ended:
            return
        if self.is_complete():
            self.end(Ending(Outcome.COMPLETED), self._call.at(self._arrived))
        else:
            self.end(Ending(outcome), self._call.now())

    def leave_later(self) -> None:
        """Notes when the caller left, at a moment when the span must not be ended."""
        self._left_at = self._call.now()

    def dropped(self) -> None:
        """Ends the call of a dropped stream, at the time of its last event or of its start."""
        unheard, self._unheard = self._unheard, None
        if unheard is not None:
            try:
                self.hear_again(unheard)
            except Exception as exc:  # noqa: BLE001 -- the span must end even if the event is lost
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
        """Ends the span at ``at``, ns since the epoch, unless it has ended."""
        if self.ended:
            return
        # An interrupt in here leaves the call open: a half-made ending would count tokens that its
        # span does not name. The next use of the stream, or the exit, begins anew.
        try:
            at = self.conclude(ending, at)
            attributes, model = ending.attributes, self._model
            ending.response_model = model
            if self._response_id is not None:
                attributes[s.RESPONSE_ID] = self._response_id
            if model is not None:
                attributes[s.RESPONSE_MODEL] = model
                if self._call.request.model is None:
                    # Appends, restarts and agents name no model; viewers read it here only.
                    attributes[s.REQUEST_MODEL] = model
            if self._first_chunk is not None:
                waited = self._call.at(self._first_chunk) - self._call.started
                # The span's end has whole microseconds: with more digits a first chunk at the same
                # moment would come after it.
                ending.first_chunk = (waited - waited % 1000) / 1e9
                attributes[s.RESPONSE_TIME_TO_FIRST_CHUNK] = ending.first_chunk
            if ending.outcome is not None:
                attributes[s.STREAM_OUTCOME] = ending.outcome
            attributes.update(ending.usage.counts)
        except Exception as exc:  # noqa: BLE001 -- the span must end even without its description
            _log.report("describe a response", exc)
        try:
            if (clean := self._call.clean) is not None:
                self.say(ending, clean)
        except Exception as exc:  # noqa: BLE001 -- the span must end even without its content
            _log.report("capture content", exc)
        finally:
            # An interrupt in `redact` passes the guard above, and would leave the span open.
            self._call.end(ending, at)
        self.ended = True
