# SPDX-License-Identifier: Apache-2.0
"""Records streams in which no event is the last: a workflow's events, the summary of an index.

Such a stream is complete when it is exhausted, or when the execution that it is about has ended.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import Any, Final

from .. import _log
from .. import _names as s
from .._content.structure import Clean
from .._content.transcript import Transcript
from .._reading.errors import failure_of_event
from .._reading.fields import fields_of, name_of
from .._reading.jobs import job_of
from .ending import Ending, Outcome
from .open_call import OpenCall
from .recorder import Recorder

_EXECUTION: Final = "WORKFLOW_EXECUTION_"
_STARTED: Final = "STARTED"
_RUNNING: Final = "RUNNING"


class FollowRecorder(Recorder):
    """Records the stream of an execution's events; each is looked at for status and name."""

    __slots__ = ("_closing", "_execution", "_name", "_status")

    def __init__(self, call: OpenCall) -> None:
        super().__init__(call)
        self._closing: Any = None
        # Events of its children come in the same stream. If the request named no execution, the
        # first event does.
        self._execution = job_of(call.request.continues)
        self._name: str | None = None
        self._status: str | None = None

    def see(self, event: Any) -> None:
        """Takes in one event, before the caller gets it; never raises an ``Exception``."""
        try:
            if not self.ended:
                self._arrived, self._unheard = monotonic_ns(), event
                self._on_event(event)
                self._unheard = None
        except Exception as exc:  # noqa: BLE001 -- the caller must get its event in any case
            _log.report("read an event", exc)

    def _on_event(self, event: Any) -> None:
        fields = fields_of(event)
        told = fields_of(fields.get("data"))
        if fields.get("event") == "error":
            # Newer lines of the SDK raise here instead.
            failure = failure_of_event(told.get("reason"), told.get("error"))
            self._closing = event
            self.end(Ending(Outcome.FAILED, failure=failure), self._call.now())
            return
        about = fields_of(told.get("workflow_context"))
        execution = name_of(about.get("workflow_exec_id"))
        if self._execution is None:
            self._execution = execution
        if execution != self._execution:
            return
        self._name = name_of(about.get("workflow_name")) or self._name
        kind = name_of(fields_of(told.get("data")).get("event_type"))
        if kind is not None and kind.startswith(_EXECUTION):
            status = kind[len(_EXECUTION) :]
            self._status = _RUNNING if status == _STARTED else status
            self._closing = event

    def on_response(self, response: Any) -> None:
        """Ends the call: something that is no stream of the SDK tells nothing."""
        self._closing = response
        self.end(Ending(), self._call.at(self._arrived))

    def hear_again(self, unheard: Any) -> None:
        """Takes in the last event once more."""
        self._on_event(unheard)

    def is_complete(self) -> bool:
        """Returns whether the execution has ended."""
        return self._status not in (None, _RUNNING)

    def exhausted(self) -> None:
        """Ends the call when no more events come: the server closes such a stream when it likes."""
        if not self.ended:
            self.end(Ending(Outcome.COMPLETED), self._call.at(self._arrived))

    def conclude(self, ending: Ending, at: int) -> int:
        """Adds name, execution and status to the ending."""
        ending.closing = self._closing
        known = (
            (s.WORKFLOW_EXECUTION, self._execution),
            (s.WORKFLOW_NAME, self._name),
            (s.WORKFLOW_STATUS, self._status),
        )
        ending.attributes.update({key: value for key, value in known if value is not None})
        if self._name is not None:
            ending.span_name = f"{s.FOLLOW_WORKFLOW} {self._name}"
        return at

    def say(self, ending: Ending, clean: Clean) -> None:
        """Adds nothing: what workers tell of their work is not the output of a model."""


class SummaryRecorder(Recorder):
    """Records the summary of an index, which comes in pieces of text."""

    __slots__ = ("_closing", "_said")

    def __init__(self, call: OpenCall) -> None:
        super().__init__(call)
        self._closing: Any = None
        self._said: Transcript | None = None

    def see(self, event: Any) -> None:
        """Takes in one piece, before the caller gets it; never raises an ``Exception``."""
        try:
            if not self.ended:
                self._arrived, self._unheard = monotonic_ns(), event
                self._on_piece(event)
                self._unheard = None
        except Exception as exc:  # noqa: BLE001 -- the caller must get its event in any case
            _log.report("read an event", exc)

    def _on_piece(self, event: Any) -> None:
        piece = fields_of(event)
        if isinstance(piece.get("content"), str):
            self.on_chunk()
            if self._call.clean is not None:
                said = self._said = self._said or Transcript()
                said.on_message({"content": piece["content"]})
        elif "error" in piece:
            self._closing = event
            failure = failure_of_event(piece["error"], piece["error"])
            self.end(Ending(Outcome.FAILED, failure=failure), self._call.now())

    def on_response(self, response: Any) -> None:
        """Ends the call: something that is no stream of the SDK tells nothing."""
        self._closing = response
        self.end(Ending(), self._call.at(self._arrived))

    def hear_again(self, unheard: Any) -> None:
        """Takes in nothing: the caller has the piece, and a summary reports no usage."""

    def is_complete(self) -> bool:
        """Returns that more may come: no piece says that it is the last."""
        return False

    def exhausted(self) -> None:
        """Ends the call when no more pieces come: nothing else tells the end."""
        if not self.ended:
            self.end(Ending(Outcome.COMPLETED), self._call.at(self._arrived))

    def conclude(self, ending: Ending, at: int) -> int:
        """Adds nothing: a summary reports neither a model nor usage."""
        ending.closing = self._closing
        return at

    def say(self, ending: Ending, clean: Clean) -> None:
        """Moves the summary into the ending."""
        said, self._said = self._said, None
        finished = "stop" if ending.outcome == Outcome.COMPLETED else ""
        reason = "error" if ending.failure else finished
        ending.output = [] if said is None else [(said.parts(clean), reason)]
