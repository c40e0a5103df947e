# SPDX-License-Identifier: Apache-2.0
"""How many time series conversations make in Prometheus."""

from __future__ import annotations

from itertools import islice
from typing import Any

from mistralai.client import Mistral
from mistralai.client.errors import MistralError
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry

from emulator import serve
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument

_MODEL = "mistral-medium-latest"
# What happens in one process, in this order: the scenario, what is asked, how much is read.
_STORY: tuple[tuple[str, str, dict[str, Any], int | None], ...] = (
    ("a first conversation, which completes", "answer", {"model": _MODEL}, None),
    ("the same again", "answer", {"model": _MODEL}, None),
    ("one that is left early", "answer", {"model": _MODEL}, 3),
    ("one that is refused", "http_429", {"model": _MODEL}, None),
    ("one with a connector", "web_search", {"model": _MODEL}, None),
    ("one with another model", "answer", {"model": "mistral-small-latest"}, None),
)


def series(*, latest: bool) -> dict[str, int]:
    """The series that each step adds to those before it.

    Args:
        latest: in latest mode.
    """
    registry = CollectorRegistry()
    meter_provider = MeterProvider(
        [PrometheusMetricReader(registry=registry)], shutdown_on_exit=False
    )
    instrument(meter_provider=meter_provider, metric_names="latest" if latest else "v1.41")
    added: dict[str, int] = {}
    try:
        with serve() as emulator, Mistral(api_key="none", server_url=emulator.url) as client:
            for what, scenario, asked, read in _STORY:
                _converse(client, scenario, asked, read)
                added[what] = _count(registry) - sum(added.values())
    finally:
        uninstrument()
        meter_provider.shutdown()
    return added


def _converse(client: Mistral, scenario: str, asked: dict[str, Any], read: int | None) -> None:
    headers = {"x-emulator-scenario": scenario}
    try:
        with client.beta.conversations.start_stream(
            inputs="Hello?", http_headers=headers, **asked
        ) as stream:
            for _ in islice(stream, read):
                pass
    except MistralError:
        # Its error is what is to be counted.
        assert scenario == "http_429"


def _count(registry: CollectorRegistry) -> int:
    return sum(
        len(family.samples)
        for family in registry.collect()
        if family.name.startswith(("gen_ai_", "mistral_ai_"))
    )
