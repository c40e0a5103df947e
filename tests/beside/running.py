# SPDX-License-Identifier: Apache-2.0
"""Runs a usage with one instrumentation, or with two, and tells what was seen and recorded."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.beside.other import OTHER
from tests.beside.plain import plain_metrics, plain_span
from tests.support import sdk
from tests.support.completion_usages import stable as without_times
from tests.support.observing import Seen, observe
from tests.support.observing import stable as without_addresses
from tests.support.recording import Recording, wait_until

OURS: Final = "opentelemetry.instrumentation.genai.mistralai"
THEIRS: Final = OTHER.module
ORDERS: Final = {"they come first": (THEIRS, OURS), "we come first": (OURS, THEIRS)}


class Spans(SpanProcessor):
    """All spans that were started; those that never end too."""

    def __init__(self) -> None:
        self.started: list[ReadableSpan] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 -- interface
        """Keeps the span itself, which knows whether it has ended."""
        self.started.append(span)

    def of(self, scope: str) -> list[ReadableSpan]:
        """Those of one library."""
        return [span for span in self.started if scope_of(span) == scope]


def scope_of(span: ReadableSpan) -> str:
    """The library that started a span."""
    return span.instrumentation_scope.name if span.instrumentation_scope else ""


@dataclass
class Ran:
    """What was seen of a usage, by its author, by us and by the other library."""

    seen: Seen
    logged: list[tuple[str, str]]
    spans: Spans
    metrics: Any

    def caller(self) -> Any:
        """What the author of the program can see."""
        return {**without_times(vars(self.seen)), "logged": self.logged}

    def told(self, scope: str) -> Any:
        """All spans of one library."""
        return sorted((plain_span(span) for span in self.spans.of(scope)), key=repr)

    def parents(self, scope: str) -> set[str | None]:
        """Whose spans the parents of one library's spans are."""
        ids = {span.context.span_id: scope_of(span) for span in self.spans.started if span.context}
        return {
            ids.get(span.parent.span_id, "unknown") if span.parent else None
            for span in self.spans.of(scope)
        }


class Switches:
    """Both libraries, recording into the same provider, to be switched on in any order."""

    def __init__(self) -> None:
        self.recording = Recording()
        self.spans = Spans()
        self.recording.tracer_provider.add_span_processor(self.spans)

    def on(self, scope: str) -> None:
        """Switches one on."""
        if scope == OURS:
            instrument(**self.recording.providers)
        else:
            OTHER.instrument(self.recording.tracer_provider)

    def off(self, scope: str) -> None:
        """Switches one off."""
        if scope == OURS:
            uninstrument()
        else:
            OTHER.uninstrument()

    def run(self, usage: Callable[[Any], Any], emulator: Emulator) -> Ran:
        """Runs a usage, and forgets the spans of earlier ones."""
        self.spans.started.clear()
        with caught_log_records() as logged:
            seen = observe(usage, emulator)
            # Dropped streams are ended by a thread. The other library may never end some.
            wait_until(lambda: all(span.end_time for span in self.spans.of(OURS)))
        spans = Spans()
        spans.started = list(self.spans.started)
        return Ran(seen, logged, spans, plain_metrics(self.recording.metrics()))


def run(usage: Callable[[Any], Any], emulator: Emulator, order: Sequence[str]) -> Ran:
    """Runs a usage with these libraries, switched on in this order."""
    with the_sdk_as_it_was():
        switches = Switches()
        for scope in order:
            switches.on(scope)
        try:
            return switches.run(usage, emulator)
        finally:
            for scope in reversed(order):
                switches.off(scope)


@contextmanager
def the_sdk_as_it_was() -> Generator[None, None, None]:
    """Takes out what a library has left in the SDK: it would lie beneath all that comes later."""
    before: dict[Any, dict[str, Any]] = {cls: {**cls.__dict__} for cls in _classes()}
    yield
    for cls, attributes in before.items():
        for name, value in attributes.items():
            if vars(cls)[name] is not value:
                setattr(cls, name, value)


def _classes() -> list[Any]:
    """Each class that the other library touches."""
    methods = [method.partition(".")[0] for method in OTHER.methods]
    return [
        getattr(importlib.import_module(f"{sdk.ROOT}.{name}"), name.capitalize())
        for name in dict.fromkeys(methods)
    ]


@contextmanager
def caught_log_records() -> Generator[list[tuple[str, str]], None, None]:
    """All that is logged as a warning or worse: by whom and what."""
    seen: list[tuple[str, str]] = []

    class _Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((record.name, without_times(without_addresses(record.getMessage()))))

    handler = _Keep(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield seen
    finally:
        logging.getLogger().removeHandler(handler)
