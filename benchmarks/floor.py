# SPDX-License-Identifier: Apache-2.0
"""The floor: what the same telemetry costs when it is written by hand for one call.

No wrapper, no table, no error handling, no way to leave early: one span with as many attributes,
two counters, four histogram recordings, the server's time on our clock, and a look at each event's
type.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from time import monotonic_ns, time_ns
from typing import Any

from opentelemetry.context import Context, attach, detach
from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import SpanKind, TracerProvider, get_tracer
from opentelemetry.trace.propagation import set_span_in_context


class Floor:
    """Hand-written telemetry for one conversation at a time."""

    def __init__(
        self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None
    ) -> None:
        meter = get_meter("floor", "0", meter_provider)
        self._tracer = get_tracer("floor", "0", tracer_provider)
        self._input = meter.create_counter("floor.input")
        self._output = meter.create_counter("floor.output")
        self._tokens = meter.create_histogram("floor.tokens")
        self._first = meter.create_histogram("floor.first_chunk")
        self._duration = meter.create_histogram("floor.duration")
        self._tool = meter.create_histogram("floor.tool")

    def observe(self, start: Any) -> Any:
        """Calls ``start`` under a span, and puts a generator of its own into the stream."""
        started, ticks = time_ns(), monotonic_ns()
        attributes: dict[str, str | float | bool] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "mistral_ai",
            "gen_ai.request.temperature": 0.3,
            "gen_ai.request.max_tokens": 200,
            "gen_ai.request.model": "mistral-medium-latest",
            "server.address": "127.0.0.1",
            "server.port": 1,
            "gen_ai.request.stream": True,
        }
        span = self._tracer.start_span(
            "chat mistral-medium-latest",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=started,
        )
        token = attach(set_span_in_context(span))
        try:
            stream = start()
        finally:
            detach(token)
        stream.generator = self._watch(stream.generator, span, started, ticks)
        return stream

    def _watch(self, events: Any, span: Any, started: int, ticks: int) -> Iterator[Any]:
        conversation_id, first, model, response_id, shift = None, 0, None, None, 0
        for event in events:
            kind = event.event
            if kind == "message.output.delta":
                if not first:
                    first, model, response_id = monotonic_ns(), event.data.model, event.data.id
            elif kind == "conversation.response.started":
                conversation_id = event.data.conversation_id
                shift = time_ns() - nanoseconds(event.data.created_at)
            elif kind == "conversation.response.done":
                first_chunk = (first - ticks) / 1e9
                self._end(span, event.data, started, first_chunk, conversation_id, model,
                          response_id, shift)  # fmt: skip
            yield event

    def observe_tools(self, start: Any) -> Any:
        """Calls ``start``, and puts a generator into the stream that makes a span of each tool."""
        stream = start()
        stream.generator = self._watch_tools(stream.generator)
        return stream

    def _watch_tools(self, events: Any) -> Iterator[Any]:
        begun: dict[str, int] = {}
        span = self._tracer.start_span("chat", kind=SpanKind.CLIENT)
        parent = set_span_in_context(span)
        for event in events:
            kind = event.event
            if kind == "tool.execution.started":
                begun[event.data.id] = time_ns()
            elif kind == "tool.execution.done":
                self._tool_span(event.data, begun.pop(event.data.id), parent)
            yield event
        span.end()

    def _tool_span(self, done: Any, started: int, parent: Context) -> None:
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.conversation.id": "conv_1",
            "gen_ai.tool.type": "extension",
            "gen_ai.tool.name": done.name,
            "gen_ai.tool.call.id": done.id,
        }
        span = self._tracer.start_span(
            f"execute_tool {done.name}", parent, attributes=attributes, start_time=started
        )
        ended = time_ns()
        measured = {"gen_ai.tool.name": done.name, "gen_ai.tool.type": "extension"}
        self._tool.record((ended - started) / 1e9, measured, set_span_in_context(span))
        span.end(ended)

    def _end(self, span: Any, done: Any, started: int, first_chunk: float, conversation_id: Any,
             model: Any, response_id: Any, shift: int) -> None:  # fmt: skip
        usage, created = done.usage, done.created_at
        span.set_attributes({
            "gen_ai.conversation.id": conversation_id,
            "gen_ai.response.id": response_id,
            "gen_ai.response.model": model,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.response.time_to_first_chunk": first_chunk,
            "mistral_ai.response.created_at": created.isoformat(),
            "mistral_ai.clock.shift_ms": shift / 1e6,
            "mistral_ai.stream.outcome": "completed",
            "gen_ai.usage.input_tokens": usage.prompt_tokens,
            "gen_ai.usage.output_tokens": usage.completion_tokens,
            "mistral_ai.usage.total_tokens": usage.total_tokens,
            "gen_ai.operation.name": "chat",
        })  # fmt: skip
        context = set_span_in_context(span)
        common = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "mistral_ai",
            "gen_ai.request.model": "mistral-medium-latest",
            "gen_ai.response.model": model,
            "server.address": "127.0.0.1",
            "server.port": 1,
        }
        counted = {**common, "gen_ai.token.modality": "unknown"}
        self._input.add(usage.prompt_tokens, counted, context)
        self._output.add(usage.completion_tokens, counted, context)
        self._tokens.record(usage.prompt_tokens, {**common, "gen_ai.token.type": "input"}, context)
        self._tokens.record(
            usage.completion_tokens, {**common, "gen_ai.token.type": "output"}, context
        )
        self._first.record(first_chunk, common, context)
        ended = min(nanoseconds(created) + shift, time_ns())
        self._duration.record(
            (ended - started) / 1e9, {**common, "mistral_ai.stream.outcome": "completed"}, context
        )
        span.end(ended)


def nanoseconds(moment: datetime) -> int:
    """A moment in ns since the epoch."""
    return round(moment.timestamp() * 1e6) * 1000
