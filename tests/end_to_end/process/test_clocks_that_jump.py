# SPDX-License-Identifier: Apache-2.0
"""Clocks that are frozen or jump at any moment of a call: no duration is negative, or absurd.

Test suites freeze time (freezegun, time-machine), laptops are suspended, administrators set clocks.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import freezegun
import pytest
import time_machine

from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import names as s
from tests.support import sdk
from tests.support.raw_server import CHAT, RawServer, raw_server
from tests.support.recording import Recording

# All of a test takes less; what a jump adds is an hour, or decades.
_MAX_SECONDS: Final = 60
HELLO: Final[Any] = [{"role": "user", "content": "Hello?"}]


class Jumps:
    """Changes the clocks from without, and back."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._changed: Any = None

    def __call__(self) -> None:
        if self._changed is None:
            self._changed = self._make()
            self._changed.start()
        else:
            changed, self._changed = self._changed, None
            changed.stop()

    def restore(self) -> None:
        if self._changed is not None:
            self()


def _away(**delta: float) -> datetime:
    return datetime.now(timezone.utc) + timedelta(**delta)


# All of freezegun's freeze the monotonic clock as well, and begin it elsewhere.
CLOCKS: Final[dict[str, Callable[[], Any]]] = {
    "frozen": lambda: freezegun.freeze_time(_away()),
    "frozen long ago": lambda: freezegun.freeze_time("2012-01-14"),
    "frozen in the future": lambda: freezegun.freeze_time("2112-01-14"),
    "ticking long ago": lambda: freezegun.freeze_time("2012-01-14", tick=True),
    "back an hour": lambda: time_machine.travel(_away(hours=-1), tick=True),
    "ahead an hour": lambda: time_machine.travel(_away(hours=1), tick=True),
    "frozen, by time-machine": lambda: time_machine.travel(_away(), tick=False),
    "frozen at the epoch": lambda: time_machine.travel(0, tick=False),
}


@pytest.fixture(params=list(CLOCKS.values()), ids=list(CLOCKS))
def jump(request: pytest.FixtureRequest) -> Iterator[Jumps]:
    """Jumps there and, called again, back."""
    made = Jumps(request.param)
    yield made
    made.restore()


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    """One server for all; nothing in it waits for a clock."""
    with raw_server() as running:
        # The SDK makes its models when they are first used, and cannot from a frozen datetime.
        with sdk.Mistral(api_key="key", server_url=running.url) as client:
            running.answer = conversation()
            list(client.beta.conversations.start_stream(model="m", inputs="?"))
            running.answer = chat()
            list(client.chat.stream(model="m", messages=HELLO))
            running.answer = CHAT
            client.chat.complete(model="m", messages=HELLO)
        yield running


@pytest.fixture
def recorded() -> Iterator[Recording]:
    """The plugin, switched on, with the time between chunks."""
    made = Recording()
    instrument(**made.providers, record_chunk_times=True)
    yield made
    uninstrument()


def events(*payloads: dict[str, Any]) -> str:
    """A stream of these."""
    return "".join(
        f"event: {payload.get('type', '')}\ndata: {json.dumps(payload)}\n\n"
        if "type" in payload
        else f"data: {json.dumps(payload)}\n\n"
        for payload in payloads
    )


def conversation() -> str:
    """A conversation with a tool, by a server whose clock is right."""

    def at(milliseconds: int) -> str:
        return (_away() + timedelta(milliseconds=milliseconds)).isoformat()

    said = {"id": "msg_1", "model": "m", "role": "assistant", "content": "Hello"}
    tool = {"id": "tool_1", "name": "web_search", "arguments": "{}"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return events(
        {"type": "conversation.response.started", "created_at": at(0), "conversation_id": "c_1"},
        {"type": "tool.execution.started", "created_at": at(1), **tool},
        {"type": "tool.execution.done", "created_at": at(2), "id": "tool_1", "name": "web_search"},
        *({"type": "message.output.delta", "created_at": at(3), **said} for _ in range(3)),
        {"type": "conversation.response.done", "created_at": at(4), "usage": usage},
    )


def chat() -> str:
    """A chat's stream."""
    chunk = {"id": "cmpl_1", "object": "chat.completion.chunk", "model": "m", "created": 1}

    def piece(reason: str | None = None, **more: Any) -> dict[str, Any]:
        choice = {"index": 0, "delta": {"content": "Hello"}, "finish_reason": reason}
        return {**chunk, "choices": [choice], **more}

    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return events(piece(), piece(), piece(), piece("stop", usage=usage)) + "data: [DONE]\n\n"


def no_duration_is_absurd(recorded: Recording) -> None:
    """Of no span and of no histogram."""
    spans = recorded.spans()
    assert spans
    lasted = {span.name: ((span.end_time or 0) - (span.start_time or 0)) / 1e9 for span in spans}
    assert {name: took for name, took in lasted.items() if not 0 <= took < _MAX_SECONDS} == {}
    absurd: dict[str, Any] = {
        name: value
        for name, points in recorded.metrics().items()
        for _, value in points
        # A histogram's count and sum; those of tokens are small, too.
        if isinstance(value, tuple) and not 0 <= value[1] < _MAX_SECONDS
    }
    assert absurd == {}
    for span in spans:
        told = (span.attributes or {}).get(s.RESPONSE_TIME_TO_FIRST_CHUNK, 0.0)
        assert isinstance(told, (int, float))
        assert 0 <= told < _MAX_SECONDS
        ended = span.end_time or 0
        assert all((span.start_time or 0) <= event.timestamp <= ended for event in span.events)


def read(stream: Any, jump: Jumps, moments: tuple[int, ...]) -> None:
    """Reads a stream, and jumps before the events at these places."""
    for place, _ in enumerate(stream):
        if place + 1 in moments:
            jump()


# The places: -1 is before the call, 0 between the call and its first event.
MOMENTS: Final = [(-1,), (0,), (1,), (3,), (5,), (-1, 0), (-1, 3), (0, 3), (1, 2), (2, 5)]


@pytest.mark.parametrize("moments", MOMENTS, ids=str)
@pytest.mark.parametrize("kind", ["conversation", "chat"])
def test_a_stream(
    server: RawServer, recorded: Recording, jump: Jumps, kind: str, moments: tuple[int, ...]
) -> None:
    server.answer = conversation() if kind == "conversation" else chat()
    with sdk.Mistral(api_key="key", server_url=server.url) as client:
        if -1 in moments:
            jump()
        if kind == "conversation":
            stream = client.beta.conversations.start_stream(model="m", inputs="?")
        else:
            stream = client.chat.stream(model="m", messages=HELLO)
        if 0 in moments:
            jump()
        read(stream, jump, moments)
    jump.restore()
    no_duration_is_absurd(recorded)


@pytest.mark.parametrize("moments", [(0,), (1,), (-1, 1), (0, 2)], ids=str)
@pytest.mark.parametrize("left", ["closed", "dropped", "raised"])
def test_a_stream_that_is_left(
    server: RawServer, recorded: Recording, jump: Jumps, left: str, moments: tuple[int, ...]
) -> None:
    server.answer = conversation()
    with sdk.Mistral(api_key="key", server_url=server.url) as client:
        if -1 in moments:
            jump()
        stream = client.beta.conversations.start_stream(model="m", inputs="?")
        for place in range(3):
            if place in moments:
                jump()
            next(stream)
        if left == "closed":
            with stream:
                pass
        elif left == "raised":
            with pytest.raises(KeyError), stream:
                raise KeyError
        del stream
    jump.restore()
    no_duration_is_absurd(recorded)


class _Failing(list[Any]):
    def __init__(self, jump: Jumps) -> None:
        super().__init__(HELLO)
        self._jump = jump

    def __iter__(self) -> Any:
        self._jump()
        raise KeyError


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_a_call_that_is_not_streamed(
    server: RawServer, jump: Jumps, *, before: bool, fails: bool
) -> None:
    server.answer = CHAT
    recorded = Recording()

    def hook(_span: object, _kwargs: object) -> None:
        if not fails:
            jump()

    instrument(**recorded.providers, request_hook=hook)
    try:
        with sdk.Mistral(api_key="key", server_url=server.url) as client:
            if before:
                jump()
            if fails:
                messages: Any = _Failing(jump)
                with pytest.raises(KeyError):
                    client.chat.complete(model="m", messages=messages)
            else:
                client.chat.complete(model="m", messages=HELLO)
    finally:
        uninstrument()
    jump.restore()
    no_duration_is_absurd(recorded)


@pytest.mark.skipif(sdk.VERSION < (1, 9), reason="loops came later")
@pytest.mark.parametrize("before", [False, True])
def test_a_loop_with_a_function(
    server: RawServer, recorded: Recording, jump: Jumps, *, before: bool
) -> None:
    from mistralai.extra.run.context import RunContext

    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    whole = {"object": "conversation.response", "conversation_id": "c_1", "usage": usage}
    call = {"type": "function.call", "id": "fc_1", "tool_call_id": "call_1", "name": "add"}
    said = {"type": "message.output", "id": "msg_1", "model": "m", "content": "3"}
    server.answer = {**whole, "outputs": [{**call, "arguments": "{}"}]}

    def add() -> int:
        """Adds."""
        server.answer = {**whole, "outputs": [said]}
        jump()
        return 3

    async def run() -> None:
        async with (
            sdk.Mistral(api_key="key", server_url=server.url) as client,
            RunContext(model="m") as entered,
        ):
            context: Any = entered
            context.register_func(add)
            await client.beta.conversations.run_async(run_ctx=context, inputs="?")

    if before:
        jump()
    asyncio.run(run())
    jump.restore()
    assert {span.name for span in recorded.spans()} >= {"invoke_agent", "execute_tool add"}
    no_duration_is_absurd(recorded)


def test_the_clocks_do_jump(jump: Jumps, request: pytest.FixtureRequest) -> None:
    before = time.time_ns(), time.monotonic_ns()
    jump()
    during = time.time_ns(), time.monotonic_ns()
    moved = [there - here for here, there in zip(before, during, strict=True)]
    away = [abs(jumped) > 10**9 * _MAX_SECONDS for jumped in moved]
    stands = [time.time_ns(), time.monotonic_ns()] == list(during)
    assert any(away) or stands or "frozen" in request.node.name
    jump()
    assert abs(time.time_ns() - before[0]) < 10**9 * _MAX_SECONDS
