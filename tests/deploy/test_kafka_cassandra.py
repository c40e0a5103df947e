# SPDX-License-Identifier: Apache-2.0
"""Past one machine: what is acknowledged is kept, and the traced programs never wait."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.deploy.chain import Chain
from tests.deploy.monitoring import asked_names, jobs, names, run_prometheus, values
from tests.deploy.parts import Part, ask
from tests.deploy.runs import SETTINGS, Run, wait
from tests.jaeger.program import ids
from tests.support import names as s
from tests.support.systems import needs_posix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deploy.runs import Facts

pytestmark = needs_posix

_PROMETHEUS = "kafka_cassandra/prometheus.yml"
_PYTHON = {"PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Everything, up."""
    with ExitStack() as stack:
        yield Chain(stack, tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="module")
def run(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Four programs converse; each part of the chain is killed meanwhile, but the query."""
    folder = tmp_path_factory.mktemp("programs")
    run = Run(chain, folder)
    with ExitStack() as stack:
        emulator = Part("emulator", [sys.executable, "-m", "emulator"], folder, _PYTHON)
        stack.callback(emulator.stop)
        url = emulator.until(lambda: emulator.log.read_text().strip() or None)
        for number, settings in enumerate(SETTINGS):
            command = [sys.executable, "-m", "tests.deploy.program", url, str(folder / "enough")]
            environment = {
                **_PYTHON,
                "OTEL_EXPORTER_OTLP_ENDPOINT": chain.otlp_urls[number % 2],
                "OTEL_BSP_SCHEDULE_DELAY": "500",
                "OTEL_METRIC_EXPORT_INTERVAL": "1000",
                "OTEL_SERVICE_NAME": "program",
                **settings,
            }
            diary = str(folder / f"diary{number}")
            program = Part(f"program{number}", [*command, diary], folder, environment)
            stack.callback(program.kill)
            run.programs.append(program)
        first, second = chain.ingesters
        run.wait_for_calls(200)
        first.kill()
        run.wait_for_calls(300)
        run.kill_broker()
        run.wait_for_calls(600)
        run.start_broker()
        first.start()
        run.wait_for_calls(len(run.calls()) + 100)
        # The ingesters are writing what came meanwhile.
        chain.restart_database()
        run.wait_for_calls(len(run.calls()) + 200)
        run.kill_broker()
        second.kill()
        run.wait_for_calls(len(run.calls()) + 200)
        # Whatever it has acknowledged in its memory alone is lost.
        chain.collectors[0].kill()
        chain.metrics.kill()
        run.wait_for_calls(len(run.calls()) + 100)
        chain.collectors[0].start()
        chain.metrics.start()
        run.start_broker()
        second.start()
        run.wait_for_calls(len(run.calls()) + 100)
        run.end()
        yield run


def test_a_trace_is_readable_soon_after_it_was_acknowledged(chain: Chain, facts: Facts) -> None:
    took: list[float] = []
    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"{chain.otlp_urls[0]}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for _ in range(6):
        with provider.get_tracer("test").start_as_current_span("request") as span:
            trace, span_id = ids(span)
        began = monotonic()
        wait(partial(chain.has, trace), "a trace", [], 0.01)
        took.append(monotonic() - began)
        assert chain.spans(trace) == [span_id]
    provider.shutdown()
    # The first finds the consumer group still being made.
    facts["a trace is readable after"] = f"{median(took[1:]):.2f} s (the first: {took[0]:.1f} s)"


def test_every_acknowledged_span_is_readable_once(run: Run, facts: Facts) -> None:
    acknowledged = run.acknowledged()
    began = monotonic()
    with ThreadPoolExecutor(4) as pool:
        missing = dict(acknowledged)

        def all_there() -> bool:
            found = zip(list(missing), pool.map(run.chain.spans, list(missing)), strict=True)
            for trace, spans in found:
                assert len(spans) == len(set(spans)), f"twice in {trace}: {spans}"
                if missing[trace] <= set(spans):
                    del missing[trace]
            return not missing

        wait(all_there, f"the last of {len(acknowledged)} traces", run.chain.ingesters)
    spans = sum(map(len, acknowledged.values()))
    facts["traces acknowledged, all readable"] = f"{len(acknowledged)} of {len(run.calls())}"
    facts["all were found"] = f"{monotonic() - began:.1f} s after the programs' end"
    facts["bytes a span in Kafka"] = f"{run.chain.kafka.bytes_of('jaeger-spans') / spans:.0f}"
    facts["bytes a span in Cassandra"] = f"{run.chain.cassandra.bytes_of('jaeger_v1') / spans:.0f}"


def test_every_call_is_counted_once(run: Run, tmp_path: Path) -> None:
    chain = run.chain
    parts = (chain.metrics, chain.query, *chain.collectors, *chain.ingesters)
    targets = {
        "programs": [chain.metrics.metrics],
        "collector": [part.telemetry for part in chain.collectors],
        "ingester": [part.telemetry for part in chain.ingesters],
        "metrics": [chain.metrics.telemetry],
        "query": [chain.query.telemetry],
    }
    assert set(targets) == jobs(_PROMETHEUS)
    with ExitStack() as stack:
        prometheus = run_prometheus(stack, _PROMETHEUS, tmp_path / "prometheus", targets)
        counted = "sum(gen_ai_client_operation_duration_seconds_count)"
        calls = {frozenset[tuple[str, str]](): float(len(run.calls()))}
        # Neither lost while parts were killed nor counted twice where a program came back.
        prometheus.poll(lambda: prometheus.query(counted) == calls or None)
        up = {job: float(len(there)) for job, there in targets.items()}
        prometheus.poll(lambda: values(prometheus, "sum by (job) (up)", "job") == up or None)
    for part in parts:
        part.until(part.is_healthy)


def test_the_parts_have_the_metrics_that_alerts_ask_for(run: Run) -> None:
    parts = (run.chain.collectors[1], run.chain.ingesters[0], run.chain.metrics)
    had = set[str]().union(*(names(part) for part in parts))
    # Those are of a Collector that samples, has queues and takes logs: in test_metrics.py.
    elsewhere = {"queue", "enqueue", "log", "tail"}
    assert [name for name in asked_names() - had if not elsewhere & {*name.split("_")}] == []


def test_the_database_answers_when_it_is_on_disk(chain: Chain) -> None:
    # With `periodic` about one kill in eight loses spans: too few to be seen by killing it.
    assert "; commitlog_sync=batch;" in chain.cassandra.part.log.read_text()


def test_a_conversation_can_be_searched_for(run: Run) -> None:
    trace = next(iter(run.acknowledged()))
    tag = s.CONVERSATION_ID
    [conversation] = {
        each["value"]
        for span in run.chain.trace(trace)
        for each in span["tags"]
        if each["key"] == tag and span["operationName"].startswith("chat")
    }
    query = urlencode({"service": "program", "tags": json.dumps({tag: conversation})})
    found = ask(f"{run.chain.query_url}/api/traces?{query}")["data"]
    assert [each["traceID"] for each in found] == [trace]


def test_an_export_that_waits_loses_nothing_and_a_full_queue_drops(run: Run, facts: Facts) -> None:
    for diary in run.diaries():
        # The request, the conversation and its tool.
        assert diary.ended == 3 * len(diary.calls)
    lost = [
        (diary.ended or 0) - sum(map(len, diary.acknowledged.values())) for diary in run.diaries()
    ]
    facts["spans lost of each program"] = f"{lost} of {[d.ended for d in run.diaries()]}"
    assert lost[:2] == [0, 0]
    # Else the outages were too short to show anything.
    assert all(count > 0 for count in lost[2:])


def test_nobody_waits_while_the_broker_is_gone(run: Run, facts: Facts) -> None:
    down: list[float] = []
    up: list[float] = []
    for diary in run.diaries():
        # The first call of a process imports half of its modules.
        for call in diary.calls[1:]:
            seconds = call.took / 1e9
            if any(one.killed <= call.at < one.started for one in run.outages):
                down.append(seconds)
            elif not any(one.killed <= call.at < one.back for one in run.outages):
                up.append(seconds)
    assert len(down) > 300
    assert len(up) > 300
    for name, of in (("median", median), ("p95", p95)):
        facts[f"a call, {name}"] = f"{of(up):.3f} s, broker down: {of(down):.3f} s"
        # It would be seconds: as long as an export waits.
        assert of(down) < 1.5 * of(up) + 0.05


def p95(calls: list[float]) -> float:
    """What all but one in twenty take at most."""
    return quantiles(calls, n=20)[-1]
