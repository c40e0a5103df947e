# SPDX-License-Identifier: Apache-2.0
"""Keeps the content of a conversation's events for its recorder, while content is captured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .. import _log
from .. import _names as s
from .._content.parts import word
from .._content.structure import Clean
from .._content.transcript import Transcript
from .._reading.fields import Fields, payload_of, text
from .ending import Output


class Capture:
    """Holds the content of one response until its call ends."""

    __slots__ = ("_clean", "_transcript")

    def __init__(self, clean: Clean) -> None:
        self._clean = clean
        self._transcript = Transcript()

    def keep(self, event: Any) -> None:
        """Takes in one event; never raises an ``Exception``."""
        try:
            keep = _KEEPERS.get(event.event)
            if keep is not None:
                keep(self._transcript, payload_of(event))
        except Exception as exc:  # noqa: BLE001 -- the span must end even if its content is lost
            _log.report("capture content", exc)

    def of_tool(self, step_id: object, *, on_span: bool) -> dict[str, str]:
        """Returns a tool's arguments and result as attributes of its span.

        Args:
            step_id: the tool's id, as its events have it.
            on_span: whether spans may carry content; the id is cleaned in either case.
        """
        try:
            told: dict[str, str] = {}
            if (known := word(step_id, self._clean)) != text(step_id):
                # The span carries the id in any case: without this line it would be unredacted.
                told[s.TOOL_CALL_ID] = (known or "")[:256]
            if on_span:
                told |= self._transcript.tool_content(step_id, self._clean)
        except Exception as exc:  # noqa: BLE001 -- the tool's span must end even if its content is lost
            _log.report("capture content", exc)
            return {}
        return told

    def output(self, clean: Clean) -> list[Output]:
        """Returns the one output message, and releases it: the caller may keep the stream alive."""
        said, self._transcript = self._transcript, Transcript()
        return [(said.parts(clean), None)]


_KEEPERS: Final[Mapping[str, Callable[[Transcript, Fields], None]]] = {
    "message.output.delta": Transcript.on_message,
    "function.call.delta": Transcript.on_call,
    "tool.execution.started": Transcript.on_tool_started,
    "tool.execution.delta": Transcript.on_call,
    "tool.execution.done": Transcript.on_call,
}
