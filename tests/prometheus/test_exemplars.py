# SPDX-License-Identifier: Apache-2.0
"""Through a real Collector, exemplars come to Prometheus with the ids of the traces."""

from __future__ import annotations

import os
from time import time
from typing import TYPE_CHECKING
from urllib.request import Request

import pytest
from mistralai.client import Mistral
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

from emulator import serve
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.jaeger import server as jaeger
from tests.prometheus.document import DOCUMENT, queries
from tests.prometheus.scraped import scraped_since
from tests.prometheus.server import Prometheus, run_prometheus
from tests.support.servers import START_SECONDS, Server, free_ports, launch, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = DOCUMENT.with_name("collector.yaml")


class Collector(Server):
    """Jaeger's binary, which is a Collector too, with the example's configuration."""

    def __init__(self, binary: Path, log: Path) -> None:
        """Starts it on free ports."""
        otlp, scraped = free_ports(2)
        ports = {"OTLP_PORT": str(otlp), "SCRAPED_PORT": str(scraped)}
        command = [str(binary), "--config", str(CONFIG)]
        super().__init__(launch(command, log, {**os.environ, **ports}), log)
        self.otlp_url = f"http://127.0.0.1:{otlp}"
        self.target = f"127.0.0.1:{scraped}"

    def wait_until_it_answers(self) -> None:
        """Returns when metrics can be sent and fetched."""
        nothing, headers = b'{"resourceMetrics":[]}', {"Content-Type": "application/json"}
        sent = Request(f"{self.otlp_url}/v1/metrics", nothing, headers)  # noqa: S310 -- the loopback
        fetched = Request(f"http://{self.target}/metrics")
        self.poll(lambda: self.fetch(sent), START_SECONDS)
        self.poll(lambda: self.fetch(fetched), START_SECONDS)


class Sender:
    """A program that sends its metrics to the Collector, and knows its traces."""

    def __init__(self, collector: Collector) -> None:
        """Makes its providers."""
        exporter = OTLPMetricExporter(endpoint=f"{collector.otlp_url}/v1/metrics")
        # It sends when it is told to.
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=float("inf"))
        self.meter_provider = MeterProvider([reader], shutdown_on_exit=False)
        self.spans = InMemorySpanExporter()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.spans))

    def converse(self, url: str) -> None:
        """Holds a conversation and sends what there is."""
        headers = {"x-emulator-scenario": "web_search"}
        with Mistral(api_key="none", server_url=url) as client:
            ask = client.beta.conversations.start_stream
            assert list(ask(model="mistral-small-latest", inputs="Hello?", http_headers=headers))
        assert self.meter_provider.force_flush()

    def ids(self, kind: SpanKind) -> set[tuple[str, str]]:
        """Trace and span ids of the spans of a kind, in hexadecimal."""
        return {
            (format_trace_id(span.context.trace_id), format_span_id(span.context.span_id))
            for span in self.spans.get_finished_spans()
            if span.context is not None and span.kind is kind
        }


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A Collector; without its binary the tests skip, in CI they fail."""
    # Jaeger's binary is one, too.
    path = jaeger.needed_binary()
    log = tmp_path_factory.mktemp("collector") / "log"
    with running(lambda: Collector(path, log)) as started:
        yield started


@pytest.fixture(scope="module")
def sender(collector: Collector) -> Iterator[Sender]:
    """An instrumented program."""
    program = Sender(collector)
    instrument(tracer_provider=program.tracer_provider, meter_provider=program.meter_provider)
    yield program
    uninstrument()
    program.meter_provider.shutdown()
    program.tracer_provider.shutdown()


@pytest.fixture(scope="module")
def prometheus(
    collector: Collector,
    sender: Sender,
    binary_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Prometheus]:
    """A Prometheus that has seen the program's first conversation, and its second."""
    with serve() as emulator:
        sender.converse(emulator.url)
        folder = tmp_path_factory.mktemp("prometheus")
        with run_prometheus(binary_path, folder, collector.target) as started:
            scraped_since(started, 0, 2)
            sender.converse(emulator.url)
            scraped_since(started, time(), 2)
            yield started


def exemplars(prometheus: Prometheus, metric: str) -> set[tuple[str, str]]:
    """Trace and span ids of the exemplars of a metric."""
    answer = prometheus.api("query_exemplars", query=metric, start="0", end=str(time() + 60))
    return {
        (exemplar["labels"]["trace_id"], exemplar["labels"]["span_id"])
        for series in answer
        for exemplar in series["exemplars"]
    }


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        ("gen_ai_client_operation_duration_seconds_bucket", SpanKind.CLIENT),
        ("gen_ai_client_operation_time_to_first_chunk_seconds_bucket", SpanKind.CLIENT),
        ("gen_ai_client_token_usage_bucket", SpanKind.CLIENT),
        ("gen_ai_client_inference_usage_output_tokens_total", SpanKind.CLIENT),
        ("mistral_ai_client_connector_calls_total", SpanKind.CLIENT),
        ("gen_ai_execute_tool_duration_seconds_bucket", SpanKind.INTERNAL),
    ],
)
def test_an_exemplar_names_the_span_that_was_measured(
    prometheus: Prometheus, sender: Sender, metric: str, kind: SpanKind
) -> None:
    known = sender.ids(kind)
    assert len(known) == 2
    found = exemplars(prometheus, metric)
    assert found
    assert found <= known


def test_the_documents_queries_find_the_collectors_series(prometheus: Prometheus) -> None:
    asked = queries("default")
    tokens = prometheus.query(asked["Tokens since the programs started"])
    assert [*tokens.values()] == [2 * (142 + 38 + 1024)]
    # Nothing has failed, and there is no series that says so.
    assert [*prometheus.query(asked["Error rate"]).values()] == [0]
    assert [*prometheus.query(asked["Streams left early"]).values()] == [0]
