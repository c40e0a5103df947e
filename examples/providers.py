# SPDX-License-Identifier: Apache-2.0
"""The demo's providers: into memory, to be drawn, and to an OTLP endpoint if there is one."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExportResult,
    MetricReader,
    MetricsData,
    NumberDataPoint,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

_OTLP = "OTEL_EXPORTER_OTLP_ENDPOINT"
_OTLP_SPANS = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_OTLP_METRICS = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
# Where exporters tell about batches that nobody took: the demo says it in one line instead.
_TELLING = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")


class _Spans(OTLPSpanExporter):
    """Knows how many batches it was given, and how many of them were taken."""

    given = taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.given += 1
        result = super().export(spans)
        self.taken += result is SpanExportResult.SUCCESS
        return result


class _Metrics(OTLPMetricExporter):
    """The same for metrics."""

    given = taken = 0

    def export(self, metrics_data: MetricsData, *arguments: Any, **more: Any) -> MetricExportResult:
        self.given += 1
        result = super().export(metrics_data, *arguments, **more)  # pyright: ignore[reportUnknownMemberType] -- its own
        self.taken += result is MetricExportResult.SUCCESS
        return result


class Providers:
    """A tracer and a meter provider, and what they have recorded."""

    def __init__(self) -> None:
        resource = Resource.create({"service.name": "mistral-quickstart"})
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self._senders: dict[str, _Spans | _Metrics] = {}
        self.tracer_provider = TracerProvider(resource=resource)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        readers: list[MetricReader] = [self._reader]
        if endpoint := os.environ.get(_OTLP):
            endpoint = os.environ.get(_OTLP_SPANS) or endpoint
            self._senders[endpoint] = spans = _Spans()
            self.tracer_provider.add_span_processor(BatchSpanProcessor(spans))
            # Jaeger takes spans only; elsewhere metrics go to their own endpoint.
            if metrics_endpoint := os.environ.get(_OTLP_METRICS):
                self._senders[metrics_endpoint] = metrics = _Metrics()
                readers.append(PeriodicExportingMetricReader(metrics))
            for name in _TELLING:
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self.meter_provider = MeterProvider(readers, resource=resource)

    @property
    def endpoints(self) -> list[str]:
        """Where it is all sent."""
        return list(self._senders)

    def finished_spans(self) -> Sequence[ReadableSpan]:
        """The spans so far."""
        return self._spans.get_finished_spans()

    def counters(self) -> dict[str, int | float]:
        """Each counter's sum over all its attributes."""
        data = self._reader.get_metrics_data()
        sums: dict[str, int | float] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        if isinstance(point, NumberDataPoint):
                            sums[metric.name] = sums.get(metric.name, 0) + point.value
        return sums

    def shutdown(self) -> list[str]:
        """Sends what is left; waits 10 s (``OTEL_EXPORTER_OTLP_TIMEOUT``) where nobody takes it.

        Returns:
            The endpoints that did not take all that they were given.
        """
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()
        return [url for url, sender in self._senders.items() if sender.taken != sender.given]


def why_no_span(provider: TracerProvider) -> str:
    """The reason that the environment gives for there being no span.

    Args:
        provider: the one that has recorded none.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return "OTEL_SDK_DISABLED=true switches OpenTelemetry off"
    sampler = provider.sampler.get_description()
    if name := os.environ.get("OTEL_TRACES_SAMPLER"):
        share = os.environ.get("OTEL_TRACES_SAMPLER_ARG")
        argument = f" and OTEL_TRACES_SAMPLER_ARG={share}" if share else ""
        return f"OTEL_TRACES_SAMPLER={name}{argument} leaves every trace out ({sampler})"
    return f"the sampler is {sampler}; was anything asked?"
