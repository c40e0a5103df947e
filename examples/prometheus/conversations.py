# SPDX-License-Identifier: Apache-2.0
"""A few conversations that differ in what Prometheus is asked about."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any
from uuid import uuid4

from mistralai.client import Mistral
from mistralai.client.errors import MistralError
from mistralai.client.models import UserMessage, WebSearchTool
from mistralai.extra.run.context import RunContext

from emulator import serve

LARGE, MEDIUM, SMALL = "mistral-large-2512", "mistral-medium-latest", "mistral-small-latest"
# Nobody but its owner knows what it costs.
FINE_TUNED = "ft:ministral-8b-2512:acme"
_QUESTION = "What does OpenTelemetry say about a stream?"


@contextmanager
def an_api() -> Generator[str | None]:
    """The emulator's URL; None, for Mistral's API, where there is a key."""
    if os.environ.get("MISTRAL_API_KEY"):
        yield None
        return
    with serve() as emulator:
        yield emulator.url


def hold(server_url: str | None) -> int:
    """Holds them, one after the other, and returns how many they were.

    Args:
        server_url: as `an_api` yields it.
    """
    # The emulator counts the requests of a loop by the key.
    with Mistral(
        api_key=os.environ.get("MISTRAL_API_KEY") or uuid4().hex, server_url=server_url
    ) as client:
        _stream(client, "answer", model=MEDIUM)
        _stream(client, "web_search", model=MEDIUM, tools=[WebSearchTool()])
        _stream(client, "answer", model=SMALL)
        # Left after its first words.
        _stream(client, "answer", read=3, model=SMALL)
        # Refused: there is no such model.
        with suppress(MistralError):
            _stream(client, "http_404", model="mistral-unknown")
        _complete(client, "chat", MEDIUM)
        # Most of its input comes from the cache, most of its output is reasoning.
        _complete(client, "chat_cached", LARGE)
        asyncio.run(_loop(client))
        agent_id = os.environ.get("MISTRAL_AGENT_ID")
        if not agent_id and os.environ.get("MISTRAL_API_KEY"):
            return 8
        _stream(client, "handoff_chain", agent_id=agent_id or "ag_triage")
        if os.environ.get("MISTRAL_API_KEY"):
            return 9
        _complete(client, "chat", FINE_TUNED)
        return 10


def get_weather(city: str) -> str:
    """Tells the weather.

    Args:
        city: where.
    """
    return f"22 degrees in {city}"


async def _loop(client: Mistral) -> None:
    async with client, RunContext(model=SMALL) as context:
        context.register_func(get_weather)  # pyright: ignore[reportUnknownMemberType] -- the SDK's
        await client.beta.conversations.run_async(
            run_ctx=context,
            inputs="How warm is it in Paris?",
            http_headers=_answered("run_function"),
        )


def _complete(client: Mistral, scenario: str, model: str) -> None:
    messages = [UserMessage(content=_QUESTION)]
    client.chat.complete(model=model, messages=messages, http_headers=_answered(scenario))


def _stream(client: Mistral, scenario: str, *, read: int | None = None, **arguments: Any) -> None:
    with client.beta.conversations.start_stream(
        inputs=_QUESTION, http_headers=_answered(scenario), **arguments
    ) as stream:
        for _ in islice(stream, read):
            pass


def _answered(scenario: str) -> dict[str, str]:
    # What the emulator is to answer; Mistral's API decides for itself.
    return {"x-emulator-scenario": scenario}
