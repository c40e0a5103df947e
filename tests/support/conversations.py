# SPDX-License-Identifier: Apache-2.0
"""Conversations of the emulator, as a blocking program holds them and as one on asyncio does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.support.sdk import Mistral

Run = Callable[..., Any]


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


Ask = Callable[..., Any]


def ask_sync(client: Any, scenario: str, method: str = "start", **arguments: Any) -> Any:
    """Calls the method."""
    return getattr(client.beta.conversations, method)(**with_defaults(scenario, arguments))


def ask_async(client: Any, scenario: str, method: str = "start", **arguments: Any) -> Any:
    """Calls the async twin, in an event loop of its own."""

    async def answer() -> Any:
        async with Mistral(api_key="key", server_url=client.sdk_configuration.server_url) as own:
            twin = getattr(own.beta.conversations, f"{method}_async")
            return await twin(**with_defaults(scenario, arguments))

    return asyncio.run(answer())
