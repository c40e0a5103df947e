# SPDX-License-Identifier: Apache-2.0
"""What was recorded, as plain values that a test can write down whole; and how to wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, export
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class _Counting(SpanProcessor):
    def __init__(self) -> None:
        self.started = 0

    def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 -- interface
        self.started += 1


@dataclass
class Span:
    """One whole span; times are compared apart, since they differ from run to run."""

    name: str
    attributes: dict[str, Any]
    kind: str = "CLIENT"
    status: str = "UNSET"
    description: str | None = None
    parent: int | None = None
    events: list[str] = field(default_factory=list[str])


class Recording:
    """Providers with exporters in memory."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._count = _Counting()
        self.reader = InMemoryMetricReader()
        # Its name until 1.38, and since.
        names = ("InMemoryLogRecordExporter", "InMemoryLogExporter")
        self._logs: Any = next(getattr(export, name) for name in names if hasattr(export, name))()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(self._count)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider = MeterProvider([self.reader], shutdown_on_exit=False)
        self.logger_provider = LoggerProvider(shutdown_on_exit=False)
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self._logs))

    @property
    def providers(self) -> dict[str, Any]:
        """The arguments of `instrument`."""
        return {
            "tracer_provider": self.tracer_provider,
            "meter_provider": self.meter_provider,
            "logger_provider": self.logger_provider,
        }

    @property
    def started(self) -> int:
        """How many spans were started."""
        return self._count.started

    def finished(self) -> list[ReadableSpan]:
        """The spans that have ended."""
        return list(self._spans.get_finished_spans())

    def spans(self) -> list[ReadableSpan]:
        """All spans; waits for them, since dropped streams are ended by a thread."""
        wait_until(lambda: len(self.finished()) >= self.started)
        spans = self.finished()
        assert len(spans) == self.started, [span.name for span in spans]
        return spans

    async def settled(self) -> None:
        """Lets the event loop go on until all spans have ended: `spans` would hold it up."""
        await until(lambda: len(self.finished()) >= self.started)

    def the_span(self) -> ReadableSpan:
        """The only span."""
        spans = self.spans()
        assert len(spans) == 1, [span.name for span in spans]
        return spans[0]

    def span(self) -> Span:
        """The only span, as plain values."""
        return plain(self.the_span())

    def logs(self) -> list[LogRecord]:
        """The log records that were emitted."""
        return [data.log_record for data in self._logs.get_finished_logs()]

    def scopes_of_logs(self) -> list[Any]:
        """The scopes of the log records."""
        return [data.instrumentation_scope for data in self._logs.get_finished_logs()]

    def metrics(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """Each metric's points: attributes, and the sum (counters) or (count, sum)."""
        return {
            metric.name: [
                (dict(point.attributes or {}), _value(point)) for point in metric.data.data_points
            ]
            for metric in self._collected()
        }

    def names(self) -> dict[int, str]:
        """Names of finished spans by their ids."""
        return {
            span.context.span_id: span.name for span in self.finished() if span.context is not None
        }

    def exemplars(self) -> dict[str, set[str]]:
        """Of each metric, the names of the spans to which its exemplars lead."""
        names = self.names()
        return {
            metric.name: {
                names[exemplar.span_id]
                for point in metric.data.data_points
                for exemplar in point.exemplars
            }
            for metric in self._collected()
        }

    def _collected(self) -> Iterator[Any]:
        data = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                yield from scope.metrics


def plain(span: ReadableSpan) -> Span:
    """A span as plain values."""
    return Span(
        name=span.name,
        attributes={
            key: list(value) if isinstance(value, tuple) else value
            for key, value in (span.attributes or {}).items()
        },
        kind=span.kind.name,
        status=span.status.status_code.name,
        description=span.status.description,
        parent=span.parent.span_id if span.parent else None,
        events=[event.name for event in span.events],
    )


def _value(point: Any) -> Any:
    return point.value if hasattr(point, "value") else (point.count, point.sum)


# Only what never happens takes that long, on the busiest machine.
_DEADLINE_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.002
# For `put_forward`: longer than anything takes until then, shorter than the limit of HTTP clients.
PATIENCE: Final = 4.0


def wait_until(condition: Callable[[], bool], seconds: float = _DEADLINE_SECONDS) -> None:
    """Waits for what another thread does.

    Raises:
        AssertionError: it did not happen in time.
    """
    for _ in _in_vain(condition, seconds):
        time.sleep(_PAUSE_SECONDS)


async def until(condition: Callable[[], bool], seconds: float = _DEADLINE_SECONDS) -> None:
    """Waits for what another task or thread does, while the event loop goes on.

    Raises:
        AssertionError: it did not happen in time.
    """
    for _ in _in_vain(condition, seconds):
        await asyncio.sleep(_PAUSE_SECONDS)


def _in_vain(condition: Callable[[], bool], seconds: float) -> Iterator[None]:
    """An item for each time that the condition does not hold."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        yield


async def turns(count: int = 20) -> None:
    """Gives the event loop some turns: what asks no other thread or process is then done.

    It counts, and takes no time: a busy machine makes no difference. A dropped generator is closed
    in two turns, and in one more for each ``await`` of its closing.
    """
    for _ in range(count):
        await asyncio.sleep(0)


def let_time_pass() -> None:
    """Makes now later than before, by more than the tests forgive a clock.

    Not to wait for anything: a span that ends when its last event came must not end now, and
    without this both would be the same time.
    """
    time.sleep(0.02)


def put_forward(seconds: float) -> None:
    """Puts the running event loop's clock forward: what waits no longer than that is timed out.

    It happens where the caller is, not wherever a busy machine got to in a short time.
    """
    loop = asyncio.get_running_loop()
    now = loop.time
    vars(loop)["time"] = lambda: now() + seconds
