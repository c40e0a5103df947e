# SPDX-License-Identifier: Apache-2.0
"""Calls that are neither conversations nor completions: their methods, and what they are given."""

from __future__ import annotations

from typing import Any, Final

from tests.support import methods

HEAR: Final = "audio.transcriptions.complete"
HEAR_STREAM: Final = "audio.transcriptions.stream"
SPEAK: Final = "audio.speech.complete"
RESPOND: Final = "responses.create"
# Before which version of the SDK there is nothing to test.
SINCE: Final = methods.came_with()
MODEL: Final = {"model": "m"}
ASKED: Final[dict[str, Any]] = {**MODEL, "input": "Hello?"}
STREAM: Final[dict[str, Any]] = {"stream": True}
EMBED: Final[dict[str, Any]] = {**MODEL, "inputs": ["Hello", "you"]}
