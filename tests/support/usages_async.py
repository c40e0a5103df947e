# SPDX-License-Identifier: Apache-2.0
"""Conversation streams as real programs use them, rightly and wrongly: the async ones."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import AsyncIterator
from typing import Any

from tests.support.observing import asked
from tests.support.recording import PATIENCE, put_forward, turns, until
from tests.support.usages import (
    CLOSED,
    DONE,
    OwnError,
    asking,
    class_of,
    entries,
    read_all,
    tools,
    usage,
)

# What comes of the answer that hangs, of a conversation or a chat.
_ALL = 3


@usage("completed")
async def reads_to_the_end(conversations: Any) -> Any:
    stream = await conversations.start_stream_async(**asking())
    return [class_of(stream), sorted(dir(stream)), await read_all(stream), await read_all(stream)]


@usage("completed")
async def breaks_at_done(conversations: Any) -> Any:
    events: list[Any] = []
    async for event in await conversations.start_stream_async(**asking("events_after_done")):
        events.append(event)
        if event.event == DONE:
            break
    return events


@usage("abandoned", "abandoned")
async def breaks_before_done(conversations: Any) -> Any:
    events: list[Any] = []
    async for event in await conversations.start_stream_async(**asking()):
        events.append(event)
        break
    stream = await conversations.start_stream_async(**asking())
    async for event in stream:
        raise OwnError(event.event)


@usage("completed", "completed")
async def appends_and_restarts(conversations: Any) -> Any:
    arguments = asking()
    del arguments["model"]
    appended = await conversations.append_stream_async(conversation_id="conv_1", **arguments)
    restart = {"conversation_id": "conv_1", "from_entry_id": "entry_1"}
    restarted = await conversations.restart_stream_async(**restart, **arguments)
    return [await read_all(appended), await read_all(restarted)]


@usage("completed", "closed")
async def leaves_with(conversations: Any) -> Any:
    async with await conversations.start_stream_async(**asking()) as stream:
        events = [class_of(stream), await read_all(stream)]
    async with await conversations.start_stream_async(**asking()) as stream:
        return [events, await anext(stream), stream.response.is_closed]


@usage("closed")
async def leaves_with_by_an_exception(conversations: Any) -> Any:
    async with await conversations.start_stream_async(**asking()) as stream:
        raise OwnError((await anext(stream)).event)


@usage("cancelled", "closed")
async def leaves_with_by_exits(conversations: Any) -> Any:
    seen: list[Any] = []
    for kind in (asyncio.CancelledError, GeneratorExit):
        try:
            async with await conversations.start_stream_async(**asking()) as stream:
                await anext(stream)
                raise kind("enough")
        except kind as exc:
            seen.append(exc)
    return seen


@usage("closed")
async def closes_a_generator_around_with(conversations: Any) -> Any:
    async def names() -> AsyncIterator[str]:
        async with await conversations.start_stream_async(**asking()) as stream:
            async for event in stream:
                yield event.event

    reader: Any = names()
    first = await anext(reader)
    await reader.aclose()
    return first


@usage(CLOSED)
async def closes(conversations: Any) -> Any:
    stream = await conversations.start_stream_async(**asking())
    await anext(stream)
    closing = stream.close()
    named = [closing.__name__, closing.__qualname__, class_of(closing)]
    # Nothing may happen before the await.
    named.append(stream.response.is_closed)
    await closing
    await stream.close()
    return [named, stream.response.is_closed, await anext(stream, "over")]


@usage("closed")
async def reads_on_after_with(conversations: Any) -> Any:
    async with await conversations.start_stream_async(**asking("hang")) as stream:
        # All three: what came and was not read, SDK 1.x may give out even now, or not.
        for _ in range(3):
            await anext(stream)
    return await anext(stream, "over")


@usage("completed")
async def reads_on_after_the_end(conversations: Any) -> Any:
    stream = await conversations.start_stream_async(**asking())
    await read_all(stream)
    async with stream:
        return await anext(stream)


@usage("abandoned", "closed", "abandoned")
async def never_iterates(conversations: Any) -> Any:
    async def hold(_stream: Any) -> None:
        await asyncio.Event().wait()

    await conversations.start_stream_async(**asking())
    async with await conversations.start_stream_async(**asking()):
        pass
    # Held by a task until the event loop ends.
    task = asyncio.ensure_future(hold(await conversations.start_stream_async(**asking())))
    await turns(1)
    return task.done()


@usage("abandoned", "abandoned")
async def drops(conversations: Any) -> Any:
    stream, in_a_cycle = [await conversations.start_stream_async(**asking()) for _ in range(2)]
    await anext(stream)
    dropped, in_a_cycle.itself = weakref.ref(stream), in_a_cycle
    cycle = weakref.ref(in_a_cycle)
    gc.disable()
    del stream, in_a_cycle
    at_once = [dropped() is None, cycle() is None]
    gc.enable()
    gc.collect()
    return [at_once, cycle() is None]


@usage(*["completed"] * 5)
async def reads_in_tasks(conversations: Any) -> Any:
    async def read() -> list[Any]:
        return await read_all(await conversations.start_stream_async(**asking("answer")))

    return await asyncio.gather(*(read() for _ in range(5)))


@usage("cancelled")
async def reads_one_stream_in_two_tasks(conversations: Any) -> Any:
    stream = await conversations.start_stream_async(**asking("hang"))
    events = [await anext(stream) for _ in range(_ALL)]
    task = asyncio.ensure_future(anext(stream))
    # It has read all that comes: after its first turn it waits.
    await turns()
    errors: list[BaseException] = []
    for awaited in (anext(stream), task):
        try:
            await awaited
        except (RuntimeError, asyncio.CancelledError) as exc:
            errors.append(exc)
        task.cancel("enough")
    return [events, errors, await read_all(stream)]


@usage("cancelled", "none", "none")
async def cancels_its_task(conversations: Any) -> Any:
    heard: list[Any] = []

    async def read(scenario: str) -> None:
        await read_all(await conversations.start_stream_async(**asking(scenario)), heard)

    errors: list[BaseException] = []
    bare = conversations.start_stream_async(**asking("no_answer"))
    for count, coroutine in enumerate((read("hang"), read("no_answer"), bare), 1):
        task = asyncio.get_running_loop().create_task(coroutine)
        await asked(count)
        await until(lambda: len(heard) == _ALL)
        task.cancel("enough")
        try:
            await task
        except asyncio.CancelledError as exc:
            errors.append(exc)
    return errors


@usage("cancelled", "cancelled", "none")
async def has_no_time(conversations: Any) -> Any:
    heard: list[Any] = []

    async def read(scenario: str) -> None:
        async with await conversations.start_stream_async(**asking(scenario)) as stream:
            await read_all(stream, heard)

    async def run_out(count: int, expected: int) -> None:
        await asked(count)
        await until(lambda: len(heard) == expected)
        put_forward(PATIENCE)

    errors: list[BaseException] = []
    for count, scenario in enumerate(("hang", "no_answer"), 1):
        watching = asyncio.ensure_future(run_out(count, _ALL))
        try:
            await asyncio.wait_for(read(scenario), PATIENCE)
        except asyncio.TimeoutError as exc:
            errors.append(exc)
        await watching
    watching = asyncio.ensure_future(run_out(3, 2 * _ALL))
    try:
        if sys.version_info >= (3, 11):
            async with asyncio.timeout(PATIENCE):
                await read("hang")
        else:
            await asyncio.wait_for(read("hang"), PATIENCE)
    except asyncio.TimeoutError as exc:
        errors.append(exc)
    await watching
    return errors


@usage("completed")
async def hands_in_generators(conversations: Any) -> Any:
    arguments = asking(inputs=entries(), tools=tools())
    return await read_all(await conversations.start_stream_async(**arguments))
