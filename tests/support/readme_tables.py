# SPDX-License-Identifier: Apache-2.0
"""The documents' tables of attributes, metrics and methods, made from what the plugin really emits.

``python -m tests.support.readme_tables`` writes them into `docs/`; a test fails when they are
stale.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from emulator import serve
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from opentelemetry.instrumentation.genai.mistralai._sdk.calls import Method
from tests.conformance import deviations
from tests.support.agent_runs import add, asking, prepared, run
from tests.support.batches import batch, output
from tests.support.completions import METHODS, ask_sync
from tests.support.conversations import read_sync
from tests.support.methods import calls, methods
from tests.support.sdk import Mistral, retries
from tests.support.sessions import helper

DOCS = Path(__file__).parents[2] / "docs"
# Which document has which table.
PLACES = {
    "coverage": "coverage.md",
    "attributes": "telemetry.md",
    "metrics": "telemetry.md",
    "deviations": "conventions.md",
}
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
_CHAT_SETTINGS: dict[str, Any] = {
    "top_k": 40, "tool_choice": "auto", "parallel_tool_calls": False, "prompt_mode": "reasoning",
    "prompt_cache_key": "tenant-7", "safe_prompt": True, "service_tier": "auto",
}  # fmt: skip
_GUARDRAILS: Any = [{"moderation_llm_v2": {"action": "block"}}]
_LIBRARY = {"type": "document_library", "library_ids": ["lib_1"]}


class _Attributes(SpanProcessor):
    """Notes each attribute's type, and whether it is there at the start or comes with the end."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}
        self.at_start: set[str] = set()
        self.at_end: set[str] = set()
        self._starting: dict[int, set[str]] = {}

    def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 -- interface
        # Apart for each span: those inside a call start before it ends.
        names = self._starting[span.context.span_id] = self._names(span)
        self.at_start |= names

    def on_end(self, span: ReadableSpan) -> None:
        assert span.context is not None
        self.at_end |= self._names(span) - self._starting.pop(span.context.span_id)

    def _names(self, span: ReadableSpan) -> set[str]:
        attributes = {
            re.sub(r"(usage\.connectors|ai\.guardrails)\..*", r"\1.{name}", key): _TYPES[
                type(value)
            ]
            for key, value in (span.attributes or {}).items()
        }
        self.seen |= attributes
        return set(attributes)

    def when(self, name: str) -> str:
        """When the attribute is set."""
        moments = {"start": self.at_start, "end": self.at_end}
        return " or ".join(moment for moment, names in moments.items() if name in names)


def tables() -> dict[str, str]:
    """Makes calls of every kind and describes what came out."""
    attributes, reader = _Attributes(), InMemoryMetricReader()
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(attributes)
    meter_provider = MeterProvider([reader], shutdown_on_exit=False)
    instrument(
        tracer_provider=tracer_provider, meter_provider=meter_provider, record_chunk_times=True
    )
    try:
        use()
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
        "deviations": deviations.listed(),
    }


# Methods that call one of the table.
_INSIDE = {"complete": "parse", "stream": "parse_stream"}


def _coverage() -> list[str]:
    names: dict[str, str] = {}
    for name, row in methods().items():
        names[f"client.{name}"] = f"`{row.method}_async`" if isinstance(row, Method) else "is async"
        if row.cls == "Chat":
            inside = _INSIDE[row.method]
            names[f"client.chat.{inside}"] = f"`{inside}_async`"
    rows = [f"| `{name}` | {twin} |" for name, twin in names.items()]
    return ["| method | async twin |", "|---|---|", *rows]


def use() -> None:
    """Makes calls of every kind."""
    with serve() as emulator, Mistral(api_key="key", server_url=emulator.url) as client:
        _converse(client)
        _complete(client)
        _use_the_rest(client)
        asyncio.run(_run(emulator.url))
        batch(emulator, output)


def _converse(client: Any) -> None:
    read_sync(client, "web_search", model="m", completion_args=_EVERY_SETTING,
              http_headers={"x-emulator-clock-offset": "3600"})  # fmt: skip
    read_sync(client, "answer", model="m", tools=[_LIBRARY])
    client.beta.conversations.start(model="m", inputs="Hello?", guardrails=_GUARDRAILS,
                                    http_headers={"x-emulator-scenario": "guardrails"})  # fmt: skip
    confirmed = [{"tool_call_id": "tool_1", "confirmation": "allow"},
                 {"tool_call_id": "tool_2", "confirmation": "deny"}]  # fmt: skip
    read_sync(client, "web_search", method="append_stream", conversation_id="conv",
              tool_confirmations=confirmed)  # fmt: skip
    read_sync(client, "handoff", agent_id="ag_triage", agent_version=1)
    read_sync(client, "answer", method="append_stream", conversation_id="conv")
    read_sync(client, "answer", method="restart_stream", conversation_id="conv",
              from_entry_id="entry")  # fmt: skip
    with pytest.raises(Exception, match="429"):
        read_sync(client, "http_429")


def _complete(client: Any) -> None:
    for method in METHODS:
        ask_sync(client, method, "chat_cached")
    ask_sync(client, "chat.stream", "chat_choices", n=2)
    again = {"x-emulator-scenario": "retry_then_ok", "x-emulator-correlation-id": "0199"}
    ask_sync(client, "chat.complete", **_CHAT_SETTINGS, retries=retries(), http_headers=again)
    ask_sync(client, "chat.complete", "chat_tier")
    with pytest.raises(Exception, match="429"):
        ask_sync(client, "chat.complete", "http_429_wait")


def _use_the_rest(client: Any) -> None:
    for method, given in calls():
        ask_sync(client, method, **given)
    ask_sync(client, "embeddings.create", model="m", inputs="Hello?", output_dimension=4,
             encoding_format="float")  # fmt: skip
    ask_sync(client, "responses.create", model="m", input="Hello?", previous_response_id="resp_0")


async def _run(url: str) -> None:
    async with asking(url, "loop_add") as conversations:
        await run(conversations, prepared(add), streamed=False)
    async with Mistral(api_key="key", server_url=url) as client:
        for kind in ("realtime", "realtime_speech"):
            async for _ in helper(client, kind):
                pass


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


def with_tables(documents: Mapping[str, str]) -> dict[str, str]:
    """The documents with their tables as they should be.

    Args:
        documents: texts by name; each that `PLACES` names.
    """
    changed = dict(documents)
    for name, table in tables().items():
        place = PLACES[name]
        begin = f"<!-- {name}: made by tests/support/readme_tables.py -->"
        end = f"<!-- /{name} -->"
        before, found, rest = changed[place].partition(begin)
        _, closed, after = rest.partition(end)
        assert found, f"{place} has no {begin}"
        assert closed, f"{place} has no {end}"
        changed[place] = f"{before}{begin}\n{table}\n{end}{after}"
    return changed


def documents() -> dict[str, str]:
    """The documents with tables, as they are."""
    return {name: (DOCS / name).read_text() for name in sorted(set(PLACES.values()))}


if __name__ == "__main__":
    for document, text in with_tables(documents()).items():
        (DOCS / document).write_text(text)
