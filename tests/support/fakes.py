# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for what a recorder meets: a clock, a call, and the story of a conversation.

Times are seconds since the span's start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from opentelemetry.context import Context

from opentelemetry.instrumentation.genai.mistralai._reading.requests import Request
from opentelemetry.instrumentation.genai.mistralai._recording.conversation import (
    ConversationRecorder,
)
from opentelemetry.instrumentation.genai.mistralai._recording.ending import Ending, Usage
from opentelemetry.instrumentation.genai.mistralai._recording.steps import Step
from tests.support import names as s
from tests.support.fake_events import START, Event

PACKAGE: Final = "opentelemetry.instrumentation.genai.mistralai"
_START_NS: Final = int(START.timestamp()) * 10**9
# Monotonic clocks count from boot, not from 1970.
_BOOTED_NS: Final = 77 * 10**9


def ns(seconds: float) -> int:
    """Seconds since the span's start as ns since the epoch."""
    return _START_NS + round(seconds * 1e9)


def typed(attributes: Mapping[str, object]) -> dict[str, tuple[type, object]]:
    """Attributes with their types, since 1 == 1.0 == True."""
    return {key: (type(value), value) for key, value in attributes.items()}


Counts = tuple["int | None", "int | None", "int | None", "int | None", Mapping[str, int]]


def counts_of(usage: Usage) -> Counts:
    """Input, output, total and connector tokens, and calls of connectors."""
    of_input, output, total, connector = (
        usage.counts.get(key)
        for key in (
            s.USAGE_INPUT_TOKENS,
            s.USAGE_OUTPUT_TOKENS,
            s.USAGE_TOTAL_TOKENS,
            s.USAGE_CONNECTOR_TOKENS,
        )
    )
    return of_input, output, total, connector, usage.connectors


@dataclass
class Ended:
    """An `Ending` and when it was, to be compared as a whole."""

    at: float
    outcome: str | None
    attributes: dict[str, object]
    usage: Counts = (None, None, None, None, {})
    response_model: str | None = None
    first_chunk: float | None = None
    failure: tuple[str, dict[str, Any], object] | None = None
    closing: object = None
    corrected: tuple[str | None, str | None] = (None, None)
    conversation_id: str | None = field(default=None, compare=False)

    @staticmethod
    def of(ending: Ending, at: int = _START_NS) -> Ended:
        used, failure = ending.usage, ending.failure
        return Ended(
            at=(at - _START_NS) / 1e9,
            outcome=ending.outcome,
            attributes=dict(ending.attributes),
            usage=counts_of(used),
            response_model=ending.response_model,
            first_chunk=ending.first_chunk,
            failure=(failure.type, {**failure.attributes}, failure.exception) if failure else None,
            closing=ending.closing,
            corrected=(ending.operation, ending.span_name),
            conversation_id=ending.conversation_id,
        )


class FakeClock:
    """A ``time.monotonic_ns`` that stands still until it is set."""

    def __init__(self) -> None:
        self._ns = _BOOTED_NS

    def __call__(self) -> int:
        return self._ns

    def set(self, seconds: float) -> None:
        self._ns = _BOOTED_NS + round(seconds * 1e9)

    def advance(self, nanoseconds: int) -> None:
        self._ns += nanoseconds


@dataclass
class FakeChild:
    """A span inside a call; times are seconds since the call's start."""

    name: str
    attributes: dict[str, tuple[type, object]]
    started: float
    parent: str | None = None
    ended: float | None = None
    error_type: str | None = None
    inside: FakeChild | None = field(default=None, compare=False, repr=False)

    @property
    def is_open(self) -> bool:
        return self.ended is None

    def end(self, at: int, error_type: str | None = None) -> None:
        assert self.is_open
        self.ended, self.error_type = (at - _START_NS) / 1e9, error_type


@dataclass
class FakeCall:
    """An `OpenCall` that keeps what its recorder tells it."""

    clock: FakeClock
    request: Request
    record_chunk_times: bool = False
    started: int = ns(0)
    endings: list[Ended] = field(default_factory=list["Ended"])
    chunks: list[tuple[str | None, float]] = field(default_factory=list[tuple["str | None", float]])
    watch: object = None
    context: Context = field(default_factory=Context)
    clean: Callable[[str], str | None] | None = None
    children: list[FakeChild] = field(default_factory=list["FakeChild"])
    content_on_spans: bool = True

    @property
    def telemetry(self) -> FakeCall:
        """What the user wants recorded is told here, too."""
        return self

    @property
    def is_open(self) -> bool:
        return not self.endings

    def step(self, step: Step) -> None:
        if not self.is_open:
            return
        if step.span is None:
            parent: FakeChild | None = step.inside.span if step.inside else None
            of = parent if parent is not None and parent.is_open else None
            begun = (step.started - _START_NS) / 1e9
            name = of.name if of else None
            step.span = FakeChild(step.name, typed(step.attributes), begun, name, inside=of)
            self.children.append(step.span)
        if step.ended is not None:
            step.span.end(step.ended, step.error_type)

    def dropped(self) -> None:
        raise AssertionError("nobody looks at it")

    def give_up(self) -> None:
        raise AssertionError("a recorder ends its call")

    def now(self) -> int:
        return self.at(self.clock())

    def at(self, arrived: int) -> int:
        return arrived + ns(0) - _BOOTED_NS

    def record_chunk(self, ending: Ending, seconds: float) -> None:
        self.chunks.append((ending.response_model, seconds))

    def end(self, ending: Ending, at: int) -> bool:
        assert self.endings or not any(child.is_open for child in self.children)
        self.endings.append(Ended.of(ending, at))
        return len(self.endings) == 1


class Story:
    """A conversation on a fake clock: what arrives, and what its call is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        for module in ("recorder", "conversation"):
            monkeypatch.setattr(f"{PACKAGE}._recording.{module}.monotonic_ns", self.clock)
        self.asks("chat", model="mistral-small-latest")

    def asks(self, operation: str, *, chunk_times: bool = False, **fields: Any) -> None:
        request = Request(operation, {})
        for name, value in fields.items():
            setattr(request, name, value)
        self.clock.set(0.1)
        self.call = FakeCall(self.clock, request, chunk_times)
        self.recorder = ConversationRecorder(self.call)

    def receives(self, *arrivals: tuple[float, Event]) -> None:
        for seconds, event in arrivals:
            self.clock.set(seconds)
            self.recorder.see(event)
