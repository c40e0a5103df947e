# SPDX-License-Identifier: Apache-2.0
"""Streamed agent loops that are left early, and the context in which they are read."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from opentelemetry import trace

from emulator import Emulator
from tests.support.agent_run_spans import assert_measured, loop_span, story, tool_span
from tests.support.agent_runs import MODEL, RunException, add, asking, prepared
from tests.support.recording import Recording, wait_until

Leave = Callable[[Any], Awaitable[None]]


class OwnError(Exception):
    """Raised by the consumer."""


async def by_aclose(stream: Any) -> None:
    """Breaks out of the loop and closes the generator."""
    async for _ in stream:
        break
    await stream.aclose()


async def by_dropping(stream: Any) -> None:
    """Breaks out of the loop and forgets the generator."""
    async for _ in stream:
        break


async def by_an_exception(stream: Any) -> None:
    """Raises inside the loop; whoever catches it forgets the generator."""
    async for _ in stream:
        raise OwnError


async def by_athrow(stream: Any) -> None:
    """Throws an exception of its own into the generator."""
    await stream.__anext__()
    await stream.athrow(OwnError())


async def by_cancelling(stream: Any) -> None:
    """Is cancelled while it deals with an event."""
    task = asyncio.current_task()
    assert task is not None
    async for _ in stream:
        task.cancel()
        await asyncio.sleep(1)


LEAVE = pytest.mark.parametrize(
    "leave", [by_aclose, by_dropping, by_an_exception, by_athrow, by_cancelling]
)


async def left(conversations: Any, context: Any, leave: Leave, skipping: int = 0) -> None:
    """Reads some events of a loop, leaves it, and lets the event loop close what was dropped."""

    async def consume() -> None:
        stream = await conversations.run_stream_async(run_ctx=context, inputs="1 + 2?")
        for _ in range(skipping):
            await stream.__anext__()
        await leave(stream)

    try:
        await asyncio.create_task(consume())
    except (OwnError, asyncio.CancelledError) as exc:
        # Its frames hold the generator.
        del exc
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0.005)


@LEAVE
async def test_leaving_in_the_middle_of_a_request_is_no_error(
    emulator: Emulator, recording: Recording, leave: Leave
) -> None:
    context = prepared(add)
    async with asking(emulator.url, "loop_add") as conversations:
        await left(conversations, context, leave, skipping=1)
        loop, request = story(recording)
    assert loop == loop_span(conversation_id=context.conversation_id)
    assert (request.name, request.kind, request.parent) == (f"chat {MODEL}", "CLIENT", 0)
    assert (request.status, request.description, request.events) == ("UNSET", None, [])
    assert "error.type" not in request.attributes
    assert request.attributes["gen_ai.conversation.id"] == context.conversation_id
    # The SDK drops its stream; nobody tells it why.
    assert request.attributes["mistral_ai.stream.outcome"] in {"abandoned", "cancelled", "closed"}
    assert_measured(recording, requests=1, tools=[])


@LEAVE
async def test_leaving_after_a_function_is_no_error(
    emulator: Emulator, recording: Recording, leave: Leave
) -> None:
    context = prepared(add)
    async with asking(emulator.url, "loop_add") as conversations:
        # Four events of the first answer; the next is the function's result.
        await left(conversations, context, leave, skipping=4)
        told = story(recording)
    known: dict[str, Any] = {"conversation_id": context.conversation_id}
    function = tool_span("add", **known)
    assert [told[0], told[2]] == [loop_span(**known), function]
    assert told[1].attributes["mistral_ai.stream.outcome"] == "completed"
    assert len(told) == 3
    assert_measured(recording, requests=1, tools=[function])


async def test_a_loop_that_is_never_read_leaves_no_span_open(
    emulator: Emulator, recording: Recording
) -> None:
    async with asking(emulator.url, "loop_add") as conversations:
        stream = await conversations.run_stream_async(run_ctx=prepared(add), inputs="1 + 2?")
        del stream
        gc.collect()
        await asyncio.sleep(0.01)
    assert story(recording) in ([], [loop_span()])


async def test_a_loop_that_is_never_awaited_has_no_span(
    emulator: Emulator, recording: Recording
) -> None:
    async with asking(emulator.url, "loop_add") as conversations:
        for method in (conversations.run_async, conversations.run_stream_async):
            method(prepared(add), "1 + 2?").close()
    assert recording.started == 0


async def test_the_consumers_span_stays_current_while_it_reads(
    emulator: Emulator, recording: Recording
) -> None:
    tracer = recording.tracer_provider.get_tracer("mine")
    async with asking(emulator.url, "loop_add") as conversations:
        with tracer.start_as_current_span("caller") as caller:
            stream = await conversations.run_stream_async(run_ctx=prepared(add), inputs="1 + 2?")
            assert trace.get_current_span() is caller
            event: Any = None
            async for event in stream:
                assert trace.get_current_span() is caller
                with tracer.start_as_current_span(f"reads {getattr(event, 'event', 'result')}"):
                    await asyncio.sleep(0)
            assert trace.get_current_span() is caller
        assert trace.get_current_span() is trace.INVALID_SPAN
    assert isinstance(stream, AsyncGenerator)
    told = story(recording)
    parents = {span.name: span.parent for span in told}
    assert parents.pop("caller") is None
    assert told[1] == loop_span(parent=0, conversation_id=event.conversation_id)
    assert {name: parent for name, parent in parents.items() if parent != 0} == {
        f"chat {MODEL}": 1,
        "execute_tool add": 1,
    }


async def test_each_read_may_come_from_another_task_and_context(
    emulator: Emulator, recording: Recording
) -> None:
    tracer = recording.tracer_provider.get_tracer("mine")

    async def read(stream: Any, n: int) -> Any:
        with tracer.start_as_current_span(f"reader {n}") as reader:
            event = await stream.__anext__()
            assert trace.get_current_span() is reader
        return event

    async with asking(emulator.url, "loop_add") as conversations:
        stream = await conversations.run_stream_async(run_ctx=prepared(add), inputs="1 + 2?")
        n = 0
        try:
            while True:
                await asyncio.create_task(read(stream, n))
                n += 1
        except StopAsyncIteration:
            pass
        except RuntimeError as exc:
            # What becomes of a StopAsyncIteration that leaves a coroutine of a task.
            assert isinstance(exc.__cause__, StopAsyncIteration)  # noqa: PT017 -- the loop's end
    assert n == 10
    told = story(recording, nested=False)
    loop = next(place for place, span in enumerate(told) if span.name == "invoke_agent")
    beneath = [span.name for span in told if span.parent == loop]
    assert beneath == [f"chat {MODEL}", "execute_tool add", f"chat {MODEL}"]
    assert told[loop].parent is None


async def test_a_failure_ends_the_span_while_the_consumer_still_holds_the_generator(
    emulator: Emulator, recording: Recording
) -> None:
    def broken(a: int, b: int) -> int:
        """Does not add two numbers."""
        raise OwnError(a + b)

    broken.__name__ = "add"
    async with asking(emulator.url, "loop_add") as conversations:
        stream = await conversations.run_stream_async(run_ctx=prepared(broken), inputs="1 + 2?")
        with pytest.raises(RunException) as caught:
            [event async for event in stream]
        wait_until(lambda: len(recording.finished()) == recording.started == 3)
        with pytest.raises(StopAsyncIteration):
            await stream.__anext__()
    assert isinstance(caught.value.__cause__, OwnError)
    assert story(recording)[0].status == "ERROR"
