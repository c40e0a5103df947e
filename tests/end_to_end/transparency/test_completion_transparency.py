# SPDX-License-Identifier: Apache-2.0
"""Whatever a program does with a completion, it cannot tell that it is watched."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import methods, sdk
from tests.support import names as s
from tests.support.completion_usages import (
    OF_CHAT,
    async_program,
    forgets,
    forms,
    looks,
    stable,
    sync_program,
    wrongly,
)
from tests.support.completions import Ask, City, arguments, is_stream, named
from tests.support.observing import Seen, observe
from tests.support.other_calls import SINCE
from tests.support.recording import Recording
from tests.support.usages import OwnError

SCENARIOS: Final = ("http_422", "html", "json_200", "no_answer")


def calls(method: str, given: dict[str, Any], scenario: str | None = None) -> Callable[[Any], Any]:
    """Makes a call and reads its stream in an ``except`` block: exceptions have a context."""
    asked = {**given, **arguments("", scenario, timeout_ms=500 if scenario else 5_000)}

    def body(client: Any) -> Any:
        try:
            raise OwnError("before")
        except OwnError:
            result = named(client, method)(**asked)
            return [type(result), *result] if is_stream(result) else result

    return sync_program(body)


def calls_async(
    method: str, given: dict[str, Any], scenario: str | None = None
) -> Callable[[Any], Any]:
    """The same with the async twin."""
    asked = {**given, **arguments("", scenario, timeout_ms=500 if scenario else 5_000)}

    async def body(client: Any) -> Any:
        coroutine = named(client, f"{method}_async")(**asked)
        result = await coroutine
        if is_stream(result):
            return [coroutine.__qualname__, type(result), *[event async for event in result]]
        return [coroutine.__qualname__, result]

    return async_program(body)


def watched(usage: Callable[[Any], Any], emulator: Emulator) -> tuple[Seen, Seen, Recording]:
    """What is seen of a usage without us and with us, and what we recorded."""
    unpatched = observe(usage, emulator)
    made = Recording()
    instrument(**made.providers)
    try:
        return unpatched, observe(usage, emulator), made
    finally:
        uninstrument()


def indistinguishable(usage: Callable[[Any], Any], emulator: Emulator, spans: int = 1) -> Seen:
    """Says that a usage cannot tell that it is watched, and that it was."""
    unpatched, patched, made = watched(usage, emulator)
    assert stable(vars(patched)) == stable(vars(unpatched))
    assert unpatched.context_was_kept
    assert len(made.spans()) == spans
    return unpatched


ASKS: Final = pytest.mark.parametrize("ask", [calls, calls_async], ids=["sync", "async"])


@pytest.fixture(autouse=True, scope="module")
def small_heap(emulator: Emulator) -> Iterator[None]:
    """Lets each of some hundred gc.collect() look at what is new only."""
    observe(calls("chat.complete", arguments("chat")), emulator)
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize(
    ("method", "given"),
    [call for call in methods.calls() if SINCE.get(call[0], (0,)) <= sdk.VERSION],
    ids=lambda value: value if isinstance(value, str) else f"{'stream' in value}",
)
@ASKS
def test_every_call(emulator: Emulator, ask: Ask, method: str, given: dict[str, Any]) -> None:
    assert indistinguishable(ask(method, given), emulator).result[0] == "returned"


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("method", ["chat.complete", "chat.stream"])
@ASKS
def test_every_error(emulator: Emulator, ask: Ask, method: str, scenario: str) -> None:
    seen = indistinguishable(ask(method, arguments("chat"), scenario), emulator)
    assert seen.result[0] == "raised"


@pytest.mark.parametrize("scenario", OF_CHAT)
@ASKS
def test_every_stream(emulator: Emulator, ask: Ask, scenario: str) -> None:
    indistinguishable(ask("chat.stream", arguments("chat"), scenario), emulator)


@pytest.mark.parametrize("scenario", ["chat_no_usage", "chat_cut", "chat_tool_calls"])
@ASKS
def test_other_answers(emulator: Emulator, ask: Ask, scenario: str) -> None:
    indistinguishable(ask("chat.complete", arguments("chat"), scenario), emulator)


@pytest.mark.parametrize("method", ["chat.parse", "chat.parse_stream"])
@ASKS
def test_parse(emulator: Emulator, ask: Ask, method: str) -> None:
    given = arguments("chat", response_format=City)
    indistinguishable(ask(method, given, "chat_json"), emulator)


def messages() -> Iterator[dict[str, str]]:
    """Messages that can be read only once."""
    for content in ("One", "Two"):
        yield {"role": "user", "content": content}


@pytest.mark.parametrize("content", ["no_content", "span_and_event"])
@pytest.mark.parametrize("method", ["chat.complete", "chat.stream", "agents.complete"])
def test_messages_that_can_be_read_only_once_are_left_to_the_sdk(
    emulator: Emulator, method: str, content: str, recording: Recording
) -> None:
    instrument(capture_content=content)

    def body(client: Any) -> Any:
        result = named(client, method)(**arguments(method, messages=messages()))
        return list(result) if is_stream(result) else result

    seen = observe(sync_program(body), emulator)
    assert seen.result[0] == "returned"
    (request,) = emulator.requests
    assert [message["content"] for message in request.body["messages"]] == ["One", "Two"]
    assert s.INPUT_MESSAGES not in recording.span().attributes


@pytest.mark.parametrize(("body", "spans"), [(forms, 12), (wrongly, 6), (forgets, 2), (looks, 1)])
def test_other_programs(emulator: Emulator, body: Callable[[Any], Any], spans: int) -> None:
    assert indistinguishable(sync_program(body), emulator, spans).result[0] == "returned"
