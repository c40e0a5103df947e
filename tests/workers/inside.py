# SPDX-License-Identifier: Apache-2.0
"""What the programs of these tests begin with: a client, and spans as lines on stdout.

``sys.argv[1]`` is the emulator's URL, ``sys.argv[2]`` is ``bare`` or ``instrumented``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from opentelemetry.instrumentation.genai.mistralai import instrument
from tests.support.programs import emit, exporting
from tests.support.sdk import Mistral, httpx
from tests.support.usages import asking

BARE: Final = sys.argv[2] == "bare"
URL: Final = sys.argv[1]
MESSAGES: Final = [{"role": "user", "content": "Hello?"}]


def client_of(url: str) -> Any:
    """A client of the real SDK, without certificates, which take 40 ms."""
    options = {"verify": False, "trust_env": False}
    return Mistral(
        api_key="key",
        server_url=url,
        client=httpx.Client(**options),
        async_client=httpx.AsyncClient(**options),
    )


def switch_on(**options: Any) -> None:
    """Instruments, unless this is the bare program."""
    if not BARE:
        instrument(**options)


def recorded(**options: Any) -> None:
    """Makes providers of a usual kind, and instruments."""
    switch_on(
        tracer_provider=exporting(),
        meter_provider=MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False),
        **options,
    )


def conversation(client: Any, scenario: str = "agent", **arguments: Any) -> Any:
    """Starts a conversation's stream."""
    return client.beta.conversations.start_stream(**asking(scenario, **arguments))


def chat(client: Any, scenario: str = "chat") -> Any:
    """Starts a chat's stream."""
    headers = {"x-emulator-scenario": scenario}
    return client.chat.stream(model="mistral-small-latest", messages=MESSAGES, http_headers=headers)


def complete(client: Any) -> Any:
    """Makes a call that is not streamed."""
    return client.chat.complete(model="mistral-small-latest", messages=MESSAGES)


def wait(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Waits for what another thread does, and returns whether it has happened in time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


__all__ = [
    "BARE", "MESSAGES", "URL", "chat", "client_of", "complete", "conversation",
    "emit", "exporting", "recorded", "switch_on", "wait",
]  # fmt: skip
