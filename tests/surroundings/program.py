# SPDX-License-Identifier: Apache-2.0
"""A program as people put it into notebooks and archives: it knows nothing of these tests.

``python program.py URL bare|instrumented RUNNER`` holds some conversations, and writes one line of
JSON: what it saw, what was recorded, and where the plugin was found.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import sys
import time
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

Mistral: Any
try:
    from mistralai.client import Mistral
except ImportError:  # before 2.0
    from mistralai import Mistral  # type: ignore[attr-defined,no-redef]

ASKED = {"model": "mistral-small-latest", "inputs": "Hello?"}


def arguments(scenario: str) -> dict[str, Any]:
    """What starts a conversation that the emulator plays by this scenario."""
    return {**ASKED, "http_headers": {"x-emulator-scenario": scenario}}


def talk(client: Any) -> list[Any]:
    """Reads a stream, leaves one, drops one, and has one fail; returns what it saw."""
    conversations = client.beta.conversations
    read = [event.event for event in conversations.start_stream(**arguments("agent"))]
    with conversations.start_stream(**arguments("agent")) as left:
        next(left)
    next(conversations.start_stream(**arguments("agent")))
    gc.collect()
    try:
        conversations.start_stream(**arguments("http_429"))
    except Exception as exc:  # noqa: BLE001 -- each line of the SDK has its own
        return [read, type(exc).__name__]
    return [read, "no error"]


async def talk_async(client: Any) -> list[Any]:
    """Reads a stream, leaves one, and has one fail."""
    start = client.beta.conversations.start_stream_async
    async with await start(**arguments("agent")) as stream:
        read = [event.event async for event in stream]
    async with await start(**arguments("agent")) as left:
        await anext(left)
    try:
        await start(**arguments("http_429"))
    except Exception as exc:  # noqa: BLE001 -- each line of the SDK has its own
        return [read, type(exc).__name__]
    return [read, "no error"]


def ran(main: Any, runner: str) -> Any:
    """What the coroutine function returned, or the class of what it raised."""
    try:
        if runner == "asyncio":
            return asyncio.run(main())
        if runner == "uvloop":
            return importlib.import_module("uvloop").run(main())
        options = {"use_uvloop": True} if runner == "anyio with uvloop" else {}
        backend = "trio" if runner == "trio" else "asyncio"
        anyio = importlib.import_module("anyio")
        return anyio.run(main, backend=backend, backend_options=options)
    except Exception as exc:  # noqa: BLE001 -- what it is without us, it must be with us
        return type(exc).__name__


def providers() -> tuple[InMemorySpanExporter, dict[str, Any]]:
    """Providers that record into memory."""
    memory, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(memory))
    meters = MeterProvider([InMemoryMetricReader()])
    return memory, {"tracer_provider": tracers, "meter_provider": meters}


def outcome_of(attributes: Any) -> str:
    """How the stream of a span ended; ``none`` for one of which there was none."""
    found = (value for key, value in attributes.items() if key.endswith(".stream.outcome"))
    return next(found, "none")


def told(memory: InMemorySpanExporter, ended: int = 0) -> list[list[Any]]:
    """The spans, as name, status and outcome; waits for as many: a thread ends the dropped."""
    deadline = time.monotonic() + 20
    while len(memory.get_finished_spans()) < ended and time.monotonic() < deadline:
        time.sleep(0.005)
    return sorted(
        [
            span.name,
            span.status.status_code.name,
            outcome_of(span.attributes or {}),
        ]
        for span in memory.get_finished_spans()
    )


def main(url: str, kind: str, runner: str = "asyncio") -> dict[str, Any]:
    """Talks, both ways; returns what is written."""
    memory, options = providers()
    plugin = ""
    if kind == "instrumented":
        import opentelemetry.instrumentation.genai.mistralai as module

        module.instrument(**options)
        plugin = str(module.__file__)

    async def talks() -> list[Any]:
        async with Mistral(api_key="key", server_url=url) as client:
            return await talk_async(client)

    with Mistral(api_key="key", server_url=url) as client:
        saw = [talk(client), ran(talks, runner)]
    expected = 0 if not plugin else 7 if isinstance(saw[1], list) else 4
    return {"saw": saw, "spans": told(memory, expected), "plugin": plugin}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))  # noqa: T201 -- what it is for
