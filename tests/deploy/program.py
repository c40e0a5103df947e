# SPDX-License-Identifier: Apache-2.0
"""A traced program: ``python -m tests.deploy.program EMULATOR_URL ENOUGH OUTPUT``.

It holds one conversation after the other until there is a file of the second name, exports as
``OTEL_*`` says, and appends to its output, a line of JSON each: every call (trace, start and
duration in ns), every export that was answered with success (the ids of its spans), and at the end
how many spans there were.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any

from mistralai.client import Mistral
from mistralai.client.models import WebSearchTool
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from opentelemetry.instrumentation.genai.mistralai import instrument
from tests.jaeger.program import ids

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL = "mistral-medium-latest"


class Diary:
    """The output: the test reads it while it is written."""

    def __init__(self, path: Path) -> None:
        """Opens it; each line is there as soon as it is written."""
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()

    def write(self, **entry: Any) -> None:
        """Appends a line."""
        with self._lock:
            self._file.write(f"{json.dumps(entry)}\n")


class Acknowledged(SpanExporter):
    """Exports to another exporter, and takes down what was acknowledged."""

    def __init__(self, exporter: SpanExporter, diary: Diary) -> None:
        """Takes the exporter, and where to take it down."""
        self._exporter = exporter
        self._diary = diary

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Exports them, with the other's result."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._diary.write(acknowledged=[ids(span) for span in spans], at=time_ns())
        return result

    def shutdown(self) -> None:
        """Ends the other."""
        self._exporter.shutdown()


class Count(SpanProcessor):
    """How many spans have ended."""

    ended = 0

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 -- OpenTelemetry's signature
        """One more."""
        self.ended += 1


def main() -> None:
    """Holds the conversations, then waits for the last export."""
    url, enough, output = sys.argv[1:]
    diary, count = Diary(Path(output)), Count()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Acknowledged(OTLPSpanExporter(), diary)))
    provider.add_span_processor(count)
    meter_provider = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
    instrument(tracer_provider=provider, meter_provider=meter_provider)
    tracer = provider.get_tracer("program")
    with Mistral(api_key="none", server_url=url) as client:
        while not Path(enough).exists():
            at, began = time_ns(), monotonic_ns()
            with tracer.start_as_current_span("request") as span:
                stream = client.beta.conversations.start_stream(
                    model=MODEL, inputs="Question", tools=[WebSearchTool()]
                )
                answer = list(stream)
            took = monotonic_ns() - began
            assert answer[-1].data.type == "conversation.response.done"
            diary.write(trace=ids(span)[0], at=at, took=took)
    meter_provider.shutdown()
    provider.shutdown()
    diary.write(ended=count.ended)


if __name__ == "__main__":
    main()
