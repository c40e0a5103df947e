# SPDX-License-Identifier: Apache-2.0
"""The demo's providers: into memory, to be drawn, and to an OTLP endpoint if there is one."""

from __future__ import annotations

import os
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricReader,
    NumberDataPoint,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Providers:
    """A tracer and a meter provider, and what they have recorded."""

    def __init__(self) -> None:
        resource = Resource.create({"service.name": "mistral-quickstart"})
        self.endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider(resource=resource)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        readers: list[MetricReader] = [self._reader]
        if self.endpoint:
            self.tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
            # Jaeger takes spans only; elsewhere metrics go to their own endpoint.
            if os.environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"):
                readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
        self.meter_provider = MeterProvider(readers, resource=resource)

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

    def shutdown(self) -> None:
        """Sends what is left."""
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()
