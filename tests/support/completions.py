# SPDX-License-Identifier: Apache-2.0
"""Completions of the emulator: how they are asked for, and what their spans say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import pytest
from pydantic import BaseModel

from emulator import Emulator
from tests.support import names as s
from tests.support import sdk
from tests.support.fakes import typed
from tests.support.recording import Recording, Span

MODEL: Final = "mistral-small-latest"
MESSAGES: Final = [{"role": "user", "content": "Hello?"}]
# The least that each method must be given.
ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "chat": {"model": MODEL, "messages": MESSAGES},
    "agents": {"agent_id": "ag_1", "messages": MESSAGES},
    "fim": {"model": "codestral-latest", "prompt": "def larger(a, b):"},
}
METHODS: Final = [f"{api}.{kind}" for api in ARGUMENTS for kind in ("complete", "stream")]
# Before 1.9 the SDK drops what its model of usage does not know: cached and reasoning tokens.
KEEPS_EXTRA_USAGE: Final = sdk.VERSION >= (1, 9)

Ask = Callable[..., Any]


def arguments(method: str, scenario: str | None = None, **more: Any) -> dict[str, Any]:
    """All arguments of a call, which the emulator answers with this scenario."""
    headers = {"http_headers": {"x-emulator-scenario": scenario}} if scenario else {}
    return {**ARGUMENTS.get(method.partition(".")[0], {}), **headers, **more}


def named(client: Any, method: str) -> Any:
    """The method of this dotted name."""
    for name in method.split("."):
        client = getattr(client, name)
    return client


def is_stream(result: Any) -> bool:
    """Whether a call answered with one of the SDK's streams."""
    return type(result).__name__.startswith(("EventStream", "JsonLStream"))


def ask_sync(client: Any, method: str, scenario: str | None = None, **more: Any) -> Any:
    """Makes a call; of a stream, reads all events."""
    result = named(client, method)(**arguments(method, scenario, **more))
    return list(result) if is_stream(result) else result


def ask_async(client: Any, method: str, scenario: str | None = None, **more: Any) -> Any:
    """The same with the async twin, in an event loop and with a client of its own."""

    async def ask() -> Any:
        # Without verify=False, loading certificates takes longer than all the rest.
        async with sdk.httpx.AsyncClient(verify=False) as http:
            known = client.sdk_configuration
            own = sdk.Mistral(
                "key", server_url=known.server_url, client=known.client, async_client=http
            )
            result = await named(own, f"{method}_async")(**arguments(method, scenario, **more))
            return [event async for event in result] if is_stream(result) else result

    return asyncio.run(ask())


BOTH: Final = pytest.mark.parametrize("ask", [ask_sync, ask_async], ids=["sync", "async"])


def place(emulator: Emulator) -> dict[str, Any]:
    """What every span and every metric of a call says."""
    return {
        s.PROVIDER_NAME: "mistral_ai",
        s.SERVER_ADDRESS: "127.0.0.1",
        s.SERVER_PORT: int(emulator.url.rpartition(":")[2]),
    }


def usage(prompt: int, completion: int, total: int) -> dict[str, Any]:
    """Usage as the attributes of a span."""
    return {
        s.USAGE_INPUT_TOKENS: prompt,
        s.USAGE_OUTPUT_TOKENS: completion,
        s.USAGE_TOTAL_TOKENS: total,
    }


def answered(model: str, *reasons: str) -> dict[str, Any]:
    """What a completion says of itself."""
    identity = {s.RESPONSE_ID: "cmpl_1", s.RESPONSE_MODEL: model}
    return {**identity, s.RESPONSE_FINISH_REASONS: list(reasons)}


def whole(recording: Recording, *, streamed: bool) -> Span:
    """The only span; of a stream, without what only the run can tell, once that is checked."""
    span = recording.span()
    if streamed:
        first_chunk = span.attributes.pop(s.RESPONSE_TIME_TO_FIRST_CHUNK)
        took = recording.the_span()
        assert isinstance(first_chunk, float)
        assert 0 < first_chunk <= ((took.end_time or 0) - (took.start_time or 0)) / 1e9
        assert span.attributes.pop(s.REQUEST_STREAM) is True
        assert span.attributes.pop(s.STREAM_OUTCOME) == "completed"
    return span


def assert_is(span: Span, expected: Span) -> None:
    """Compares two whole spans, and the types of all attributes: 1 == 1.0 == True."""
    assert typed(span.attributes) == typed(expected.attributes)
    assert span == expected


class City(BaseModel):
    """What `parse` makes of the emulator's JSON."""

    city: str
    population: int
