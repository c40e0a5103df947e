# SPDX-License-Identifier: Apache-2.0
"""What the programs of these tests begin with: a client, and spans as lines on stdout.

``sys.argv[1]`` is the emulator's URL, ``sys.argv[2]`` is ``bare`` or ``instrumented``.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

from opentelemetry.instrumentation.genai.mistralai import instrument
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.end_to_end.programs import emit, exporting
from tests.end_to_end.sdk import Mistral, httpx
from tests.end_to_end.usages import asking

BARE: Final = sys.argv[2] == "bare"
URL: Final = sys.argv[1]
INPUT: Final = "gen_ai.client.inference.usage.input_tokens"
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


def recorded(**options: Any) -> InMemoryMetricReader:
    """Makes providers of a usual kind, instruments, and returns what reads the metrics."""
    reader = InMemoryMetricReader()
    switch_on(
        tracer_provider=exporting(),
        meter_provider=MeterProvider([reader], shutdown_on_exit=False),
        **options,
    )
    return reader


def counted(reader: InMemoryMetricReader, name: str = INPUT) -> int:
    """The sum of all points of a counter."""
    data = reader.get_metrics_data()
    return sum(
        point.value
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
        if hasattr(point, "value")
    )


def conversation(client: Any, scenario: str = "agent", **arguments: Any) -> Any:
    """Starts a conversation's stream."""
    return client.beta.conversations.start_stream(**asking(scenario, **arguments))


def chat(client: Any, scenario: str = "chat") -> Any:
    """Starts a chat's stream."""
    headers = {"x-emulator-scenario": scenario}
    return client.chat.stream(
        model="mistral-small-latest", messages=MESSAGES, http_headers=headers
    )


def complete(client: Any) -> Any:
    """Makes a call that is not streamed."""
    return client.chat.complete(model="mistral-small-latest", messages=MESSAGES)


class Said(logging.Handler):
    """Keeps what is logged as a warning or worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a line."""
        self.messages.append(record.getMessage())


__all__ = [
    "BARE", "MESSAGES", "URL", "Said", "chat", "client_of", "complete", "conversation", "counted",
    "emit", "exporting", "recorded", "switch_on",
]  # fmt: skip
