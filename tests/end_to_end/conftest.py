# SPDX-License-Identifier: Apache-2.0
"""The emulator, the real SDK, and providers in memory, for every end-to-end test."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emulator import Emulator, serve
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support.recording import Recording
from tests.support.sdk import Mistral


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """One emulator for all tests."""
    with serve() as running:
        yield running


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Any]:
    """A client of the real SDK; the emulator has forgotten earlier requests."""
    emulator.clear()
    with Mistral(api_key="key", server_url=emulator.url) as mistral:
        yield mistral
    # What a test forgot ends with it. Then what is left is the SDK's many modules, which no other
    # test's collections need to look at again: they took a third of all the time.
    gc.collect()
    gc.freeze()


@pytest.fixture
def recording() -> Iterator[Recording]:
    """The plugin, switched on, recording into memory."""
    made = Recording()
    instrument(**made.providers)
    yield made
    uninstrument()


@pytest.fixture(autouse=True)
def no_log_records() -> Iterator[list[logging.LogRecord]]:
    """Fails a test during which anything is logged as a warning or worse; it may clear the list."""
    records: list[logging.LogRecord] = []

    class _Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = _Keep(logging.WARNING)
    logging.getLogger().addHandler(handler)
    yield records
    logging.getLogger().removeHandler(handler)
    assert [record.getMessage() for record in records] == []


Run = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    """Streams a scenario to its end, sync or async; returns the events, raises what comes."""
    return read_sync if request.param == "sync" else read_async


def read_sync(client: Any, scenario: str, method: str = "start_stream", **arguments: Any) -> Any:
    """Calls the method and reads the stream to its end."""
    return list(getattr(client.beta.conversations, method)(**with_defaults(scenario, arguments)))


def read_async(client: Any, scenario: str, method: str = "start_stream", **arguments: Any) -> Any:
    """The same with the async twin, in an event loop of its own."""

    async def read() -> list[Any]:
        # A client of its own: connections do not outlive the event loop that they were made in.
        async with Mistral(api_key="key", server_url=client.sdk_configuration.server_url) as own:
            twin = getattr(own.beta.conversations, f"{method}_async")
            return [event async for event in await twin(**with_defaults(scenario, arguments))]

    return asyncio.run(read())


def with_defaults(scenario: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """A whole call's arguments from those that a test cares about."""
    given: dict[str, Any] = {"inputs": "Hello?", **arguments}
    if not given.keys() & {"model", "agent_id", "conversation_id"}:
        given["model"] = "mistral-medium-latest"
    headers: dict[str, str] = given.pop("http_headers", {})
    return {**given, "http_headers": {"x-emulator-scenario": scenario, **headers}}
