# SPDX-License-Identifier: Apache-2.0
"""A function for AWS Lambda, whose process is frozen whenever it is not asked anything.

``docs/lambda.md`` says why it looks like this. Its handler is ``examples.aws_lambda.handler``.
"""

from __future__ import annotations

import math
import os
from typing import Any

from mistralai.client import Mistral
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from opentelemetry.instrumentation.genai.mistralai import instrument

# Once for each process, not for each question.
tracer_provider = TracerProvider()
tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
# Never by itself: its thread does not run while the process is frozen.
reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=math.inf)
meter_provider = MeterProvider([reader])
instrument(tracer_provider=tracer_provider, meter_provider=meter_provider)
client = Mistral(
    api_key=os.environ["MISTRAL_API_KEY"], server_url=os.environ.get("MISTRAL_SERVER_URL")
)


def handler(event: dict[str, Any], context: object) -> str:
    """Answers a question.

    Args:
        event: has the question.
        context: Lambda's.
    """
    del context
    try:
        return answer(event["question"])
    finally:
        flush()


def answer(question: str) -> str:
    """What Mistral says."""
    start = client.beta.conversations.start_stream
    # Left by `with`, a stream has ended, whatever happens in it.
    with start(model="mistral-medium-latest", inputs=question) as stream:
        pieces = (
            event.data.content for event in stream if event.data.type == "message.output.delta"
        )
        return "".join(piece for piece in pieces if isinstance(piece, str))


def flush() -> None:
    """Returns when all that has ended is sent, or given up; it raises nothing."""
    tracer_provider.force_flush()
    meter_provider.force_flush()
