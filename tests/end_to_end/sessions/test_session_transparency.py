# SPDX-License-Identifier: Apache-2.0
"""Whatever a program does with a realtime session, it cannot tell that it is watched."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import inspect
import sys
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import sdk
from tests.support.observing import Seen, asked, observe
from tests.support.outcomes import outcomes
from tests.support.recording import PATIENCE, Recording, put_forward, turns, until
from tests.support.sessions import (
    ALL,
    DONE,
    KINDS,
    MODEL,
    OPEN,
    connect,
    given,
    helper,
    name_of,
    names_in,
    websocket_of,
)
from tests.support.usages import OwnError

Usage = Callable[[Any, str], Awaitable[Any]]
_told: Final[contextvars.ContextVar[str]] = contextvars.ContextVar("told", default="nothing")


async def uses_the_helper(client: Any, kind: str) -> Any:
    return [event async for event in helper(client, kind)]


async def sends_and_reads(client: Any, kind: str) -> Any:
    connection = await connect(client, kind)
    async with connection as same:
        assert same is connection
        if kind == "realtime":
            sent = [await connection.send_audio(memoryview(b"\x00" * 6)), connection.audio_format,
                    await connection.end_audio()]  # fmt: skip
        else:
            sent = [await connection.send_text(text="Hello"), await connection.flush(" you"),
                    await connection.flush(), await connection.end()]  # fmt: skip
        read: list[Any] = [event async for event in connection]
    return [sent, read, connection.is_closed, connection.request_id, connection.session]


async def looks_at_everything(client: Any, kind: str) -> Any:
    """What a debugger, a decorator or another library would look at."""
    owner = getattr(client.audio, kind)
    coroutine = owner.connect(MODEL, **given(OPEN[kind]))
    kind_of: Any = type
    made: list[Any] = [
        kind_of(coroutine),
        coroutine.__name__,
        coroutine.__qualname__,
        repr(coroutine),
    ]
    connection = await coroutine
    generator: Any = connection.events()
    iterator = aiter_of(connection)
    is_one = bool(inspect.isasyncgen(generator))
    methods = [name for name in map(str, dir(connection)) if not name.startswith("__")]
    seen: list[Any] = [
        made, str(inspect.signature(owner.connect)),
        inspect.iscoroutinefunction(owner.connect), kind_of(connection), repr(connection),
        names_in(connection), names_in(kind_of(connection)), dir(connection),
        [(name, str(inspect.signature(getattr(connection, name)))) for name in methods
         if callable(getattr(connection, name))],
        inspect.isasyncgenfunction(connection.events),
        inspect.iscoroutinefunction(connection.close),
        is_one, kind_of(generator), generator.__name__, generator.__qualname__,
        kind_of(iterator), iterator is generator, hasattr(generator, "ag_frame"),
        names_in(copy.copy(connection)), connection.events.__self__ is connection,
        weakref.ref(connection)() is connection,
    ]  # fmt: skip
    closing: Any = connection.close(code=1000, reason="enough")
    seen += [kind_of(closing), closing.__name__, closing.__qualname__, await closing]
    return seen


def aiter_of(connection: Any) -> Any:
    return connection.__aiter__()


async def reads(connection: Any, most: int = 100, into: list[Any] | None = None) -> list[Any]:
    """Reads events, and tells what was raised instead of one."""
    read: list[Any] = into if into is not None else list[Any]()
    try:
        async for event in connection:
            read.append(event)
            if len(read) == most or name_of(event) in {*DONE, "error"}:
                break
    except Exception as exc:  # noqa: BLE001 -- it is part of what is seen
        read.append(exc)
    return read


async def reading(connection: Any) -> asyncio.Task[list[Any]]:
    """A task that has read all three events of a session, and waits for more."""
    read: list[Any] = []
    task = asyncio.create_task(reads(connection, into=read))
    await until(lambda: len(read) == ALL)
    return task


def scenario(name: str) -> Usage:
    async def read(client: Any, kind: str) -> Any:
        try:
            raise OwnError("before")
        except OwnError:
            # The SDK's own limit is what is tested there; elsewhere it must not matter.
            # Where the server is silent after the handshake, that must be over within the patience.
            patience = {"no_answer": 300, "no_session": 1500}.get(name, 5000)
            connection = await connect(client, kind, name, timeout_ms=patience)
            read = await reads(connection)
        await connection.close()
        return [*read, connection.is_closed]

    read.__name__ = f"reads_{name}"
    return read


async def cancels_the_reader(client: Any, kind: str) -> Any:
    connection = await connect(client, kind, OPEN[kind])
    task = await reading(connection)
    task.cancel()
    done = await asyncio.gather(task, return_exceptions=True)
    return [done, task.cancelled(), connection.is_closed]


async def waits_no_longer(client: Any, kind: str) -> Any:
    connection = await connect(client, kind, OPEN[kind])
    heard: list[Any] = []

    async def run_out() -> None:
        await until(lambda: len(heard) == ALL)
        put_forward(PATIENCE)

    watching = asyncio.create_task(run_out())
    try:
        read: Any = await asyncio.wait_for(reads(connection, into=heard), PATIENCE)
    except asyncio.TimeoutError:
        read = "timeout"
    await watching
    return [read, connection.is_closed]


async def is_cancelled_in_its_block(client: Any, kind: str) -> Any:
    connection = await connect(client, kind, OPEN[kind])

    entered = asyncio.Event()

    async def stay() -> None:
        async with connection:
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(stay())
    await entered.wait()
    task.cancel()
    return [await asyncio.gather(task, return_exceptions=True), connection.is_closed]


async def raises_in_its_block(client: Any, kind: str) -> Any:
    async with await connect(client, kind, OPEN[kind]) as connection:
        async for _ in connection:
            raise OwnError("mine")


async def breaks_and_goes_on(client: Any, kind: str) -> Any:
    connection = await connect(client, kind, OPEN[kind])
    first = await reads(connection, 1)
    gc.collect()
    await turns()
    # All that comes: what is under way when the websocket is closed may still be read, or not.
    second = await reads(connection, ALL - 1)
    gc.collect()
    await turns()
    await websocket_of(connection).wait_closed()
    return [first, second, connection.is_closed, await reads(connection)]


async def drives_the_generator(client: Any, kind: str) -> Any:
    connection = await connect(client, kind, OPEN[kind])
    events = connection.events()
    told = [await events.asend(None), await events.asend("ignored")]
    try:
        told.append(await events.athrow(OwnError("thrown")))
    except OwnError as exc:
        told.append(exc)
    told.append(connection.is_closed)
    try:
        told.append(await events.__anext__())
    except StopAsyncIteration as exc:
        told.append(exc)
    return [*told, await events.aclose(), await events.aclose()]


async def throws_a_cancellation(client: Any, kind: str) -> Any:
    connection = await connect(client, kind, OPEN[kind])
    events = connection.events()
    told = [await events.__anext__(), await events.__anext__()]
    try:
        told.append(await events.athrow(asyncio.CancelledError()))
    except StopAsyncIteration as exc:
        told.append(exc)
    return [*told, connection.is_closed]


async def closes_the_generator(client: Any, kind: str) -> Any:
    connection = await connect(client, kind, OPEN[kind])
    events = connection.events()
    told = [await events.__anext__(), await events.__anext__(), await events.aclose()]
    return [*told, connection.is_closed]


async def reads_one_generator_twice(client: Any, kind: str) -> Any:
    connection = await connect(client, kind, OPEN[kind])
    events = connection.events()
    told = [await events.__anext__() for _ in range(ALL)]

    async def following() -> Any:
        return await events.__anext__()

    both = asyncio.gather(following(), following(), return_exceptions=True)
    await turns()
    await connection.close()
    return [told, await both]


async def reads_with_two_generators(client: Any, kind: str) -> Any:
    connection = await connect(client, kind, OPEN[kind])
    first = await reading(connection)
    second = await reads(connection)
    return [second, await first, connection.is_closed]


async def closes_while_reading(client: Any, kind: str) -> Any:
    connection = await connect(client, kind, OPEN[kind])
    task = await reading(connection)
    return [await connection.close(), await connection.close(), await task]


async def sends_when_closed(client: Any, kind: str) -> Any:
    connection = await connect(client, kind, OPEN[kind])
    await connection.close()
    send = connection.send_audio if kind == "realtime" else connection.send_text
    try:
        await send(b"x" if kind == "realtime" else "x")
    except RuntimeError as exc:
        return exc


async def calls_wrongly(client: Any, kind: str) -> Any:
    owner = getattr(client.audio, kind)
    connection = await connect(client, kind, OPEN[kind])
    told: list[Any] = []
    for wrong in (
        owner.connect, lambda: owner.connect(MODEL, nothing=1), lambda: connection.close(1000),
        lambda: connection.events(1), lambda: connection.__aexit__(None),
    ):  # fmt: skip
        try:
            wrong()
        except TypeError as exc:
            told.append(exc)
    await connection.close()
    return told


async def forgets_to_await(client: Any, kind: str) -> Any:
    connection = await connect(client, kind, OPEN[kind])
    connection.close()
    getattr(client.audio, kind).connect(MODEL)
    connection.__aexit__(None, None, None)
    connection.events()
    gc.collect()
    await connection.close()


async def is_left_to_the_loop(client: Any, kind: str) -> Any:
    """The loop closes what is open when it ends."""
    connection = await connect(client, kind, OPEN[kind])
    events = connection.events()
    for _ in range(2):
        await events.__anext__()
    asyncio.get_running_loop().left_open = events  # type: ignore[attr-defined]
    return len(asyncio.all_tasks())


async def keeps_its_own_context(client: Any, kind: str) -> Any:
    _told.set("before")
    connection = await connect(client, kind, OPEN[kind])
    told = [_told.get(), len(contextvars.copy_context())]
    async with connection:
        async for _ in connection:
            told += [_told.get(), len(contextvars.copy_context())]
            _told.set("while reading")
            if len(told) == 6:
                break
    return [*told, _told.get(), sys.get_asyncgen_hooks()[0] is not None]


async def is_cancelled_while_connecting(client: Any, kind: str) -> Any:
    task = asyncio.create_task(connect(client, kind, "no_answer"))
    await asked(1)
    task.cancel()
    return await asyncio.gather(task, return_exceptions=True)


USAGES: Final[list[tuple[Usage, str]]] = [
    (uses_the_helper, "completed"),
    (sends_and_reads, "completed"),
    (looks_at_everything, "closed"),
    *((scenario(name), "completed") for name in ("done_twice", "done_and_open", "strange")),
    *((scenario(name), "failed") for name in (
        "silent", "unfinished", "cut", "rejected", "error_event", "error_unread",
    )),
    *((scenario(name), "error") for name in (
        "error_first", "no_session", "no_answer", "refused_401", "refused_403",
    )),
    (cancels_the_reader, "cancelled"),
    (waits_no_longer, "cancelled"),
    (is_cancelled_in_its_block, "cancelled"),
    (raises_in_its_block, "closed"),
    (breaks_and_goes_on, "closed"),
    (drives_the_generator, "failed"),
    (throws_a_cancellation, "cancelled"),
    (closes_the_generator, "closed"),
    (reads_one_generator_twice, "closed"),
    (reads_with_two_generators, "failed"),
    (closes_while_reading, "closed"),
    (sends_when_closed, "closed"),
    (calls_wrongly, "closed, error, error"),
    (forgets_to_await, "closed"),
    (is_left_to_the_loop, "closed"),
    (keeps_its_own_context, "closed"),
    (is_cancelled_while_connecting, "none"),
]  # fmt: skip


def program(usage: Usage, kind: str) -> Callable[[Any], Any]:
    """A usage, which is given ``client.beta.conversations``, of the client that it belongs to."""

    async def run(conversations: Any) -> Any:
        configuration = conversations.sdk_configuration
        client = sdk.Mistral("key", server_url=configuration.server_url,
                             client=configuration.client,
                             async_client=configuration.async_client)  # fmt: skip
        return await usage(client, kind)

    return run


def told(seen: Seen) -> dict[str, Any]:
    """What was seen, without what is new in each handshake."""
    for request in seen.requests:
        request[2].pop("sec-websocket-key", None)
    return vars(seen)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("usage", "outcome"), USAGES, ids=[each[0].__name__ for each in USAGES])
def test_watched_and_unwatched_sessions_are_indistinguishable(
    emulator: Emulator, usage: Usage, outcome: str, kind: str
) -> None:
    run = program(usage, kind)
    # Modules that are imported for the first time tell more.
    observe(run, emulator)
    unwatched = told(observe(run, emulator))
    for capture in ("no_content", "span_only"):
        made = Recording()
        instrument(**made.providers, capture_content=capture)
        try:
            watched = told(observe(run, emulator))
        finally:
            uninstrument()
        assert watched == unwatched, capture
        assert ", ".join(sorted(outcomes(made))) == outcome, capture
