# SPDX-License-Identifier: Apache-2.0
"""A few conversations that differ in what Prometheus is asked about."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

from mistralai.client import Mistral
from mistralai.client.errors import MistralError
from mistralai.client.models import UserMessage, WebSearchTool

from emulator import serve

MEDIUM, SMALL = "mistral-medium-latest", "mistral-small-latest"
_QUESTION = "What does OpenTelemetry say about a stream?"


@contextmanager
def a_client() -> Generator[Mistral]:
    """Mistral's API where there is a key, else the emulator."""
    if key := os.environ.get("MISTRAL_API_KEY"):
        with Mistral(api_key=key) as client:
            yield client
        return
    with serve() as emulator, Mistral(api_key="none", server_url=emulator.url) as client:
        yield client


def hold(client: Mistral) -> int:
    """Holds them, one after the other, and returns how many they were."""
    _stream(client, "answer", model=MEDIUM)
    _stream(client, "web_search", model=MEDIUM, tools=[WebSearchTool()])
    _stream(client, "answer", model=SMALL)
    # Left after its first words.
    _stream(client, "answer", read=3, model=SMALL)
    # Refused: there is no such model.
    with suppress(MistralError):
        _stream(client, "http_404", model="mistral-unknown")
    client.chat.complete(model=MEDIUM, messages=[UserMessage(content=_QUESTION)])
    agent_id = os.environ.get("MISTRAL_AGENT_ID")
    if not agent_id and os.environ.get("MISTRAL_API_KEY"):
        return 6
    _stream(client, "handoff_chain", agent_id=agent_id or "ag_triage")
    return 7


def _stream(client: Mistral, scenario: str, *, read: int | None = None, **arguments: Any) -> None:
    # What the emulator is to answer; Mistral's API decides for itself.
    headers = {"x-emulator-scenario": scenario}
    with client.beta.conversations.start_stream(
        inputs=_QUESTION, http_headers=headers, **arguments
    ) as stream:
        for _ in islice(stream, read):
            pass
