# SPDX-License-Identifier: Apache-2.0
"""What a chat costs: a call of ``chat.complete``, an event of ``chat.stream``, and their floors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic_ns, perf_counter_ns, time_ns
from typing import Any

import httpx2
from mistralai.client import Mistral
from mistralai.client.chat import Chat
from mistralai.client.models.chatcompletionresponse import ChatCompletionResponse
from mistralai.client.models.completionevent import CompletionEvent
from mistralai.client.utils import eventstreaming
from opentelemetry.context import attach, detach
from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import SpanKind, TracerProvider, get_tracer
from opentelemetry.trace.propagation import set_span_in_context

from .stage import Stage, in_turns

_EVENTS = 2_000
_USAGE = {"prompt_tokens": 120, "completion_tokens": 80, "total_tokens": 200}
_ASKED: dict[str, Any] = {
    "model": "mistral-medium-latest",
    "messages": [{"role": "user", "content": "How warm is it?"}],
    "temperature": 0.3,
}


def _whole(**choice: Any) -> dict[str, Any]:
    told = {"id": "cmpl_1", "object": "chat.completion", "created": 1}
    return {**told, "model": _ASKED["model"], "choices": [{"index": 0, **choice}]}


class ChatStage:
    """The SDK's own class, whose methods answer with ready objects."""

    def __init__(self) -> None:
        self.chat = Mistral(api_key="none", server_url="http://127.0.0.1:1").chat
        message = {"role": "assistant", "content": "Warm."}
        answer = {**_whole(message=message, finish_reason="stop"), "usage": _USAGE}
        self.answer = ChatCompletionResponse.model_validate(answer)
        delta = {"data": _whole(delta={"content": "word "}, finish_reason=None)}
        last = {"data": {**_whole(delta={"content": ""}, finish_reason="stop"), "usage": _USAGE}}
        piece = CompletionEvent.model_validate(delta)
        self._events = [piece] * _EVENTS + [CompletionEvent.model_validate(last)]
        self._response = httpx2.Response(200)
        patched: Any = Chat
        patched.complete, patched.stream = self._methods()

    def _methods(self) -> tuple[Any, Any]:
        def complete(_chat: Any, **_asked: Any) -> Any:
            return self.answer

        def stream(_chat: Any, **_asked: Any) -> Any:
            return self.bare_stream()

        return complete, stream

    def bare_stream(self) -> Any:
        """A stream of the SDK, past every wrapper."""
        kind: Any = eventstreaming.EventStream
        stream = kind(self._response, None, client_ref=self.chat)
        stream.generator = iter(self._events)
        return stream


class ChatFloor:
    """Hand-written telemetry of one chat."""

    def __init__(self, tracer_provider: TracerProvider, meter_provider: MeterProvider) -> None:
        meter = get_meter("floor", "0", meter_provider)
        self._tracer = get_tracer("floor", "0", tracer_provider)
        self._input = meter.create_counter("floor.chat.input")
        self._output = meter.create_counter("floor.chat.output")
        self._tokens = meter.create_histogram("floor.chat.tokens")
        self._duration = meter.create_histogram("floor.chat.duration")

    def complete(self, call: Callable[[], Any]) -> Any:
        """Calls ``call`` under a span."""
        started = time_ns()
        attributes: dict[str, str | float] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "mistral_ai",
            "gen_ai.request.temperature": 0.3,
            "gen_ai.request.model": "mistral-medium-latest",
            "server.address": "127.0.0.1",
            "server.port": 1,
        }
        span = self._tracer.start_span(
            "chat", kind=SpanKind.CLIENT, attributes=attributes, start_time=started
        )
        context = set_span_in_context(span)
        token = attach(context)
        try:
            answer = call()
        finally:
            detach(token)
        usage = answer.usage
        span.set_attributes({
            "gen_ai.response.id": answer.id,
            "gen_ai.response.model": answer.model,
            "gen_ai.response.finish_reasons": [choice.finish_reason for choice in answer.choices],
            "gen_ai.usage.input_tokens": usage.prompt_tokens,
            "gen_ai.usage.output_tokens": usage.completion_tokens,
            "mistral_ai.usage.total_tokens": usage.total_tokens,
        })  # fmt: skip
        common = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "mistral_ai",
            "gen_ai.request.model": "mistral-medium-latest",
            "gen_ai.response.model": answer.model,
            "server.address": "127.0.0.1",
            "server.port": 1,
        }
        counted = {**common, "gen_ai.token.modality": "unknown"}
        sent, said = usage.prompt_tokens, usage.completion_tokens
        self._input.add(sent, counted, context)
        self._output.add(said, counted, context)
        self._tokens.record(sent, {**common, "gen_ai.token.type": "input"}, context)
        self._tokens.record(said, {**common, "gen_ai.token.type": "output"}, context)
        ended = time_ns()
        self._duration.record((ended - started) / 1e9, common, context)
        span.end(ended)
        return answer

    def watch(self, events: Any) -> Iterator[Any]:
        """Looks at each chunk for what a span of the stream would say."""
        first, arrived, model, reason, usage = 0, 0, None, None, None
        for event in events:
            chunk = event.data
            # The span ends at the last chunk's arrival, which only shows when no more comes.
            arrived = monotonic_ns()
            model = model or chunk.model
            for choice in chunk.choices:
                if choice.delta.content:
                    first = first or arrived
                reason = choice.finish_reason or reason
            usage = chunk.usage or usage
            yield event
        del first, arrived, model, reason, usage


def per_chat(stage: Stage, chat: ChatStage, floor: ChatFloor, rounds: int) -> dict[str, float]:
    """Microseconds that a call and an event cost more: ours, and by hand."""

    def timed(work: Callable[[], Any]) -> float:
        stage.run_sdk()
        began = perf_counter_ns()
        work()
        return (perf_counter_ns() - began) / 1e3

    def drained(stream: Any) -> float:
        began = perf_counter_ns()
        for _ in stream:
            pass
        return (perf_counter_ns() - began) / _EVENTS / 1e3

    def bare() -> Any:
        return chat.answer

    found: dict[str, float] = {}
    for name, (none, ours, hand) in (
        ("chat", in_turns(
            lambda: timed(bare),
            lambda: timed(lambda: chat.chat.complete(**_ASKED)),
            lambda: timed(lambda: floor.complete(bare)),
            rounds,
        )),
        ("chat_event", in_turns(
            lambda: drained(chat.bare_stream()),
            lambda: drained(chat.chat.stream(**_ASKED)),
            lambda: drained(floor.watch(chat.bare_stream())),
            max(rounds // 5, 6),
        )),
    ):  # fmt: skip
        found |= {f"{name}_us": ours - none, f"{name}_ratio": (ours - none) / (hand - none)}
    return found
