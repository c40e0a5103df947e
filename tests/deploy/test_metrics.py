# SPDX-License-Identifier: Apache-2.0
"""What programs count comes to Prometheus, and so does how the parts are."""

from __future__ import annotations

import json
import re
import uuid
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest
from mistralai.client import Mistral
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.deploy.jaegers import OneJaeger, run_collector, takes
from tests.deploy.monitoring import asked_names, jobs, names, run_prometheus, values
from tests.deploy.parts import fetch
from tests.deploy.sink import serve_handler

if TYPE_CHECKING:
    from pathlib import Path

    from emulator import Emulator

COLLECTOR = "collector/prometheus.yml"
# Of parts that are well no alert may fire.
FIRING = 'ALERTS{alertstate="firing"}'
COUNTED = "sum by (job) (gen_ai_client_operation_duration_seconds_count)"


class Refusing(BaseHTTPRequestHandler):
    """Refuses for good whatever is sent."""

    def do_POST(self) -> None:
        """Answers 400."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


def converse(emulator: Emulator, otlp_url: str, service: str, times: int) -> None:
    """A process' worth of conversations, whose metrics are sent."""
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(f"{otlp_url}/v1/metrics"), export_interval_millis=float("inf")
    )
    # Each process has its own `service.instance.id`; this one is another for each call.
    resource = Resource({"service.name": service, "service.instance.id": f"{service} {times}"})
    provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    instrument(meter_provider=provider)
    try:
        with Mistral(api_key="none", server_url=emulator.url) as client:
            for _ in range(times):
                ask = client.beta.conversations.start_stream
                assert list(ask(model="mistral-medium-latest", inputs="Hello"))
        assert provider.force_flush()
    finally:
        uninstrument()
        provider.shutdown()


def one_span() -> bytes:
    """A failed span, which is kept, of a trace of its own."""
    span = {"traceId": uuid.uuid4().hex, "spanId": "1" * 16, "name": "a", "status": {"code": 2}}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def one_record() -> bytes:
    """A log record."""
    record = {"body": {"stringValue": "a"}}
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()


def test_one_jaeger_takes_metrics_and_shows_them(emulator: Emulator, tmp_path: Path) -> None:
    with ExitStack() as stack:
        one = OneJaeger(stack, tmp_path)
        url = f"http://127.0.0.1:{one.otlp_port}"
        one.part.until(lambda: takes(f"{url}/v1/metrics"))
        one.part.until(one.part.is_healthy)
        converse(emulator, url, "shop", 3)
        status, body = fetch(f"http://{one.part.metrics}/metrics")
        assert status == 200
        [line] = re.findall(rb"^gen_ai_client_operation_duration_seconds_count{.*", body, re.M)
        assert b'job="shop"' in line
        assert line.endswith(b" 3")
        assert b"otelcol_process_uptime" in fetch(f"http://{one.part.telemetry}/metrics")[1]


def test_programs_and_parts_are_seen_in_prometheus(emulator: Emulator, tmp_path: Path) -> None:
    with ExitStack() as stack:
        one = OneJaeger(stack, tmp_path)
        collector, port = run_collector(stack, tmp_path, one.otlp_port, "http://127.0.0.1:1")
        collector.until(lambda: takes(f"http://127.0.0.1:{port}/v1/metrics"))
        targets = {
            "programs": [collector.metrics],
            "collector": [collector.telemetry],
            "jaeger": [one.part.telemetry],
        }
        # Loki is not to be had here.
        assert jobs(COLLECTOR) - set(targets) == {"loki"}
        prometheus = run_prometheus(stack, COLLECTOR, tmp_path / "prometheus", targets)
        for part in (collector, one.part):
            part.until(part.is_healthy)
        # Two processes of one service are two.
        for service, times in (("shop", 2), ("shop", 3), ("desk", 4)):
            converse(emulator, f"http://127.0.0.1:{port}", service, times)
        expected = {"shop": 5.0, "desk": 4.0}
        prometheus.poll(lambda: values(prometheus, COUNTED, "job") == expected or None)
        accepted = "sum by (job) (otelcol_receiver_accepted_metric_points_total)"
        prometheus.poll(lambda: values(prometheus, accepted, "job").get("collector"))
        up = dict.fromkeys(targets, 1.0)
        prometheus.poll(lambda: values(prometheus, "up", "job") == up or None)
        assert prometheus.query(FIRING) == {}
        one.part.kill()

        def fired() -> bool | None:
            return values(prometheus, FIRING, "job") == {"jaeger": 1.0} or None

        prometheus.poll(fired)
        assert values(prometheus, FIRING, "alertname") == {"PartDown": 1.0}


def test_a_collector_that_refuses_raises_an_alert(tmp_path: Path) -> None:
    with ExitStack() as stack:
        tiny = {"MEMORY_LIMIT_MIB": "2", "MEMORY_SPIKE_MIB": "1"}
        collector, port = run_collector(stack, tmp_path, 1, "http://127.0.0.1:1", tiny)
        targets = {"collector": [collector.telemetry]}
        prometheus = run_prometheus(stack, COLLECTOR, tmp_path / "prometheus", targets)

        def fired() -> bool | None:
            fetch(f"http://127.0.0.1:{port}/v1/traces", one_span())
            return values(prometheus, FIRING, "alertname") == {"CollectorRefuses": 1.0} or None

        prometheus.poll(fired)


@pytest.mark.parametrize("trouble", ["refused", "away"])
def test_a_collector_that_drops_raises_an_alert(tmp_path: Path, trouble: str) -> None:
    with ExitStack() as stack:
        behind = stack.enter_context(serve_handler(Refusing)) if trouble == "refused" else 1
        collector, port = run_collector(
            stack,
            tmp_path,
            behind,
            f"http://127.0.0.1:{behind}",
            {"DECISION_WAIT": "1s"},
            # What does not get away fills the queues at once.
            {
                f"exporters.otlphttp/{signal}.sending_queue.{setting}": "1"
                for signal in ("traces", "logs")
                for setting in ("queue_size", "num_consumers")
            },
        )
        targets = {"collector": [collector.telemetry]}
        prometheus = run_prometheus(stack, COLLECTOR, tmp_path / "prometheus", targets)
        lost = "enqueue" if trouble == "away" else "send"
        missing = {name for name in asked_names() if f"_{lost}_failed_" in name}
        # Metrics are not sent from here.
        missing -= {"otelcol_exporter_send_failed_metric_points_total"}
        missing |= {name for name in asked_names() if "_queue_" in name or "_tail_" in name}
        assert len(missing) == 5

        def fired() -> bool | None:
            fetch(f"http://127.0.0.1:{port}/v1/traces", one_span())
            fetch(f"http://127.0.0.1:{port}/v1/logs", one_record())
            alerts = values(prometheus, FIRING, "alertname")
            return ("CollectorDrops" in alerts and missing <= names(collector)) or None

        prometheus.poll(fired)
