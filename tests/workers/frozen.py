# SPDX-License-Identifier: Apache-2.0
"""A process that is asked, and frozen in between: ``python -m tests.workers.frozen``.

It reads a word a line, does what the word says and writes a line of JSON when it has: the time, in
ns since the epoch, and how many spans it has ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mistralai.client.models import WebSearchTool
from mistralai.extra.run.context import RunContext
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from examples import aws_lambda

MODEL = "mistral-medium-latest"
held: list[Any] = []


class Count(SpanProcessor):
    """How many spans have ended."""

    ended = 0

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 -- OpenTelemetry's signature
        """One more."""
        self.ended += 1


def stream(scenario: str = "agent") -> Any:
    """A stream, not read yet."""
    return aws_lambda.client.beta.conversations.start_stream(
        model=MODEL,
        inputs="Hello",
        tools=[WebSearchTool()],
        http_headers={"x-emulator-scenario": scenario},
    )


def everything() -> None:
    """Each way in which a span ends, in a thread, in coroutines, and at an error."""
    client = aws_lambda.client
    messages: Any = [{"role": "user", "content": "Hello"}]
    client.chat.complete(model=MODEL, messages=messages)
    list(client.chat.stream(model=MODEL, messages=messages))
    client.embeddings.create(model="mistral-embed", inputs=["Hello"])
    list(stream("web_search"))
    with stream("hang") as left:
        next(left)
    for scenario in ("http_500", "error_event", "reset"):
        with suppress(Exception):
            list(stream(scenario))
    asyncio.run(asynchronously())


async def asynchronously() -> None:
    """The same in coroutines, each with a loop of its own, as handlers do."""
    client: Any = aws_lambda.client
    options = {"model": MODEL, "inputs": "Hello"}
    async with await client.beta.conversations.start_stream_async(**options) as answer:
        async for _ in answer:
            pass
    async with RunContext(model=MODEL) as context:
        context.register_func(get_weather)  # pyright: ignore[reportUnknownMemberType] -- the SDK's
        await client.beta.conversations.run_async(
            run_ctx=context,
            inputs="How warm is it?",
            http_headers={"x-emulator-scenario": "loop_rounds"},
        )
    hanging = {**options, "http_headers": {"x-emulator-scenario": "hang"}}

    async def wait() -> None:
        async with await client.beta.conversations.start_stream_async(**hanging) as answer:
            async for _ in answer:
                pass

    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(wait(), 0.5)


def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: its name.
    """
    return f"It is warm in {city}."


def drop() -> None:
    """Leaves a stream without closing it."""
    for _ in stream("hang"):
        break


def begin() -> None:
    """Reads the first event of a stream, and keeps it."""
    held.append(stream())
    next(held[0])


def finish() -> None:
    """Reads the rest."""
    list(held.pop())


DOES: dict[str, Callable[[], object]] = {
    "answer": lambda: aws_lambda.handler({"question": "Hello"}, None),
    "answer, unflushed": lambda: aws_lambda.answer("Hello"),
    "everything": everything,
    "drop": drop,
    "begin": begin,
    "finish": finish,
    "nothing": lambda: None,
}


def main() -> None:
    """Does what it is told, line by line."""
    count = Count()
    aws_lambda.tracer_provider.add_span_processor(count)
    for line in sys.stdin:
        word = line.strip()
        DOES[word]()
        if "unflushed" not in word:
            aws_lambda.flush()
        sys.stdout.write(json.dumps({"at": time.time_ns(), "ended": count.ended}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
