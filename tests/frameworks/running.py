# SPDX-License-Identifier: Apache-2.0
"""Runs a program of a framework, with us or without us, and tells what was seen and recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, SamplingResult

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import names as s
from tests.support import sdk
from tests.support.recording import wait_until

OURS: Final = "opentelemetry.instrumentation.genai.mistralai"
MODEL: Final = "mistral-small-latest"
OTHER_MODEL: Final = "mistral-large-latest"
INFERENCES: Final = ("chat", "text_completion", "generate_content", "embeddings")
SHARED: Final = (s.METRIC_TOKEN_USAGE, s.METRIC_DURATION, s.METRIC_FIRST_CHUNK)
_VOLATILE: Final = (
    (re.compile(r"127\.0\.0\.1:\d+"), "HOST"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"0x[0-9a-f]{6,}"), "ADDRESS"),
    (re.compile(r"created=\d+"), "CREATED"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"), "DATE"),
)

Program = Callable[[str], Any]


class _Switched(Sampler):
    """A sampler that tests switch: frameworks keep the tracers of the first provider they see."""

    current: Sampler = ALWAYS_ON

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        return self.current.should_sample(*args, **kwargs)

    def get_description(self) -> str:
        return "switched"


class Providers:
    """The process's global providers, recording into memory."""

    def __init__(self, views: Sequence[View] = ()) -> None:
        delta = dict.fromkeys((Counter, Histogram, UpDownCounter), AggregationTemporality.DELTA)
        self._reader = InMemoryMetricReader(preferred_temporality=delta)  # type: ignore[arg-type]
        self._exporter = InMemorySpanExporter()
        self.sampler = _Switched()
        self.tracer_provider = TracerProvider(sampler=self.sampler, shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meter_provider = MeterProvider([self._reader], views=views, shutdown_on_exit=False)

    def set_globally(self) -> None:
        """Makes them the providers of everybody who asks for none in particular."""
        trace.set_tracer_provider(self.tracer_provider)
        metrics.set_meter_provider(self.meter_provider)

    def forget(self) -> None:
        """Begins a run."""
        self._exporter.clear()
        self._reader.get_metrics_data()

    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended in this run."""
        return list(self._exporter.get_finished_spans())

    def points(self) -> list[Point]:
        """What was measured in this run; forgets it."""
        data: Any = self._reader.get_metrics_data()
        return [
            Point(scope.scope.name, metric.name, dict(point.attributes or {}), point)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        ]


@dataclass
class Point:
    """One point of one series."""

    scope: str
    name: str
    attributes: dict[str, Any]
    data: Any

    @property
    def count(self) -> int:
        """How often it was recorded; of a counter, its sum."""
        return int(self.data.count if hasattr(self.data, "count") else self.data.value)

    @property
    def total(self) -> float:
        """The sum of what was recorded."""
        return float(self.data.sum if hasattr(self.data, "sum") else self.data.value)


@dataclass
class Ran:
    """What a run has left behind."""

    result: Any
    requests: int
    spans: list[ReadableSpan]
    points: list[Point] = field(default_factory=list[Point])

    def of(self, scope: str) -> list[ReadableSpan]:
        """The spans of one library."""
        return [span for span in self.spans if scope_of(span) == scope]

    def ours(self) -> list[ReadableSpan]:
        """Our own spans."""
        return self.of(OURS)

    def inferences(self) -> list[ReadableSpan]:
        """All spans that say that they are a request to a model."""
        return [span for span in self.spans if attribute(span, s.OPERATION_NAME) in INFERENCES]

    def counts(self, name: str, tokens: str | None = None) -> int:
        """How often a metric, or one type of tokens, was recorded by anybody."""
        return sum(point.count for point in self._of(name, tokens))

    def total(self, name: str, tokens: str | None = None) -> float:
        """The sum of what was recorded under a name by anybody."""
        return sum(point.total for point in self._of(name, tokens))

    def scopes(self, name: str) -> set[str]:
        """Who has recorded a metric."""
        return {point.scope for point in self._of(name)}

    def _of(self, name: str, tokens: str | None = None) -> Iterator[Point]:
        for point in self.points:
            kind = point.attributes.get(s.TOKEN_TYPE)
            if point.name == name and tokens in (None, kind):
                yield point

    def tree(self, *scopes: str) -> list[tuple[str, str | None]]:
        """Names of spans with those of their parents, in a stable order."""
        names = {span.context.span_id: span.name for span in self.spans if span.context}
        return sorted(
            (span.name, names.get(span.parent.span_id, "unknown") if span.parent else None)
            for span in self.spans
            if scope_of(span) not in scopes
        )


def scope_of(span: ReadableSpan) -> str:
    """The library that started a span."""
    return span.instrumentation_scope.name if span.instrumentation_scope else ""


def attribute(span: ReadableSpan, key: str) -> Any:
    """An attribute of a span."""
    return (span.attributes or {}).get(key)


def parent_of(span: ReadableSpan, ran: Ran) -> ReadableSpan | None:
    """The span around a span."""
    if span.parent is None:
        return None
    (found,) = (
        other
        for other in ran.spans
        if other.context is not None and other.context.span_id == span.parent.span_id
    )
    return found


class Runner:
    """Runs programs against one emulator."""

    def __init__(self, emulator: Emulator, providers: Providers) -> None:
        self.emulator = emulator
        self.providers = providers

    def bare(self, program: Program) -> Ran:
        """Runs a program without us."""
        return self._run(program)

    def with_us(self, program: Program, **options: Any) -> Ran:
        """Runs it instrumented."""
        instrument(
            tracer_provider=self.providers.tracer_provider,
            meter_provider=self.providers.meter_provider,
            **options,
        )
        try:
            return self._run(program)
        finally:
            uninstrument()

    @contextmanager
    def sampled_out(self) -> Generator[None]:
        """Records no span meanwhile."""
        self.providers.sampler.current = ALWAYS_OFF
        try:
            yield
        finally:
            self.providers.sampler.current = ALWAYS_ON

    def _run(self, program: Program) -> Ran:
        self.emulator.clear()
        self.providers.forget()
        try:
            result: Any = ("returned", stable(program(self.emulator.url)))
        except Exception as exc:  # noqa: BLE001 -- it is part of what the caller sees
            result = ("raised", *chain(exc))
        wait_until(_none_open)
        return Ran(
            result, len(self.emulator.requests), self.providers.spans(), self.providers.points()
        )


def _none_open() -> bool:
    from opentelemetry.instrumentation.genai.mistralai._otel.open_calls import open_calls

    return not open_calls.any()


def chain(exc: BaseException | None) -> list[tuple[str, str]]:
    """An exception and those that it came from."""
    found: list[tuple[str, str]] = []
    while exc is not None and len(found) < 10:
        found.append((type(exc).__qualname__, stable(str(exc))))
        exc = exc.__cause__ or exc.__context__
    return found


def stable(value: Any) -> Any:
    """A result as one that equals that of another run."""
    text = value if isinstance(value, str) else repr(value)
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return text


def http(url: str, scenario: str | None = None) -> dict[str, Any]:
    """Arguments of the SDK's client: where the emulator is, and what it is to answer."""
    headers = {"x-emulator-scenario": scenario} if scenario else {}
    made = {"headers": headers, "verify": False, "trust_env": False, "follow_redirects": True}
    return {
        "server_url": url,
        "client": sdk.httpx.Client(**made),
        "async_client": sdk.httpx.AsyncClient(**made),
    }


def client(url: str, scenario: str | None = None) -> Any:
    """A client of the SDK's own."""
    return sdk.Mistral(api_key="key", **http(url, scenario))


async def asks_besides(url: str) -> list[Any]:
    """What a user asks in the loop that reads a framework's stream: a chat and a conversation."""
    own, asked = client(url), [{"role": "user", "content": "Mine?"}]
    answer = await own.chat.complete_async(model=MODEL, messages=asked)
    stream = await own.beta.conversations.start_stream_async(model=MODEL, inputs="Mine?")
    return [answer.choices[0].message.content, len([event async for event in stream])]
