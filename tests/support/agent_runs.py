# SPDX-License-Identifier: Apache-2.0
"""Agent loops against the emulator: how they are made, and run."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support import sdk

RunContext: Final[Any] = importlib.import_module("mistralai.extra.run.context").RunContext
RunException: Final[Any] = importlib.import_module("mistralai.extra.exceptions").RunException
MODEL: Final = "mistral-medium-latest"
# Before 2.3.2 no tool waits for a human's confirmation.
DEFERS: Final = sdk.VERSION >= (2, 3, 2)
STREAMED: Final = pytest.mark.parametrize(
    "streamed", [False, True], ids=["run_async", "run_stream_async"]
)
_keys: Final = itertools.count()


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


async def whoami() -> str:
    """Tells who it is."""
    return "a function"


@asynccontextmanager
async def asking(url: str, scenario: str) -> AsyncGenerator[Any, None]:
    """``beta.conversations`` of a client whose requests get the answers of a scenario, in order.

    The emulator counts them for each API key. The scenario is a header of the HTTP client, since on
    most lines the SDK's loops do not pass the caller's headers on to the requests after the first.
    """
    headers = {"x-emulator-scenario": scenario}
    with sdk.httpx.Client(transport=_Agents(url)) as http:
        async with sdk.httpx.AsyncClient(headers=headers, transport=_Agents(url)) as own:
            key = f"key {next(_keys)}"
            client = sdk.Mistral(api_key=key, server_url=url, client=http, async_client=own)
            yield client.beta.conversations


def prepared(*tools: Callable[..., Any], **options: Any) -> Any:
    """A context of a run with these functions, of a model unless it says another."""
    given: dict[str, Any] = {} if options.keys() & {"model", "agent_id"} else {"model": MODEL}
    context = RunContext(**given, **options)
    for tool in tools:
        context.register_func(tool)
    return context


async def run(
    conversations: Any,
    context: Any,
    *,
    streamed: bool,
    inputs: Any = "1 + 2?",
    heard: list[Any] | None = None,
) -> Any:
    """Runs a loop to its end, one way or the other; returns the SDK's ``RunResult``.

    Args:
        conversations: the SDK's.
        context: of the run.
        streamed: the way.
        inputs: what is asked.
        heard: gets each event of a stream as it comes.
    """
    heard = [] if heard is None else heard
    if not streamed:
        return await conversations.run_async(run_ctx=context, inputs=inputs)
    stream = await conversations.run_stream_async(run_ctx=context, inputs=inputs)
    async for event in stream:
        heard.append(event)
    return heard[-1]


def mcp_client() -> Any:
    """The SDK's own client of the server in ``mcp_server.py``."""
    stdio = importlib.import_module("mistralai.extra.mcp.stdio")
    script = str(Path(__file__).with_name("mcp_server.py"))
    parameters = importlib.import_module("mcp").StdioServerParameters
    return stdio.MCPClientSTDIO(parameters(command=sys.executable, args=[script]))


class _Agents:
    """Sends requests, and answers those about agents itself, which the emulator does not know."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._sync = sdk.httpx.HTTPTransport(verify=False)
        self._async = sdk.httpx.AsyncHTTPTransport(verify=False)

    def handle_request(self, request: Any) -> Any:
        return self._agent(request) or self._sync.handle_request(request)

    async def handle_async_request(self, request: Any) -> Any:
        return self._agent(request) or await self._async.handle_async_request(request)

    def _agent(self, request: Any) -> Any:
        folder, _, name = str(request.url).rpartition("/")
        if folder != f"{self._url}/v1/agents":
            return None
        at = "2026-11-01T12:00:00Z"
        known: dict[str, Any] = {
            "object": "agent",
            "id": name,
            "name": "adder",
            "model": MODEL,
            "tools": [],
        }
        more = {"version": 0, "versions": [0], "created_at": at, "updated_at": at, "source": "api"}
        more["deployment_chat"] = False
        return sdk.httpx.Response(200, json={**known, **more})

    def __enter__(self) -> _Agents:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._sync.close()

    async def __aenter__(self) -> _Agents:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._async.aclose()
