# SPDX-License-Identifier: Apache-2.0
"""The README's tables of attributes and metrics, made from what the plugin really emits.

``python -m tests.end_to_end.readme_tables`` writes them into the README; a test fails when they
are stale.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from emulator import serve
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from opentelemetry.instrumentation.genai.mistralai._surface import SURFACES
from tests.end_to_end.conftest import read_sync
from tests.end_to_end.sdk import Mistral

README = Path(__file__).parents[2] / "README.md"
_TYPES: dict[type, str] = {
    str: "string",
    int: "int",
    float: "double",
    bool: "boolean",
    tuple: "string[]",
}
_EVERY_SETTING = {
    "temperature": 0.3, "top_p": 0.9, "max_tokens": 9, "stop": ["END"], "random_seed": 1,
    "presence_penalty": 0.1, "frequency_penalty": 0.1, "reasoning_effort": "high",
    "response_format": {"type": "text"},
}  # fmt: skip


class _Attributes(SpanProcessor):
    """Notes each attribute's type, and whether it is there at the start or comes with the end."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}
        self.at_start: set[str] = set()
        self.at_end: set[str] = set()

    def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 -- interface
        self._starting = self._names(span)
        self.at_start |= self._starting

    def on_end(self, span: ReadableSpan) -> None:
        self.at_end |= self._names(span) - self._starting

    def _names(self, span: ReadableSpan) -> set[str]:
        attributes = {
            re.sub(r"(usage\.connectors)\..*", r"\1.{name}", key): _TYPES[type(value)]
            for key, value in (span.attributes or {}).items()
        }
        self.seen |= attributes
        return set(attributes)

    def when(self, name: str) -> str:
        """When the attribute is set."""
        moments = {"start": self.at_start, "end": self.at_end}
        return " or ".join(moment for moment, names in moments.items() if name in names)


def tables() -> dict[str, str]:
    """Runs conversations of every kind and describes what came out."""
    attributes, reader = _Attributes(), InMemoryMetricReader()
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(attributes)
    meter_provider = MeterProvider([reader], shutdown_on_exit=False)
    instrument(
        tracer_provider=tracer_provider, meter_provider=meter_provider, record_chunk_times=True
    )
    try:
        _converse()
    finally:
        uninstrument()
    seen = sorted(attributes.seen.items())
    rows = [f"| `{name}` | {kind} | {attributes.when(name)} |" for name, kind in seen]
    spans = ["| attribute | type | set at |", "|---|---|---|", *rows]
    metrics = ["| metric | kind | unit | what |", "|---|---|---|---|", *_metric_rows(reader)]
    return {
        "coverage": "\n".join(_coverage()),
        "attributes": "\n".join(spans),
        "metrics": "\n".join(metrics),
    }


def _coverage() -> list[str]:
    rows = [
        f"| `client.beta.{surface.module}.{surface.method}` | `{surface.method}_async` |"
        for surface in SURFACES
    ]
    return ["| method | async twin |", "|---|---|", *rows]


def _converse() -> None:
    with serve() as emulator, Mistral(api_key="key", server_url=emulator.url) as client:
        read_sync(client, "web_search", model="m", completion_args=_EVERY_SETTING,
                  http_headers={"x-emulator-clock-offset": "3600"})  # fmt: skip
        read_sync(client, "handoff", agent_id="ag_triage", agent_version=1)
        read_sync(client, "answer", method="append_stream", conversation_id="conv")
        read_sync(client, "answer", method="restart_stream", conversation_id="conv",
                  from_entry_id="entry")  # fmt: skip
        with pytest.raises(Exception, match="429"):
            read_sync(client, "http_429")


def _metric_rows(reader: InMemoryMetricReader) -> list[str]:
    data = reader.get_metrics_data()
    assert data is not None
    found = [
        metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    return [
        f"| `{metric.name}` | {'Counter' if hasattr(metric.data, 'is_monotonic') else 'Histogram'} "
        f"| `{metric.unit}` | {metric.description} |"
        for metric in sorted(found, key=lambda metric: metric.name)
    ]


def with_tables(readme: str) -> str:
    """The README with its tables as they should be."""
    for name, table in tables().items():
        begin = f"<!-- {name}: made by tests/end_to_end/readme_tables.py -->"
        end = f"<!-- /{name} -->"
        before, found, rest = readme.partition(begin)
        _, closed, after = rest.partition(end)
        assert found, f"README has no {begin}"
        assert closed, f"README has no {end}"
        readme = f"{before}{begin}\n{table}\n{end}{after}"
    return readme


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
