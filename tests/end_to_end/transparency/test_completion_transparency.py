# SPDX-License-Identifier: Apache-2.0
"""Whatever a program does with a completion, it cannot tell that it is watched."""

from __future__ import annotations

import copy
import gc
import importlib
import re
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.end_to_end.completions.test_completion_endings import CALLS
from tests.end_to_end.completions.test_other_calls import SINCE
from tests.support import sdk
from tests.support.completions import Ask, City, arguments, is_stream, named
from tests.support.observing import Seen, observe
from tests.support.recording import Recording
from tests.support.usages import OwnError

_TIMES: Final[dict[Any, str]] = {"created": "a time", "created_at": "a time"}
_VOLATILE: Final = re.compile(r"(boundary=|created(?:_at)?\W+)\w+")
SCENARIOS: Final = ("http_422", "html", "json_200", "no_answer")
OF_CHAT: Final = (
    "chat_choices", "chat_tool_calls", "chat_cached", "chat_no_usage", "chat_usage_after",
    "chat_no_finish", "chat_empty", "chat_cut", "chat_reset", "chat_hang", "chat_inside_chunk",
    "chat_broken_json", "chat_error_midway", "chat_deprecated", "chat_after_done", "chat_ping",
)  # fmt: skip


def sync_program(body: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A usage, which is given ``client.beta.conversations``, of the client that it belongs to."""

    def program(conversations: Any) -> Any:
        client = sdk.Mistral(
            "key",
            server_url=conversations.sdk_configuration.server_url,
            client=conversations.sdk_configuration.client,
            async_client=conversations.sdk_configuration.async_client,
        )
        return body(client)

    return program


def async_program(body: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def program(conversations: Any) -> Any:
        return await sync_program(body)(conversations)

    return program


def calls(method: str, given: dict[str, Any], scenario: str | None = None) -> Callable[[Any], Any]:
    """Makes a call and reads its stream in an ``except`` block: exceptions have a context."""
    asked = {**given, **arguments("", scenario, timeout_ms=100 if scenario else 5_000)}

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
    asked = {**given, **arguments("", scenario, timeout_ms=100 if scenario else 5_000)}

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


def stable(seen: Any) -> Any:
    """What was seen, without seconds since 1970 and the boundaries in forms."""
    kind: type = seen.__class__
    if kind is dict:
        return {key: _TIMES.get(key) or stable(value) for key, value in seen.items()}
    if kind in (list, tuple):
        return [stable(item) for item in seen]
    return _VOLATILE.sub(r"\1", seen) if kind is str else seen


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
    [call for call in CALLS if SINCE.get(call[0], (0,)) <= sdk.VERSION],
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
    assert "gen_ai.input.messages" not in recording.span().attributes


def forms(client: Any) -> Any:
    models: Any = importlib.import_module(f"{sdk.ROOT}.models")
    unset: Any = importlib.import_module(f"{sdk.ROOT}.types").UNSET
    results: list[Any] = []
    given: list[Any] = [
        [{"role": "user", "content": "Hello"}],
        ({"role": "user", "content": [{"type": "text", "text": "Hello"}]},),
        [models.SystemMessage(content="Hi"), models.UserMessage(content="Hello")],
    ]
    for said in given:
        kept = copy.deepcopy(said)
        for value in (unset, None):
            nothing = {"temperature": value, "max_tokens": value, "stop": None, "tools": value}
            results.append(client.chat.complete(model="m", messages=said, **nothing))
            results.append(list(client.chat.stream(model="m", messages=said, **nothing)))
        assert said == kept
    return results


def wrongly(client: Any) -> Any:
    errors: list[Any] = []
    for call in (client.chat.complete, client.chat.complete_async, client.embeddings.create):
        for args, more in (((), {"temprature": 1}), (("Hello",), {})):
            try:
                call(*args, **more, model="m")
            except TypeError as exc:
                errors.append(exc)
    return errors


def forgets(client: Any) -> Any:
    gone: list[bool] = []
    kept: Callable[[], Any] = object
    for scenario in ("http_404", "chat_cut"):
        try:
            list(client.chat.stream(**arguments("chat", scenario)))
        except Exception as exc:  # noqa: BLE001 -- which one is compared elsewhere
            kept = weakref.ref(exc)
            del exc
        gone.append(kept() is None)
    return gone


def looks(client: Any) -> Any:
    stream = client.chat.stream(**arguments("chat"))
    told: list[Any] = [
        stream.__class__,
        iter(stream) is stream,
        sorted(stream.__dict__),
        next(stream),
    ]
    with stream as same:
        told += [same is stream, next(stream)]
    return [*told, stream.response.is_closed, stream.response.status_code]


@pytest.mark.parametrize(("body", "spans"), [(forms, 12), (wrongly, 6), (forgets, 2), (looks, 1)])
def test_other_programs(emulator: Emulator, body: Callable[[Any], Any], spans: int) -> None:
    assert indistinguishable(sync_program(body), emulator, spans).result[0] == "returned"
