# SPDX-License-Identifier: Apache-2.0
"""Whether the user's words may be recorded, and the redactor that they pass on the way.

The switch is ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT``, with the four values that the
official GenAI instrumentations know.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from typing import Final

from . import _guard

_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class ContentMode(str, Enum):
    """Where the user's words are recorded; by default nowhere."""

    NO_CONTENT = "no_content"
    SPAN_ONLY = "span_only"
    EVENT_ONLY = "event_only"
    SPAN_AND_EVENT = "span_and_event"

    @property
    def on_spans(self) -> bool:
        """Whether spans may carry content."""
        return self in (ContentMode.SPAN_ONLY, ContentMode.SPAN_AND_EVENT)

    @property
    def on_events(self) -> bool:
        """Whether log events may carry content."""
        return self in (ContentMode.EVENT_ONLY, ContentMode.SPAN_AND_EVENT)


_SPELLINGS: Final = {
    **{mode.value: mode for mode in ContentMode},
    "true": ContentMode.SPAN_AND_EVENT,
    "false": ContentMode.NO_CONTENT,
    "": ContentMode.NO_CONTENT,
}


def mode_from_environment() -> ContentMode:
    """Reads the environment variable; a value that it does not know is one warning, and off."""
    value = os.environ.get(_VARIABLE, "")
    mode = _SPELLINGS.get(value.strip().lower())
    if mode is None:
        _guard.say_once("%s has an unknown value; content is not captured", _VARIABLE)
        return ContentMode.NO_CONTENT
    return mode


def redactor(redact: Callable[[str], object] | None) -> Callable[[str], str | None]:
    """Makes the user's ``redact`` safe to call: what it does wrong drops the text, not the call.

    Args:
        redact: the user's function, None to record texts as they are.

    Returns:
        A function that gives the text that may be recorded, or None when ``redact`` raised or
        returned something other than a string.
    """

    def safely(text: str) -> str | None:
        if redact is None:
            return text
        try:
            redacted = redact(text)
        except Exception as exc:  # noqa: BLE001 -- the user's function must not fail the user's call
            _guard.report("redact", exc)
            return None
        if isinstance(redacted, str):
            return redacted
        _guard.say_once("redact did not return a string; the text was dropped")
        return None

    return safely
