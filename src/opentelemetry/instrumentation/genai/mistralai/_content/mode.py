# SPDX-License-Identifier: Apache-2.0
"""Defines where content may be recorded, makes what cleans a text, and limits a call's content.

The switch is ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT``, with the four values that the
official GenAI instrumentations know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, cast

from .. import _environment
from .. import _names as s
from .cleaning import CUT, MAX_TEXT, Redactor, cut
from .structure import Clean, exportable

Part = dict[str, Any]

# The limit is 512 KiB (`MAX_TEXT` is 64 KiB), less the room for the marks that show a cut.
_MAX_CONTENT: Final = 8 * MAX_TEXT - 1024


class ContentMode(str, Enum):
    """Names where content is recorded; by default nowhere."""

    NO_CONTENT = "no_content"
    SPAN_ONLY = "span_only"
    EVENT_ONLY = "event_only"
    SPAN_AND_EVENT = "span_and_event"

    @property
    def on_spans(self) -> bool:
        """Returns whether spans may carry content."""
        return self in (ContentMode.SPAN_ONLY, ContentMode.SPAN_AND_EVENT)

    @property
    def on_events(self) -> bool:
        """Returns whether log events may carry content."""
        return self in (ContentMode.EVENT_ONLY, ContentMode.SPAN_AND_EVENT)


def mode_from_environment() -> ContentMode:
    """Reads the environment variable; an unknown value logs one warning, and means off.

    ``true`` is unknown, too, as in the official instrumentations: it does not say whether spans may
    carry content.
    """
    modes = [mode.value for mode in ContentMode]
    off = ContentMode.NO_CONTENT.value
    variable = _environment.CAPTURE_CONTENT
    return ContentMode(_environment.choice(variable, modes, off, "content is not captured"))


def cleaner(redact: Callable[[str], object] | None, *, whole: bool = False) -> Clean:
    """Makes the function that cleans each text before it is recorded.

    Args:
        redact: the user's function, None to record texts as they are.
        whole: whether texts keep their length, for a completion hook.

    Returns:
        A function that returns what may be recorded of a text: at most 64 KiB of what ``redact``
        returned, or None if it raised or returned something other than a string.
    """
    if redact is None:
        return exportable if whole else cut
    return Redactor(redact, exportable if whole else cut)


class Content:
    """Holds the content of one request, in the shape of the conventions; `whole` adds the output.

    Attributes:
        heard: the agent loop's function for the output messages, if there is a loop.
        texts: what the span has as texts of their own, by attribute name.
    """

    def __init__(self, messages: list[Part], instructions: list[Part], tools: list[Part]) -> None:
        self._input = messages
        self._instructions = instructions
        self._tools = tools
        self.heard: Callable[[list[Part]], None] | None = None
        self.texts: dict[str, str] = {}

    def structures(
        self, output: list[tuple[list[Part], str | None]], told: Mapping[str, object]
    ) -> dict[str, list[Part]]:
        """Returns at most 512 KiB of the content by attribute name; arguments as for `whole`."""
        return fitted(self.whole(output, told))

    def whole(
        self, output: list[tuple[list[Part], str | None]], told: Mapping[str, object]
    ) -> dict[str, list[Part]]:
        """Returns all content by attribute name, the most important first: see `fitted`.

        Args:
            output: the output messages: their parts, and each one's finish reason: None if it has
                the call's, an empty string if it has none.
            told: the span's attributes, which have the call's finish reason.
        """
        reasons = told.get(s.RESPONSE_FINISH_REASONS)
        known = str(cast("list[object]", reasons)[0]) if isinstance(reasons, list) else ""
        if not known and s.ERROR_TYPE in told:
            known = "error"
        messages: list[Part] = []
        for parts, reason in output:
            message: Part = {"role": "assistant", "parts": parts}
            # A message has no finish reason if the caller left: the model might have gone on.
            if finish_reason := known if reason is None else reason:
                message["finish_reason"] = finish_reason
            if parts:
                messages.append(message)
        if self.heard is not None and messages:
            self.heard(messages)
        return self.beside(messages)

    def beside(self, messages: list[Part]) -> dict[str, list[Part]]:
        """Returns the output messages and all other content by attribute name."""
        said = {
            s.OUTPUT_MESSAGES: messages,
            s.SYSTEM_INSTRUCTIONS: self._instructions,
            s.TOOL_DEFINITIONS: self._tools,
            s.INPUT_MESSAGES: self._input,
        }
        return {key: items for key, items in said.items() if items}


def fitted(said: Mapping[str, list[Part]]) -> dict[str, list[Part]]:
    """Returns at most 512 KiB of a call's content.

    The output gets room first, then the instructions and the tools, then the input.
    """
    room, mark = _Room(), {"type": "text", "content": CUT}
    marks: dict[str, Part] = {
        s.TOOL_DEFINITIONS: {"type": "function", "name": CUT},
        s.RETRIEVAL_DOCUMENTS: {"id": CUT},
    }
    return {key: room.fit(items, marks.get(key, mark)) for key, items in said.items()}


class _Room:
    """Counts how much may still be recorded of one call, in bytes of JSON."""

    def __init__(self) -> None:
        self._left = _MAX_CONTENT

    def fit(self, items: list[Part], mark: Part) -> list[Part]:
        """Returns as many of these messages or parts as there is room for, then a mark if cut."""
        fitting: list[Part] = []
        for item in items:
            parts = item.get("parts")
            if not self._takes(item if parts is None else {**item, "parts": []}):
                fitting.append(mark if parts is None else {**item, "parts": [mark]})
                break
            fitting.append(item if parts is None else {**item, "parts": self.fit(parts, mark)})
            if not self._left:
                break
        return fitting

    def _takes(self, item: Part) -> bool:
        size = len(to_json(item).encode()) + 1
        self._left = self._left - size if size < self._left else 0
        return self._left > 0


def on_span(key: str, items: list[Part]) -> str:
    """Returns the value that an attribute of a span has for these messages, parts or documents."""
    if key == s.RETRIEVAL_QUERY:
        # The conventions want the text itself, so that viewers can search for it.
        return "\n".join(part["content"] for part in items)
    return to_json(items)


def to_json(value: object) -> str:
    """Writes JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
