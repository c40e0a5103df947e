# SPDX-License-Identifier: Apache-2.0
"""Chunks and events of completions in the SDK's shape, and one call on a fake clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

import pytest

from opentelemetry.instrumentation.genai.mistralai._reading.requests import Request
from opentelemetry.instrumentation.genai.mistralai._recording.completions import CompletionRecorder
from opentelemetry.instrumentation.genai.mistralai._recording.ending import Ending
from opentelemetry.instrumentation.genai.mistralai._recording.responses import ResponseRecorder
from tests.support.fake_events import MODEL, Event
from tests.support.fakes import PACKAGE, Ended, FakeCall, FakeClock

ID: Final = "cmpl_1"
Shape = SimpleNamespace


@dataclass
class Chunk:
    """``CompletionEvent``, which has no name, unlike all other events."""

    data: Any


def choice(index: Any = 0, reason: Any = None, content: Any = "", **delta: Any) -> Shape:
    return Shape(index=index, delta=Shape(content=content, **delta), finish_reason=reason)


def chunk(*choices: Any, usage: Any = None, **fields: Any) -> Chunk:
    given = {"id": ID, "model": MODEL, "choices": list(choices), "usage": usage}
    return Chunk(Shape(**{**given, **fields}))


def tokens(prompt: Any = 5, completion: Any = 7, total: Any = 12) -> Shape:
    return Shape(prompt_tokens=prompt, completion_tokens=completion, total_tokens=total)


def event(name: str, **data: Any) -> Event:
    return Event(name, Shape(type=name, **data))


@dataclass
class Call(FakeCall):
    """A call that keeps what was said, too."""

    said: list[Any] = field(default_factory=list[Any])

    def end(self, ending: Ending, at: int) -> bool:
        self.said.append(ending.output)
        return super().end(ending, at)


class Told:
    """One completion on a fake clock; the stream is handed over after 0.1 s."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        clean: Any = None,
        *,
        kind: type[CompletionRecorder | ResponseRecorder] = CompletionRecorder,
        chunk_times: bool = False,
    ) -> None:
        self.clock = FakeClock()
        self.clock.set(0.1)
        for module in ("recorder", "completions"):
            monkeypatch.setattr(f"{PACKAGE}._recording.{module}.monotonic_ns", self.clock)
        self.call = Call(self.clock, Request("chat", {}), chunk_times, clean=clean)
        self.recorder = kind(self.call)

    def receives(self, *events: Any) -> None:
        """One event at each tenth of a second, from 0.2 s on; it is 9 s when the caller acts."""
        for n, arrived in enumerate(events):
            self.clock.set(0.2 + n / 10)
            self.recorder.see(arrived)
        self.clock.set(9)

    def end(self) -> Ended:
        """The one ending of the call."""
        (ended,) = self.call.endings
        assert self.recorder.ended
        return ended
