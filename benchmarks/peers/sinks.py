# SPDX-License-Identifier: Apache-2.0
"""Where spans go: counted by the name of their scope and dropped, after the peer's batching."""

from __future__ import annotations

import os
from collections import Counter
from importlib import import_module
from typing import Any, Protocol


class Sink(Protocol):
    """Takes what one candidate reports.

    Attributes:
        spans: how many have come, by the name of their scope.
    """

    spans: Counter[str]

    def flush(self) -> None:
        """Returns when all that was reported is counted and dropped."""


class Nothing:
    """The sink of a program without telemetry."""

    def __init__(self) -> None:
        self.spans: Counter[str] = Counter()

    def flush(self) -> None:
        """Nothing waits."""


class OpenTelemetry:
    """OpenTelemetry's providers, with the batch processor and an exporter that drops."""

    def __init__(self) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import (
            BatchSpanProcessor,
            SpanExporter,
            SpanExportResult,
        )

        self.spans: Counter[str] = Counter()
        counted = self.spans

        class Dropping(SpanExporter):
            def export(self, spans: Any) -> SpanExportResult:
                for span in spans:
                    counted[span.instrumentation_scope.name] += 1
                return SpanExportResult.SUCCESS

            def shutdown(self) -> None:
                pass

        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(BatchSpanProcessor(Dropping()))
        self.meter_provider = MeterProvider(metric_readers=[InMemoryMetricReader()])

    def flush(self) -> None:
        """Lets the processor's thread export what waits."""
        self.tracer_provider.force_flush()


class Datadog:
    """The end of ddtrace's two ways: traces for the agent, and events of LLM Observability."""

    def __init__(self, server_url: str) -> None:
        self.spans: Counter[str] = Counter()
        os.environ.update(
            DD_TRACE_AGENT_URL=server_url,
            DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
            DD_REMOTE_CONFIGURATION_ENABLED="false",
            DD_TRACE_STATS_COMPUTATION_ENABLED="false",
            DD_CRASHTRACKING_ENABLED="false",
            DD_RUNTIME_METRICS_ENABLED="false",
        )
        trace: Any = import_module("ddtrace.trace")
        counted = self.spans

        class Dropping(trace.TraceFilter):  # type: ignore[misc, name-defined, unused-ignore]
            def process_trace(self, trace: Any) -> None:
                counted["ddtrace"] += len(trace)

        trace.tracer.configure(trace_processors=[Dropping()])

    def flush(self) -> None:
        """A trace is filtered as soon as it is complete: nothing waits."""


class Braintrust:
    """Braintrust's own in-memory logger, emptied: its rows are made and merged, and go nowhere."""

    def __init__(self, server_url: str) -> None:
        # Nothing is to leave this machine, whatever its defaults are.
        os.environ.update(BRAINTRUST_APP_URL=server_url, BRAINTRUST_API_URL=server_url)
        logger: Any = import_module("braintrust.logger")
        self.spans: Counter[str] = Counter()
        # Kept: the logger is taken away when the block is left.
        self._block = logger._internal_with_memory_background_logger()  # noqa: SLF001 -- no public way
        self._rows = self._block.__enter__()
        project = logger.ObjectMetadata(id="bench", name="bench", full_info={})
        told = logger.OrgProjectMetadata(org_id="bench", project=project)
        own = logger.init_logger(project="bench", api_key="none")
        # Known already; it would log in over the network to ask for them.
        own._lazy_metadata = logger.LazyValue(lambda: told, use_mutex=False)  # noqa: SLF001 -- as above

    def flush(self) -> None:
        """Makes the rows, which are lazy until they are sent, and drops them."""
        self.spans["braintrust"] += len(self._rows.pop())
