# SPDX-License-Identifier: Apache-2.0
"""The providers of a program: real exporters, to one receiver."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument

# Short, so that exports are under way whenever the program converses.
_INTERVAL_MS = 100
_BATCH = 512


class Side:
    """All three signals on their way to one receiver."""

    def __init__(self, service: str, endpoint: str, queue: int, timeout: float) -> None:
        """Starts exporting.

        Args:
            service: the resource's name.
            endpoint: base URL of a receiver of OTLP over HTTP.
            queue: spans, and log records, that are held for it.
            timeout: of each export, in seconds.
        """
        resource = Resource({"service.name": service})
        batch = min(queue, _BATCH)
        spans = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=timeout)
        logs = OTLPLogExporter(f"{endpoint}/v1/logs", timeout=timeout)
        metrics = OTLPMetricExporter(f"{endpoint}/v1/metrics", timeout=timeout)
        self._tracer_provider = TracerProvider(resource=resource)
        self._tracer_provider.add_span_processor(
            BatchSpanProcessor(spans, queue, _INTERVAL_MS, batch)
        )
        self._logger_provider = LoggerProvider(resource=resource)
        self._logger_provider.add_log_record_processor(
            BatchLogRecordProcessor(logs, _INTERVAL_MS, batch, max_queue_size=queue)
        )
        reader = PeriodicExportingMetricReader(metrics, export_interval_millis=_INTERVAL_MS)
        self._meter_provider = MeterProvider([reader], resource=resource)

    def switch_on(self) -> None:
        """Lets what is recorded from now on go this way."""
        instrument(
            tracer_provider=self._tracer_provider,
            meter_provider=self._meter_provider,
            logger_provider=self._logger_provider,
            capture_content="event_only",
        )


def switch_to(side: Side | None) -> None:
    """Instruments for a side, or not at all."""
    if side is None:
        uninstrument()
    else:
        side.switch_on()
