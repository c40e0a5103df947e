# SPDX-License-Identifier: Apache-2.0
"""How each instrumentation is switched on, and where what it records is read."""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from opentelemetry.sdk.trace import SpanProcessor

from tests.support.recording import Recording

Row = dict[str, Any]


def _module(name: str) -> Any:
    return importlib.import_module(name)


class _Keeps(SpanProcessor):
    """Keeps what was started: the span itself knows whether it has ended."""

    def __init__(self, kept: list[Any]) -> None:
        self._kept = kept

    def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 -- interface
        self._kept.append(span)


class OpenTelemetry:
    """Whatever is recorded with the global providers of OpenTelemetry."""

    def __init__(self) -> None:
        self.recording = Recording()
        self._spans: list[Any] = []
        self.recording.tracer_provider.add_span_processor(_Keeps(self._spans))
        _module("opentelemetry.trace").set_tracer_provider(self.recording.tracer_provider)
        _module("opentelemetry.metrics").set_meter_provider(self.recording.meter_provider)
        _module("opentelemetry._logs").set_logger_provider(self.recording.logger_provider)

    def rows(self) -> list[Row]:
        """The spans so far, ended or not, oldest first."""
        scopes = {span.context.span_id: span.instrumentation_scope.name for span in self._spans}
        return [
            {
                "scope": span.instrumentation_scope.name,
                "name": span.name,
                "kind": span.kind.name,
                "status": span.status.status_code.name,
                "parent": scopes.get(span.parent.span_id, "caller") if span.parent else None,
                "end": span.end_time,
                "start": span.start_time,
                "attributes": dict(span.attributes or {}),
                "events": [
                    {"name": event.name, "attributes": dict(event.attributes or {})}
                    for event in span.events
                ],
            }
            for span in self._spans
        ]

    def forget(self) -> None:
        """Forgets the spans so far."""
        self._spans.clear()

    def logs(self) -> list[Row]:
        """The log events so far."""
        return [
            {"name": record.event_name, "attributes": sorted(record.attributes or {})}
            for record in self.recording.logs()
        ]

    def metrics(self) -> dict[str, list[dict[str, Any]]]:
        """Each metric with the attributes of its series."""
        return {
            name: [attributes for attributes, _ in points]
            for name, points in sorted(self.recording.metrics().items())
        }


class Datadog(OpenTelemetry):
    """ddtrace, whose spans are its own; those that never end are not seen."""

    def __init__(self) -> None:
        os.environ["DD_TRACE_ENABLED"] = "true"
        os.environ["DD_INSTRUMENTATION_TELEMETRY_ENABLED"] = "false"
        super().__init__()
        self._seen: list[Row] = []
        seen = self._seen

        def process_trace(_filter: object, spans: list[Any]) -> None:
            seen.extend(_of_datadog(span) for span in spans)

        trace = _module("ddtrace.trace")
        keeps = type("Keeps", (trace.TraceFilter,), {"process_trace": process_trace})
        trace.tracer.configure(trace_processors=[keeps()])
        _module("ddtrace").patch(mistralai=True)

    def rows(self) -> list[Row]:
        """Its spans."""
        return [*self._seen]

    def forget(self) -> None:
        """Forgets them."""
        self._seen.clear()


def _of_datadog(span: Any) -> Row:
    return {
        "scope": "ddtrace",
        "name": span.name,
        "kind": span.span_type or "",
        "status": "ERROR" if span.error else "UNSET",
        "parent": "ddtrace" if span.parent_id else None,
        "start": span.start_ns,
        "end": span.start_ns + (span.duration_ns or 0),
        "attributes": {"resource": span.resource, **span.get_tags(), **span.get_metrics()},
        "events": [],
    }


class Braintrust(OpenTelemetry):
    """Braintrust, whose spans are rows of its own log; a row that never ends has no end."""

    def __init__(self) -> None:
        super().__init__()
        helpers = _module("braintrust.test_helpers")
        # As its own tests do; another thread finds the logger in the state.
        logger = _module("braintrust.logger")
        in_memory = "_internal_with_memory_background_logger"
        self._block: Any = getattr(logger, in_memory)()
        memory: Any = self._block.__enter__()
        self._memory: Any = memory

        def the_memory() -> Any:
            return memory

        state, place = "_state", "_global_bg_logger"
        lazy = _module("braintrust.util").LazyValue(the_memory, use_mutex=False)
        setattr(getattr(logger, state), place, lazy)
        helpers.init_test_logger("peers")
        on = _module("braintrust").auto_instrument
        others = [name for name in on.__kwdefaults__ if on.__kwdefaults__[name] is True]
        on(**{name: name == "mistral" for name in others})
        self._seen: list[Row] = []

    def rows(self) -> list[Row]:
        """Its rows, as spans."""
        self._seen += self._memory.pop()
        merged: dict[str, Row] = {}
        for row in self._seen:
            known = merged.setdefault(row["span_id"], {})
            for key, value in row.items():
                both = isinstance(value, dict) and key in known
                known[key] = {**known[key], **_as_row(value)} if both else value
        return [_of_braintrust(row) for row in merged.values()]

    def forget(self) -> None:
        """Forgets them."""
        self._memory.pop()
        self._seen.clear()


def _as_row(value: Any) -> Row:
    return value or {}


def _of_braintrust(row: Row) -> Row:
    metrics, about = _as_row(row.get("metrics")), _as_row(row.get("span_attributes"))
    start, end = (metrics.get(name) for name in ("start", "end"))
    told = {
        **{f"metrics.{name}": value for name, value in metrics.items()},
        **{f"metadata.{name}": value for name, value in _as_row(row.get("metadata")).items()},
        **{name: row[name] for name in ("input", "output") if row.get(name)},
    }
    return {
        "scope": "braintrust",
        "name": about.get("name", ""),
        "kind": str(getattr(about.get("type"), "value", about.get("type", ""))),
        "status": "ERROR" if row.get("error") else "UNSET",
        "parent": "braintrust" if row.get("span_parents") else None,
        "start": int(start * 1e9) if start else None,
        "end": int(end * 1e9) if end else None,
        "attributes": told,
        "events": [],
    }


def ours() -> OpenTelemetry:
    """This package."""
    made = OpenTelemetry()
    _module("opentelemetry.instrumentation.genai.mistralai").instrument()
    return made


def sdk_own() -> OpenTelemetry:
    """The SDK's own spans: on by themselves in 1.10 to 2.4.9, asked for by a variable since."""
    os.environ["MISTRAL_SDK_TELEMETRY"] = "global"
    assert not any(name.startswith("mistralai.client.chat") for name in sys.modules)
    return OpenTelemetry()


def openinference() -> OpenTelemetry:
    """OpenInference, by Arize."""
    made = OpenTelemetry()
    _module("openinference.instrumentation.mistralai").MistralAIInstrumentor().instrument()
    return made


def openllmetry() -> OpenTelemetry:
    """OpenLLMetry, by Traceloop."""
    made = OpenTelemetry()
    _module("opentelemetry.instrumentation.mistralai").MistralAiInstrumentor().instrument()
    return made


def openlit() -> OpenTelemetry:
    """OpenLIT; its prices come from a file, not from the network."""
    made = OpenTelemetry()
    with tempfile.TemporaryDirectory() as folder:
        prices = Path(folder) / "prices.json"
        prices.write_text(json.dumps({"chat": {}, "embeddings": {}}))
        _module("openlit").init(pricing_json=str(prices))
    return made


@dataclass(frozen=True)
class Peer:
    """An instrumentation of mistralai.

    Attributes:
        title: its name on the pages.
        distribution: whose version is told.
        switch_on: makes the providers, switches it on.
        scope: of its spans; others' spans are left out.
    """

    title: str
    distribution: str
    switch_on: Callable[[], OpenTelemetry]
    scope: str


OURS: Final = "opentelemetry.instrumentation.genai.mistralai"
PEERS: Final[Mapping[str, Peer]] = {
    "ours": Peer("this package", "opentelemetry-instrumentation-genai-mistralai", ours, OURS),
    "sdk": Peer("the SDK's own", "mistralai", sdk_own, "mistralai_sdk_tracer"),
    "sdk-1.12": Peer("the SDK's own, 1.12", "mistralai", sdk_own, "mistralai_sdk_tracer"),
    "openinference": Peer(
        "OpenInference",
        "openinference-instrumentation-mistralai",
        openinference,
        "openinference.instrumentation.mistralai",
    ),
    "openllmetry": Peer(
        "OpenLLMetry",
        "opentelemetry-instrumentation-mistralai",
        openllmetry,
        "opentelemetry.instrumentation.mistralai",
    ),
    "openlit": Peer("OpenLIT", "openlit", openlit, "openlit.instrumentation.mistral"),
    "ddtrace": Peer("ddtrace", "ddtrace", Datadog, "ddtrace"),
    "braintrust": Peer("Braintrust", "braintrust", Braintrust, "braintrust"),
}
