# SPDX-License-Identifier: Apache-2.0
"""Bytes of a conversation on the wire, as the batch processors and exporters of the SDK send it."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from mistralai.client import Mistral
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from benchmarks.receiver import Received, receiving
from emulator import serve
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument

MODEL: Final = "mistral-medium-latest"
CONTENT: Final = ("no_content", "span_only", "event_only")
# Spans leave when a batch is full or at the end, never because of the time that has passed.
_NEVER: Final = 3_600_000
_BATCH: Final = 512
_AT_A_TIME: Final = 32


@dataclass(frozen=True)
class Shape:
    """A kind of conversation.

    Attributes:
        scenario: the emulator's.
        asked: arguments of ``start_stream``.
        spans: how many it has.
    """

    scenario: str
    asked: dict[str, Any]
    spans: int


SHAPES: Final = {
    "an answer": Shape("answer", {"model": MODEL}, 1),
    "with a tool": Shape("web_search", {"model": MODEL, "tools": [{"type": "web_search"}]}, 2),
    "three agents, two tools": Shape("handoff_chain", {"agent_id": "ag_triage"}, 7),
}


@dataclass(frozen=True)
class Measured:
    """Of one conversation, on average: bytes of HTTP bodies, headers not included.

    Attributes:
        spans_count: how many spans it is.
        spans: bytes of OTLP protobuf.
        spans_gzip: the same, compressed.
        logs: bytes of its log events; 0 without.
        batches: how many requests the spans came in.
    """

    spans_count: float
    spans: float
    spans_gzip: float
    logs: float
    batches: int


def measure(shape: str, content: str, conversations: int) -> Measured:
    """Holds conversations of a shape and counts what is sent.

    Args:
        shape: a key of ``SHAPES``.
        content: a value of ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT``.
        conversations: how many.
    """
    with ExitStack() as stack:
        received = stack.enter_context(receiving())
        url = stack.enter_context(serve()).url
        tracer_provider, logger_provider = _providers(received.url)
        instrument(
            tracer_provider=tracer_provider,
            logger_provider=logger_provider,
            meter_provider=MeterProvider(shutdown_on_exit=False),
            capture_content=content,
        )
        try:
            asyncio.run(_hold(url, SHAPES[shape], conversations))
        finally:
            uninstrument()
            # Sends what has not filled a batch.
            tracer_provider.shutdown()
            logger_provider.shutdown()
        return _measured(received, conversations)


def _providers(url: str) -> tuple[TracerProvider, LoggerProvider]:
    resource = Resource.create({"service.name": "assistant", "service.instance.id": "1"})
    tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for compression in (Compression.NoCompression, Compression.Gzip):
        exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", compression=compression)
        tracer_provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                max_queue_size=8 * _BATCH,
                max_export_batch_size=_BATCH,
                schedule_delay_millis=_NEVER,
            )
        )
    logger_provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    logger_provider.add_log_record_processor(
        BatchLogRecordProcessor(
            OTLPLogExporter(endpoint=f"{url}/v1/logs"),
            max_queue_size=8 * _BATCH,
            max_export_batch_size=_BATCH,
            schedule_delay_millis=_NEVER,
        )
    )
    return tracer_provider, logger_provider


async def _hold(url: str, shape: Shape, conversations: int) -> None:
    places = asyncio.Semaphore(_AT_A_TIME)
    # On a busy machine a connection is closed at its other end just when it is used again.
    headers = {"x-emulator-scenario": shape.scenario, "connection": "close"}
    async with Mistral(api_key="none", server_url=url) as client:

        async def one() -> None:
            async with places:
                stream = await client.beta.conversations.start_stream_async(
                    inputs="What do the semantic conventions say about streams?",
                    completion_args={"temperature": 0.3, "max_tokens": 400},
                    http_headers=headers,
                    **shape.asked,
                )
                async for _ in stream:
                    pass

        await asyncio.gather(*(one() for _ in range(conversations)))


def _measured(received: Received, conversations: int) -> Measured:
    spans = received.of("/v1/traces")
    counts = [_spans_in(body) for body in spans]
    assert max(counts) <= _BATCH
    return Measured(
        spans_count=sum(counts) / conversations,
        spans=sum(map(len, spans)) / conversations,
        spans_gzip=sum(map(len, received.of("/v1/traces", "gzip"))) / conversations,
        logs=sum(map(len, received.of("/v1/logs"))) / conversations,
        batches=len(spans),
    )


def _spans_in(body: bytes) -> int:
    request = ExportTraceServiceRequest.FromString(body)
    return sum(len(scope.spans) for each in request.resource_spans for scope in each.scope_spans)
