# SPDX-License-Identifier: Apache-2.0
"""A realtime session is one span, from its handshake to its end, whatever that end is."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from emulator import Emulator
from tests.support import names as s
from tests.support.completions import usage
from tests.support.recording import Recording, Span, let_time_pass, turns, until, wait_until
from tests.support.sessions import (
    ALL,
    DONE,
    KINDS,
    MODEL,
    OPEN,
    asking,
    connect,
    helper,
    identity,
    name_of,
    needs_sessions,
    needs_speech,
    started,
    websocket_of,
)
from tests.support.usages import OwnError

HEARD: Final = {
    **usage(4, 8, 12),
    s.USAGE_AUDIO_SECONDS: 2,
}
SPOKEN: Final = usage(3, 10, 13)
USED: Final = {
    "realtime": {**HEARD, s.USAGE_CACHE_READ: 3},
    "realtime_speech": SPOKEN,
}
CUT: Final = "websockets.exceptions.ConnectionClosedError"


async def by_helper(client: Any, kind: str) -> list[str]:
    return [name_of(event) async for event in helper(client, kind)]


async def by_hand(client: Any, kind: str) -> list[str]:
    """Sends in one task and reads in another."""
    connection = await connect(client, kind)

    async def send() -> None:
        if kind == "realtime":
            await connection.send_audio(b"\x00" * 15)
            # It came with 1.12.4.
            if hasattr(connection, "flush_audio"):
                await connection.flush_audio()
            await connection.end_audio()
        else:
            await connection.send_text("Hello")
            await connection.end()

    async with connection:
        sender = asyncio.create_task(send())
        names = [name_of(event) async for event in connection]
        await sender
    return names


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use", [by_helper, by_hand])
async def test_a_whole_session_is_one_span(
    emulator: Emulator,
    recording: Recording,
    kind: str,
    use: Callable[[Any, str], Awaitable[list[str]]],
) -> None:
    emulator.clear()
    before = time.time_ns()
    async with asking(emulator) as client:
        names = await use(client, kind)
    assert names[0] == "session.created"
    assert names[-1] in DONE
    span, whole = recording.the_span(), recording.span()
    first_chunk = whole.attributes.pop(s.RESPONSE_TIME_TO_FIRST_CHUNK)
    assert whole == Span(
        f"generate_content {MODEL}",
        {**identity(emulator, kind), **USED[kind], s.STREAM_OUTCOME: "completed"},
    )
    started_at, ended_at = span.start_time or 0, span.end_time or 0
    assert before - 1_000_000 <= started_at < ended_at <= time.time_ns() + 1_000_000
    assert 0.01 <= first_chunk <= (ended_at - started_at) / 1e9
    # The handshake and what was sent are as without us.
    (request,) = emulator.requests
    assert "traceparent" not in request.headers
    assert request.body["query"] == {"model": MODEL}
    assert [one["type"].rpartition(".")[2] for one in request.body["heard"]][-1] == "end"


@dataclass
class Ending:
    """How a scenario ends: why it failed, what is known by then, what the caller gets."""

    scenario: str
    error: str | None
    kind: str = "realtime"
    more: dict[str, Any] = field(default_factory=dict[str, Any])
    used: dict[str, Any] = field(default_factory=dict[str, Any])
    raises: str | None = None
    spoke: bool = True
    recorded: bool = True
    """Whether an exception was recorded: an error event's is one only with captured content."""


ENDINGS: Final = [
    Ending("done_twice", None, used=HEARD),
    Ending("done_and_open", None, used=HEARD),
    Ending("strange", None, used={s.USAGE_TOTAL_TOKENS: 12}),
    Ending("silent", "incomplete_stream", spoke=False, recorded=False),
    Ending("unfinished", "incomplete_stream", recorded=False),
    Ending("cut", CUT, raises="ConnectionClosedError"),
    Ending("rejected", CUT, raises="ConnectionClosedError", spoke=False),
    Ending("error_event", "3001", recorded=False),
    Ending("error_unread", "too_loud", spoke=False, recorded=False),
    Ending(
        "cut",
        "mistralai.RealtimeSpeechException",
        "realtime_speech",
        raises="RealtimeSpeechException",
    ),
    Ending(
        "rejected",
        "mistralai.RealtimeSpeechException",
        "realtime_speech",
        {s.ERROR_CODE: "1008"},
        raises="RealtimeSpeechException",
        spoke=False,
    ),
    Ending("error_event", "3001", "realtime_speech", recorded=False),
]


@needs_sessions
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda one: f"{one.kind}-{one.scenario}")
async def test_each_end_is_told(emulator: Emulator, recording: Recording, ending: Ending) -> None:
    if ending.kind == "realtime_speech" and needs_speech.args[0]:
        pytest.skip("realtime speech came with 3.6")
    raised = None
    async with asking(emulator) as client:
        connection = await connect(client, ending.kind, ending.scenario)
        try:
            async for event in connection:
                if name_of(event) in {"error", *DONE}:
                    break
        except Exception as exc:  # noqa: BLE001 -- which one is part of what is tested
            raised = type(exc).__name__
        span = recording.span()
        await connection.close()
    assert raised == ending.raises
    assert (span.attributes.pop(s.RESPONSE_TIME_TO_FIRST_CHUNK, None) is not None) == ending.spoke
    failed = {} if ending.error is None else {s.ERROR_TYPE: ending.error}
    assert span == Span(
        f"generate_content {MODEL}",
        {
            **identity(emulator, ending.kind),
            **ending.more,
            **ending.used,
            **failed,
            s.STREAM_OUTCOME: "failed" if ending.error else "completed",
        },
        status="ERROR" if ending.error else "UNSET",
        description=ending.error,
        events=["exception"] if ending.error and ending.recorded else [],
    )


REFUSED: Final[list[tuple[str, str, dict[str, Any]]]] = [
    ("refused_401", "401", {s.HTTP_STATUS_CODE: 401, s.ERROR_CODE: "1001"}),
    ("refused_403", "403", {s.HTTP_STATUS_CODE: 403}),
    ("error_first", "mistralai.{}WSError", {s.ERROR_CODE: "3002"}),
    ("no_session", "mistralai.{}Exception", {}),
    ("no_answer", "mistralai.{}Exception", {}),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("scenario", "error", "more"), REFUSED, ids=[one[0] for one in REFUSED])
async def test_a_handshake_that_fails_is_an_error_without_outcome(
    emulator: Emulator,
    recording: Recording,
    kind: str,
    scenario: str,
    error: str,
    more: dict[str, Any],
) -> None:
    named = error.format("RealtimeSpeech" if "speech" in kind else "RealtimeTranscription")
    async with asking(emulator) as client:
        with pytest.raises(Exception, match=r"."):
            await connect(client, kind, scenario, timeout_ms=200)
    assert recording.span() == Span(
        f"generate_content {MODEL}",
        {**started(emulator, kind), s.ERROR_TYPE: named, **more},
        status="ERROR",
        description=named,
        events=["exception"],
    )


async def until_spoken(connection: Any) -> None:
    """Reads two events: the session, and the first that says something."""
    read = 0
    async for _ in connection:
        read += 1
        if read == 2:
            break


async def reads_and_closes(connection: Any) -> None:
    await until_spoken(connection)
    await connection.close()


async def closes(connection: Any) -> None:
    await connection.close()


async def leaves(connection: Any) -> None:
    async with connection:
        await until_spoken(connection)


async def leaves_by_an_exception(connection: Any) -> None:
    try:
        async with connection:
            raise OwnError
    except OwnError:
        pass


async def breaks(connection: Any) -> None:
    """The SDK closes the websocket once the loop has closed the generator."""
    await until_spoken(connection)
    gc.collect()
    await until(lambda: bool(connection.is_closed))


async def closes_the_generator(connection: Any) -> None:
    events = connection.events()
    await events.__anext__()
    await events.__anext__()
    await events.aclose()


async def has_read_all(connection: Any) -> asyncio.Task[int]:
    """A task that has read all three events of a session, and waits for more."""
    read: list[Any] = []

    async def collect() -> int:
        async for event in connection:
            read.append(event)  # noqa: PERF401 -- others look at it meanwhile
        return len(read)

    reading = asyncio.create_task(collect())
    await until(lambda: len(read) == ALL)
    return reading


async def closes_from_another_task(connection: Any) -> None:
    reading = await has_read_all(connection)
    await connection.close()
    assert await reading == ALL


LEAVES: Final = [
    reads_and_closes, closes, leaves, leaves_by_an_exception, breaks, closes_the_generator,
    closes_from_another_task,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("leave", LEAVES)
async def test_a_session_that_the_caller_leaves_is_closed_and_no_error(
    emulator: Emulator, recording: Recording, kind: str, leave: Callable[[Any], Awaitable[None]]
) -> None:
    async with asking(emulator) as client:
        connection = await connect(client, kind, OPEN[kind])
        assert recording.finished() == []
        await leave(connection)
        # The loop may still be closing the websocket.
        await recording.settled()
        # It is kept.
        span = recording.span()
        assert connection.is_closed
    span.attributes.pop(s.RESPONSE_TIME_TO_FIRST_CHUNK, None)
    assert span == Span(
        f"generate_content {MODEL}", {**identity(emulator, kind), s.STREAM_OUTCOME: "closed"}
    )


async def cancelled_while_reading(connection: Any) -> None:
    """The SDK swallows the cancellation: the loop ends as if all had been said."""
    reading = await has_read_all(connection)
    reading.cancel()
    assert await reading == ALL


async def cancelled_in_the_block(connection: Any) -> None:
    entered = asyncio.Event()

    async def stay() -> None:
        async with connection:
            entered.set()
            await asyncio.Event().wait()

    staying = asyncio.create_task(stay())
    await entered.wait()
    staying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await staying


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cancel", [cancelled_while_reading, cancelled_in_the_block])
async def test_a_cancelled_session_is_no_error(
    emulator: Emulator, recording: Recording, kind: str, cancel: Callable[[Any], Awaitable[None]]
) -> None:
    async with asking(emulator) as client:
        await cancel(await connect(client, kind, OPEN[kind]))
    span = recording.span()
    span.attributes.pop(s.RESPONSE_TIME_TO_FIRST_CHUNK, None)
    assert span == Span(
        f"generate_content {MODEL}", {**identity(emulator, kind), s.STREAM_OUTCOME: "cancelled"}
    )


@needs_sessions
@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks do not count cancellations before")
async def test_an_earlier_cancellation_of_the_task_is_not_this_sessions(
    emulator: Emulator, recording: Recording
) -> None:
    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
        async with asking(emulator) as client:
            async for _ in await connect(client, "realtime", "unfinished"):
                pass

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    working.cancel()
    await working
    assert recording.span().attributes[s.STREAM_OUTCOME] == "failed"


def _is_a_websocket_open() -> bool:
    """Each has a task of its own, from the end of the handshake until the connection is lost."""
    return any("keepalive" in repr(task.get_coro()) for task in asyncio.all_tasks())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", ["no_answer", "no_session"])
async def test_a_handshake_that_is_cancelled_is_neither_an_error_nor_has_an_outcome(
    emulator: Emulator, recording: Recording, kind: str, scenario: str
) -> None:
    emulator.clear()
    async with asking(emulator) as client:
        connecting = asyncio.create_task(connect(client, kind, scenario))
        await until(lambda: bool(emulator.requests))
        if scenario == "no_session":
            await until(_is_a_websocket_open)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        # In the second scenario the SDK leaves the websocket open: let the server cut it.
        await until(lambda: not _is_a_websocket_open())
    assert recording.span() == Span(f"generate_content {MODEL}", started(emulator, kind))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_session_that_nobody_closes_is_abandoned_at_its_last_event(
    emulator: Emulator, recording: Recording, kind: str
) -> None:
    async with asking(emulator) as client:
        connection = await connect(client, kind, OPEN[kind])
        events, before = connection.events(), time.time_ns()
        assert name_of(await events.__anext__()) == "session.created"
        after = time.time_ns()
        # Before the first message after the handshake, this does not close the websocket.
        await events.aclose()
        websocket = websocket_of(connection)
        let_time_pass()
        del connection, events
        wait_until(lambda: len(recording.finished()) == 1)
        await websocket.close()
    assert before - 1_000_000 <= (recording.the_span().end_time or 0) <= after + 1_000_000
    assert recording.span().attributes[s.STREAM_OUTCOME] == "abandoned"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_connection_that_is_dropped_unread_is_abandoned(
    emulator: Emulator, recording: Recording, kind: str
) -> None:
    async with asking(emulator) as client:
        connection = await connect(client, kind, OPEN[kind])
        websocket = websocket_of(connection)
        del connection
        wait_until(lambda: len(recording.finished()) == 1)
        await websocket.close()
    assert recording.span().attributes == {
        **identity(emulator, kind),
        s.STREAM_OUTCOME: "abandoned",
    }


@pytest.mark.parametrize("kind", KINDS)
async def test_a_caller_may_go_on_with_another_generator(
    emulator: Emulator, recording: Recording, kind: str
) -> None:
    async with asking(emulator) as client:
        connection = await connect(client, kind, "error_event")
        async for _ in connection:
            break
        gc.collect()
        await turns()
        assert recording.finished() == []
        assert not connection.is_closed
        async for event in connection:
            if name_of(event) == "error":
                break
        assert recording.span().description == "3001"
        await connection.close()


@needs_sessions
async def test_a_helper_that_is_left_early_is_closed(
    emulator: Emulator, recording: Recording
) -> None:
    async with asking(emulator) as client:
        events = helper(client, "realtime", "open")
        async for _ in events:
            break
        await events.aclose()  # type: ignore[attr-defined]
    assert recording.span().attributes[s.STREAM_OUTCOME] == "closed"


@needs_sessions
async def test_the_span_has_ended_when_the_caller_gets_the_done_event(
    emulator: Emulator, recording: Recording
) -> None:
    async with asking(emulator) as client:
        connection = await connect(client, "realtime", "done_and_open")
        async for event in connection:
            assert len(recording.finished()) == (name_of(event) in DONE)
            if name_of(event) in DONE:
                break
        # Nothing that comes later changes anything.
        await connection.close()
    assert recording.span().attributes[s.STREAM_OUTCOME] == "completed"


@needs_sessions
async def test_sessions_beside_each_other_have_their_own_spans(
    emulator: Emulator, recording: Recording
) -> None:
    async with asking(emulator) as client:
        await asyncio.gather(*(by_helper(client, "realtime") for _ in range(5)))
    spans = recording.spans()
    assert [(span.attributes or {})[s.STREAM_OUTCOME] for span in spans] == ["completed"] * 5
    assert len({span.context.span_id for span in spans if span.context}) == 5


@needs_sessions
async def test_an_end_by_failure_is_the_moment_of_the_failure(
    emulator: Emulator, recording: Recording
) -> None:
    """The SDK closes the websocket before it raises: that takes as long as the server likes."""
    async with asking(emulator) as client:
        connection = await connect(client, "realtime", "open")
        websocket = websocket_of(connection)
        real = websocket.close
        closing: list[int] = []

        async def slowly(**options: Any) -> None:
            closing.append(time.time_ns())
            let_time_pass()
            await real(**options)

        websocket.close = slowly
        reading = await has_read_all(connection)
        cancelled = time.time_ns()
        reading.cancel()
        await reading
    ended = recording.the_span().end_time or 0
    assert cancelled - 1_000_000 <= ended <= closing[0] + 1_000_000
