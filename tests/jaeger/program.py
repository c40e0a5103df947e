# SPDX-License-Identifier: Apache-2.0
"""An instrumented program: it holds conversations, and exports to Jaeger and to memory."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mistralai.extra.run.context import RunContext
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span, SpanKind, format_span_id, format_trace_id

from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument

try:
    from mistralai.client import Mistral
except ImportError:  # mistralai 1.x
    from mistralai import Mistral  # type: ignore[attr-defined, no-redef]

if TYPE_CHECKING:
    from collections.abc import Generator

    from emulator import Emulator
    from tests.jaeger.server import Jaeger


def get_weather(city: str) -> str:
    """Tells the weather.

    Args:
        city: where.
    """
    return f"22 degrees in {city}"


class Program:
    """What happens in it: callers' spans, and conversations inside them."""

    def __init__(
        self, jaeger: Jaeger, emulator: Emulator, provider: TracerProvider, *, is_async: bool
    ) -> None:
        """Sends spans to Jaeger under a service name of its own, so that searches find only them.

        Args:
            jaeger: where spans go.
            emulator: whom it converses with.
            provider: with the service's name, and nothing else yet.
            is_async: whether it uses the SDK's async methods.
        """
        self.service = str(provider.resource.attributes["service.name"])
        self.server_port = urlsplit(emulator.url).port
        self.tracer = provider.get_tracer("caller")
        self._jaeger = jaeger
        self._server_url = emulator.url
        self._is_async = is_async
        self._provider = provider
        self._memory = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self._memory))
        exporter = OTLPSpanExporter(endpoint=f"{jaeger.otlp_url}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))

    @contextmanager
    def caller(self) -> Generator[Span]:
        """What goes on in the block is done for a caller with a span."""
        with self.tracer.start_as_current_span("caller") as span:
            yield span

    def converse(
        self,
        turn: str,
        scenario: str,
        *,
        clock_offset: float = 0,
        leave_after: int | None = None,
        **arguments: Any,
    ) -> list[Any]:
        """Takes one turn of a conversation and returns the events that the caller got.

        Args:
            turn: ``start``, ``append`` or ``restart``.
            scenario: the emulator's answer.
            clock_offset: seconds that the server's clock is ahead.
            leave_after: how many events are read before the ``with`` block is left; None: all.
            arguments: of the SDK's method.
        """
        arguments["http_headers"] = {
            "x-emulator-scenario": scenario,
            "x-emulator-clock-offset": str(clock_offset),
        }
        if self._is_async:
            return asyncio.run(self._converse_async(turn, leave_after, arguments))
        with self._client() as client:
            method = getattr(client.beta.conversations, f"{turn}_stream")
            with method(**arguments) as stream:
                return list(islice(stream, leave_after))

    async def _converse_async(
        self, turn: str, leave_after: int | None, arguments: dict[str, Any]
    ) -> list[Any]:
        events: list[Any] = []
        async with self._client() as client:
            method = getattr(client.beta.conversations, f"{turn}_stream_async")
            async with await method(**arguments) as stream:
                iterator = aiter(stream)
                while len(events) != leave_after:
                    try:
                        events.append(await anext(iterator))
                    except StopAsyncIteration:
                        break
        return events

    async def loop(self, scenario: str) -> Any:
        """Runs an agent loop with a local function."""
        client: Any = self._client()
        headers = {"x-emulator-scenario": scenario}
        async with client, RunContext(model="mistral-medium-latest") as context:
            context.register_func(get_weather)  # pyright: ignore[reportUnknownMemberType] -- the SDK's
            return await client.beta.conversations.run_async(
                run_ctx=context, inputs="How warm is it?", http_headers=headers
            )

    def _client(self) -> Any:
        # Its type is known to one SDK line only. The emulator counts attempts by key.
        return Mistral(api_key=uuid.uuid4().hex, server_url=self._server_url)  # pyright: ignore[reportUnknownVariableType]

    def spans(self) -> list[ReadableSpan]:
        """The ended spans in the order of their ends; Jaeger has been sent them, too."""
        assert self._provider.force_flush()
        return list(self._memory.get_finished_spans())

    def client_spans(self) -> list[ReadableSpan]:
        """Those of the requests to the API."""
        return [span for span in self.spans() if span.kind is SpanKind.CLIENT]

    def trace(self, trace_id: str) -> dict[str, Any]:
        """A trace as Jaeger shows it: just the spans that were exported."""
        exported = {ids(span)[1] for span in self.spans() if ids(span)[0] == trace_id}
        trace = self._jaeger.trace(trace_id, spans=len(exported))
        assert sorted(span["spanID"] for span in trace["spans"]) == sorted(exported)
        return trace

    def shown(self, span: ReadableSpan) -> dict[str, Any]:
        """A span as Jaeger shows it, its tags and the fields of its logs by key."""
        trace_id, span_id = ids(span)
        [found] = [each for each in self.trace(trace_id)["spans"] if each["spanID"] == span_id]
        logs = [{**log, "fields": _by_key(log["fields"])} for log in found["logs"]]
        return {**found, "tags": _by_key(found["tags"]), "logs": logs}

    def warnings(self, trace_id: str) -> list[list[str]]:
        """Whatever Jaeger complains about, in a trace or in any of its spans."""
        trace = self.trace(trace_id)
        return [each["warnings"] for each in (trace, *trace["spans"]) if each["warnings"]]


def ids(span: ReadableSpan | Span) -> tuple[str, str]:
    """Trace id and span id in hexadecimal, as Jaeger spells them."""
    context = span.get_span_context()
    assert context is not None
    return format_trace_id(context.trace_id), format_span_id(context.span_id)


def _by_key(tags: list[dict[str, Any]]) -> dict[str, tuple[str, Any]]:
    keyed = {tag["key"]: (tag["type"], tag["value"]) for tag in tags}
    assert len(keyed) == len(tags), f"a key twice: {tags}"
    return keyed


@contextmanager
def run_program(jaeger: Jaeger, emulator: Emulator, *, is_async: bool) -> Generator[Program]:
    """Runs an instrumented program until the block is left."""
    resource = Resource({"service.name": f"program-{uuid.uuid4().hex}"})
    tracer_provider, meter_provider = TracerProvider(resource=resource), MeterProvider()
    program = Program(jaeger, emulator, tracer_provider, is_async=is_async)
    instrument(tracer_provider=tracer_provider, meter_provider=meter_provider)
    try:
        yield program
    finally:
        uninstrument()
        tracer_provider.shutdown()
        meter_provider.shutdown()
