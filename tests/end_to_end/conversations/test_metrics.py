# SPDX-License-Identifier: Apache-2.0
"""All metrics of a conversation, with all their attributes, in both modes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from opentelemetry.instrumentation.genai.mistralai._otel.metrics import Instruments
from tests.support import names as s
from tests.support.conversations import Run, read_sync
from tests.support.recording import Recording

MODEL = "mistral-medium-latest"


def common(emulator: Emulator) -> dict[str, Any]:
    """What every metric of a call says."""
    return {
        s.OPERATION_NAME: "chat",
        s.PROVIDER_NAME: "mistral_ai",
        s.REQUEST_MODEL: MODEL,
        s.RESPONSE_MODEL: MODEL,
        s.SERVER_ADDRESS: "127.0.0.1",
        s.SERVER_PORT: int(emulator.url.rpartition(":")[2]),
    }


@pytest.fixture
def latest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    """The plugin, switched on in latest mode."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_MISTRALAI_METRIC_NAMES", "latest")
    made = Recording()
    instrument(**made.providers)
    yield made
    uninstrument()


def seconds(recording: Recording) -> tuple[float, Any]:
    """The client span's duration and its time to first chunk."""
    (span,) = [span for span in recording.spans() if span.kind.name == "CLIENT"]
    first_chunk = (span.attributes or {})[s.RESPONSE_TIME_TO_FIRST_CHUNK]
    return duration_of(span), first_chunk


def duration_of(span: ReadableSpan) -> float:
    """How long a span took, in seconds."""
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


class _Collects(SpanProcessor):
    """Looks at the metrics at the moment at which a span ends."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.found: list[tuple[object, list[int]]] = []

    def on_end(self, span: ReadableSpan) -> None:
        counted = self._recording.metrics()[s.METRIC_OUTPUT_TOKENS]
        told = (span.attributes or {}).get(s.USAGE_OUTPUT_TOKENS)
        self.found.append((told, [spent for _, spent in counted]))


def test_attributes_then_counters_then_the_end(client: Any, run: Run, recording: Recording) -> None:
    collects = _Collects(recording)
    recording.tracer_provider.add_span_processor(collects)
    run(client, "answer")
    (spent,) = [spent for _, spent in recording.metrics()[s.METRIC_OUTPUT_TOKENS]]
    assert collects.found == [(spent, [spent])]


def test_default_mode_has_the_names_of_todays_dashboards(
    emulator: Emulator, client: Any, run: Run, recording: Recording
) -> None:
    run(client, "web_search")
    duration, first_chunk = seconds(recording)
    (tool,) = [span for span in recording.spans() if span.kind.name == "INTERNAL"]
    of_tools = {s.TOOL_NAME: "web_search", s.TOOL_TYPE: "extension"}
    shared = common(emulator)
    counted = {**shared, s.TOKEN_MODALITY: "unknown"}
    assert recording.metrics() == {
        s.METRIC_TOOL_DURATION: [(of_tools, (1, duration_of(tool)))],
        s.METRIC_INPUT_TOKENS: [(counted, 142)],
        s.METRIC_OUTPUT_TOKENS: [(counted, 38)],
        s.METRIC_TOKEN_USAGE: [
            ({**shared, s.TOKEN_TYPE: "input"}, (1, 142)),
            ({**shared, s.TOKEN_TYPE: "output"}, (1, 38)),
        ],
        s.METRIC_FIRST_CHUNK: [(shared, (1, first_chunk))],
        s.METRIC_DURATION: [({**shared, s.STREAM_OUTCOME: "completed"}, (1, duration))],
        s.METRIC_CONNECTOR_TOKENS: [(shared, 1024)],
        s.METRIC_CONNECTOR_CALLS: [({**shared, s.CONNECTOR_NAME: "web_search"}, 1)],
    }


def test_latest_mode_has_the_new_names_only_and_the_same_counters(
    emulator: Emulator, client: Any, latest: Recording
) -> None:
    read_sync(client, "answer")
    duration, first_chunk = seconds(latest)
    shared = common(emulator)
    counted = {**shared, s.TOKEN_MODALITY: "unknown"}
    assert latest.metrics() == {
        s.METRIC_INPUT_TOKENS: [(counted, 24)],
        s.METRIC_OUTPUT_TOKENS: [(counted, 29)],
        s.METRIC_LATEST_INPUT_TOKENS: [(shared, (1, 24))],
        s.METRIC_LATEST_OUTPUT_TOKENS: [(shared, (1, 29))],
        s.METRIC_LATEST_FIRST_CHUNK: [(shared, (1, first_chunk))],
        s.METRIC_LATEST_DURATION: [({**shared, s.STREAM_OUTCOME: "completed"}, (1, duration))],
    }


def test_a_failed_call_counts_no_tokens_and_its_duration_says_why(
    emulator: Emulator, client: Any, recording: Recording
) -> None:
    with pytest.raises(Exception, match="429"):
        read_sync(client, "http_429")
    span = recording.the_span()
    assert span.start_time is not None
    assert span.end_time is not None
    shared = common(emulator)
    del shared[s.RESPONSE_MODEL]
    counted = {**shared, s.TOKEN_MODALITY: "unknown"}
    assert recording.metrics() == {
        s.METRIC_INPUT_TOKENS: [(counted, 0)],
        s.METRIC_OUTPUT_TOKENS: [(counted, 0)],
        s.METRIC_DURATION: [
            ({**shared, s.ERROR_TYPE: "429"}, (1, (span.end_time - span.start_time) / 1e9))
        ],
    }


def test_zero_tokens_are_counted_but_are_no_token_usage(client: Any, recording: Recording) -> None:
    read_sync(client, "usage_empty")
    metrics = recording.metrics()
    assert s.METRIC_TOKEN_USAGE not in metrics
    assert [value for _, value in metrics[s.METRIC_INPUT_TOKENS]] == [0]


def test_chunk_times_are_recorded_when_asked_for(client: Any, recording: Recording) -> None:
    instrument(record_chunk_times=True)
    read_sync(client, "answer")
    ((_, (count, total)),) = recording.metrics()[s.METRIC_CHUNK]
    assert count == 11
    assert 0 < total < 5


def test_histograms_have_the_advised_buckets(client: Any, recording: Recording) -> None:
    read_sync(client, "answer")
    data: Any = recording._reader.get_metrics_data()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    bounds = {
        metric.name: tuple(metric.data.data_points[0].explicit_bounds)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if hasattr(metric.data.data_points[0], "explicit_bounds")
    }
    assert bounds == {
        s.METRIC_TOKEN_USAGE: tuple(4**n for n in range(14)),
        s.METRIC_DURATION: tuple(0.01 * 2**n for n in range(14)),
        s.METRIC_FIRST_CHUNK: tuple(0.01 * 2**n for n in range(14)),
    }


def test_exemplars_lead_to_the_span(client: Any, recording: Recording) -> None:
    read_sync(client, "answer")
    found = recording.exemplars()
    assert found == {key: {recording.the_span().name} for key in found}
    assert len(found) == 5


def test_on_metrics_a_hundred_names_of_agents_a_process_are_told_and_no_more(
    recording: Recording, no_log_records: list[logging.LogRecord]
) -> None:
    instruments = Instruments(recording.meter_provider.get_meter("test"), latest=False)
    for n in (*range(102), 0):
        instruments.of_tool({s.AGENT_NAME: f"Agent of {n}"}, None, 0.5, Context())()
    told = recording.metrics()[s.METRIC_TOOL_DURATION]
    points = {attributes[s.AGENT_NAME]: n for attributes, (n, _) in told}
    names = [f"Agent of {n}" for n in range(100)]
    assert points == {**dict.fromkeys(names, 1), names[0]: 2, "_OTHER": 2}
    (line,) = no_log_records
    assert "100 different values of gen_ai.agent.name" in line.getMessage()
    no_log_records.clear()
