# SPDX-License-Identifier: Apache-2.0
"""Records streams in which no event is the last: a workflow's events, the summary of an index.

Such a stream is complete when it is exhausted, or when the execution that it is about has ended.
"""

from __future__ import annotations

from typing import Any, Final

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
    # The server closes such a stream when it likes.
    ends_silently = True

    def __init__(self, call: OpenCall) -> None:
        super().__init__(call)
        self._closing: Any = None
        # Events of its children come in the same stream. If the request named no execution, the
        # first event does.
        self._execution = job_of(call.request.continues)
        self._name: str | None = None
        self._status: str | None = None

    def hear(self, event: Any) -> None:
        """Reads one event."""
        fields = fields_of(event)
        told = fields_of(fields.get("data"))
        if fields.get("event") == "error":
            # Newer lines of the SDK raise here instead.
            failure = failure_of_event(told.get("reason"), told.get("error"))
            self.end(Ending(Outcome.FAILED, failure=failure, closing=event), self._call.now())
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
        self.end(Ending(closing=response), self._call.at(self._arrived))

    def is_complete(self) -> bool:
        """Returns whether the execution has ended."""
        return self._status not in (None, _RUNNING)

    def conclude(self, ending: Ending, at: int) -> int:
        """Adds name, execution and status to the ending."""
        if ending.closing is None:
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

    __slots__ = ("_said",)
    ends_silently = True

    def __init__(self, call: OpenCall) -> None:
        super().__init__(call)
        self._said: Transcript | None = None

    def hear(self, event: Any) -> None:
        """Reads one piece."""
        piece = fields_of(event)
        if isinstance(piece.get("content"), str):
            self.on_chunk()
            if self._call.clean is not None:
                said = self._said = self._said or Transcript()
                said.on_message({"content": piece["content"]})
        elif "error" in piece:
            failure = failure_of_event(piece["error"], piece["error"])
            self.end(Ending(Outcome.FAILED, failure=failure, closing=event), self._call.now())

    def on_response(self, response: Any) -> None:
        """Ends the call: something that is no stream of the SDK tells nothing."""
        self.end(Ending(closing=response), self._call.at(self._arrived))

    def hear_again(self, unheard: Any) -> None:
        """Takes in nothing: the caller has the piece, and a summary reports no usage."""

    def say(self, ending: Ending, clean: Clean) -> None:
        """Moves the summary into the ending."""
        said, self._said = self._said, None
        finished = "stop" if ending.outcome == Outcome.COMPLETED else ""
        reason = "error" if ending.failure else finished
        ending.output = [] if said is None else [(said.parts(clean), reason)]
