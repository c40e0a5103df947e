# SPDX-License-Identifier: Apache-2.0
"""The recorder of a conversation whose content is captured: it keeps a transcript beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .. import _log
from .. import _names as s
from .._content.parts import word
from .._content.structure import Clean
from .._content.transcript import Transcript
from .._reading.fields import payload_of, text
from .conversation import ConversationRecorder
from .ending import Ending
from .recorder import OpenCall

_Fields = dict[str, Any]


class CapturingRecorder(ConversationRecorder):
    """Records a conversation with all that is said in it."""

    __slots__ = ("_clean", "_transcript")

    def __init__(self, call: OpenCall, clean: Clean) -> None:
        super().__init__(call)
        self._clean = clean
        self._transcript = Transcript()

    def see(self, event: Any) -> None:
        """Takes in one event, before the caller gets it; never raises an ``Exception``."""
        try:
            keep = None if self.ended else _KEEPERS.get(event.event)
            if keep is not None:
                keep(self._transcript, payload_of(event))
        except Exception as exc:  # noqa: BLE001 -- the span must end, with these words or without
            _log.report("capture content", exc)
        super().see(event)

    def finish(self, ending: Ending, at: int) -> None:
        """Ends the span, unless it has ended, at ``at``, ns since the epoch."""
        try:
            if not self.ended:
                ending.output = [(self._transcript.parts(self._clean), None)]
        except Exception as exc:  # noqa: BLE001 -- as above
            _log.report("capture content", exc)
        finally:
            # Also when the user's `redact` was interrupted.
            super().finish(ending, at)
            # The caller still has the stream, and in it this recorder.
            self._transcript = Transcript()

    def _tool_content(self, step_id: object) -> dict[str, str]:
        try:
            told: dict[str, str] = {}
            if (known := word(step_id, self._clean)) != text(step_id):
                # The id is recorded anyway: as `redact` leaves it.
                told[s.TOOL_CALL_ID] = (known or "")[:256]
            if self._call.content_on_spans:
                told |= self._transcript.tool_content(step_id, self._clean)
        except Exception as exc:  # noqa: BLE001 -- the tool has ended, with these words or without
            _log.report("capture content", exc)
            return {}
        return told


def conversation_recorder(call: OpenCall) -> ConversationRecorder:
    """The recorder of a conversation, with content or without, as the call's user wants it."""
    clean = call.clean
    return ConversationRecorder(call) if clean is None else CapturingRecorder(call, clean)


_KEEPERS: Final[Mapping[str, Callable[[Transcript, _Fields], None]]] = {
    "message.output.delta": Transcript.on_message,
    "function.call.delta": Transcript.on_call,
    "tool.execution.started": Transcript.on_tool_started,
    "tool.execution.delta": Transcript.on_call,
    "tool.execution.done": Transcript.on_call,
}
