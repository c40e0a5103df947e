# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks [--json] [--rounds N]``: the numbers of docs/performance.md.

Variants are measured in alternating rounds of one run and compared by the medians of their
differences from the bare SDK in the same round; between two runs this machine may differ by half.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tracemalloc
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Final

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from opentelemetry.instrumentation.genai.mistralai import instrument

from .completions import ChatFloor, ChatStage, per_chat
from .floor import Floor
from .inside import content, per_tool
from .sessions import SessionStage, per_session_event
from .stage import ARGUMENTS, Stage, aiter_events, drained_in, events, in_turns
from .startup import import_time

_EVENTS: Final = 5_000

LIMITS: Final = {
    "event_sync_us": 0.25,
    "event_async_us": 0.4,
    "conversation_ratio": 1.4,
    "conversation_no_sdk_us": 45.0,
    "open_stream_kib": 4.0,
    "end_ms": 0.2,
    "import_ms": 50.0,
    "tool_ratio": 1.4,
    "chat_ratio": 1.4,
    "chat_event_ratio": 1.4,
    "session_event_us": 0.5,
    "content_event_us": 2.0,
    "content_end_ms": 3.0,
}


class _Nowhere(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        del spans
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


def _providers() -> dict[str, Any]:
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(BatchSpanProcessor(_Nowhere()))
    return {
        "tracer_provider": tracer_provider,
        "meter_provider": MeterProvider(metric_readers=[InMemoryMetricReader()]),
    }


def per_event(stage: Stage, rounds: int) -> dict[str, float]:
    """Microseconds that one more delta costs, sync and async, instrumented by the caller."""
    stage.script = events(_EVENTS)

    def drain(stream: Any) -> float:
        began = perf_counter_ns()
        for _ in stream:
            pass
        return (perf_counter_ns() - began) / _EVENTS / 1e3

    async def drain_async(*, bare: bool) -> float:
        stream = await stage.conversations.start_stream_async(**ARGUMENTS)
        if bare:
            # What is measured is the SDK's stream as it was before us.
            stream.generator = aiter_events(stage)
        began = perf_counter_ns()
        async for _ in stream:
            pass
        return (perf_counter_ns() - began) / _EVENTS / 1e3

    def step(name: str, bare: Callable[[], float], ours: Callable[[], float]) -> dict[str, float]:
        pairs = [(bare(), ours()) for _ in range(rounds)]
        return {
            f"{name}_bare": statistics.median(bare for bare, _ in pairs),
            name: statistics.median(ours - bare for bare, ours in pairs),
        }

    return step(
        "event_sync_us",
        lambda: drain(stage.bare()),
        lambda: drain(stage.instrumented()),
    ) | step(
        "event_async_us",
        lambda: asyncio.run(drain_async(bare=True)),
        lambda: asyncio.run(drain_async(bare=False)),
    )


def per_conversation(stage: Stage, floor: Floor, rounds: int) -> tuple[float, float]:
    """Microseconds that a conversation of 50 deltas costs more: ours, and the floor."""
    stage.script = events(50)

    def timed(start: Callable[[], Any]) -> float:
        stage.run_sdk()
        return drained_in(start)

    def by_hand() -> Any:
        return floor.observe(stage.bare)

    bare, ours, hand = in_turns(
        lambda: timed(stage.bare), lambda: timed(stage.instrumented), lambda: timed(by_hand), rounds
    )
    return ours - bare, hand - bare


def memory_and_end(stage: Stage) -> dict[str, float]:
    """KiB that an open stream holds after 10,000 deltas, and ms that its done event takes."""
    stage.script = events(10_000)

    def held(start: Callable[[], Any]) -> int:
        gc.collect()
        tracemalloc.start()
        stream = start()
        for _ in range(10_001):
            next(stream)
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        # Dropped, its span would be ended by a thread in the middle of the next measurement.
        next(stream)
        return size

    def end(start: Callable[[], Any]) -> float:
        stream = start()
        for _ in range(10_001):
            next(stream)
        began = perf_counter_ns()
        next(stream)
        return (perf_counter_ns() - began) / 1e6

    held(stage.instrumented)
    # The exporter's thread may come in between.
    held_more = [held(stage.instrumented) - held(stage.bare) for _ in range(5)]
    return {
        "open_stream_kib": statistics.median(held_more) / 1024,
        "end_ms": statistics.median(end(stage.instrumented) for _ in range(15)),
    }


def main() -> int:
    """Measures everything, prints it, and returns 1 when a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    stage, chat, sessions, providers = Stage(), ChatStage(), SessionStage(), _providers()
    instrument()
    bare_ours, bare_floor = per_conversation(stage, Floor(None, None), options.rounds * 8)
    instrument(**providers)
    ours, floor = per_conversation(stage, Floor(**providers), options.rounds * 8)
    results = per_event(stage, options.rounds)
    results |= {
        "conversation_us": ours,
        "conversation_floor_us": floor,
        "conversation_ratio": ours / floor,
        "conversation_no_sdk_us": bare_ours,
        "conversation_no_sdk_floor_us": bare_floor,
        **memory_and_end(stage),
        **per_tool(stage, Floor(**providers), options.rounds),
        **per_chat(stage, chat, ChatFloor(**providers), options.rounds * 4),
        **per_session_event(sessions, options.rounds),
        "import_ms": import_time(),
    }
    instrument(capture_content="span_and_event")
    results |= content(stage, options.rounds)
    if options.json:
        print(json.dumps(results))  # noqa: T201 -- this is what it is for
    else:
        for name, value in results.items():
            limit = f"  (limit {LIMITS[name]})" if name in LIMITS else ""
            print(f"{name:32}{value:10.3f}{limit}")  # noqa: T201 -- as above
    return int(any(results[name] > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
