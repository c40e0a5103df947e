# SPDX-License-Identifier: Apache-2.0
"""What sampling does: to metrics and log events nothing, to traces only whole ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import names as s
from tests.support.conversations import read_sync
from tests.support.recording import Recording

ROUNDS = 10


class EvenIds(IdGenerator):
    """Trace ids that lie evenly, so that a ratio of them is a number: of ten, one is a tenth."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self._given = 0

    def generate_span_id(self) -> int:
        return self._random.generate_span_id()

    def generate_trace_id(self) -> int:
        # Samplers look at the lower 64 bits: of each ten ids one lies in each tenth of them.
        self._given += 1
        return (self._given << 64) + (2 * (self._given % 10) + 1) * 2**64 // 20


class Sampled:
    """A recording of which only some spans are kept."""

    def __init__(self, ratio: float) -> None:
        """Makes its providers.

        Args:
            ratio: of traces that are kept, 0 to 1.
        """
        self.recording = Recording()
        self.tracer_provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)),
            id_generator=EvenIds(),
            shutdown_on_exit=False,
        )
        self._spans = InMemorySpanExporter()
        exporting: SpanProcessor = SimpleSpanProcessor(self._spans)
        self.tracer_provider.add_span_processor(exporting)

    def traces(self) -> dict[int, Counter[str]]:
        """The names of the spans of each trace that was kept."""
        kept: dict[int, Counter[str]] = {}
        for span in self._spans.get_finished_spans():
            assert span.context is not None
            kept.setdefault(span.context.trace_id, Counter())[span.name] += 1
        return kept

    def links(self) -> list[int]:
        """How many links each span has that was kept."""
        return [len(span.links) for span in self._spans.get_finished_spans()]

    def counts(self) -> dict[str, list[tuple[dict[str, Any], float]]]:
        """Each metric's points; of a histogram how many, since no two runs take as long."""
        return {
            name: [
                (attributes, value[0] if isinstance(value, tuple) else value)
                for attributes, value in points
            ]
            for name, points in self.recording.metrics().items()
        }


@contextmanager
def sampling(ratio: float, **options: Any) -> Generator[Sampled]:
    """Records with a sampler until the block is left."""
    sampled = Sampled(ratio)
    providers = {**sampled.recording.providers, "tracer_provider": sampled.tracer_provider}
    instrument(**providers, **options)
    try:
        yield sampled
    finally:
        uninstrument()


def converse(client: Any) -> None:
    """A conversation of every kind: whole, left early, failed, refused."""
    read_sync(client, "handoff_chain", agent_id="ag_triage")
    with client.beta.conversations.start_stream(
        model="m", inputs="Hello?", http_headers={"x-emulator-scenario": "connectors"}
    ) as stream:
        next(iter(stream))
    read_sync(client, "error_event")
    with pytest.raises(Exception, match="429"):
        read_sync(client, "http_429")


def test_metrics_are_the_same_at_any_ratio(client: Any) -> None:
    found: list[dict[str, Any]] = []
    for ratio in (1, 0.1, 0):
        with sampling(ratio) as sampled:
            converse(client)
            found.append(sampled.counts())
    everything, tenth, nothing = found
    # Those that count, and those that measure, are all there.
    assert len(everything) == 8
    assert tenth == everything
    assert nothing == everything


@pytest.mark.parametrize(("ratio", "kept"), [(1, ROUNDS), (0.1, 1), (0, 0)])
def test_traces_are_kept_whole_or_not_at_all(client: Any, ratio: float, kept: int) -> None:
    with sampling(ratio) as sampled:
        for _ in range(ROUNDS):
            read_sync(client, "handoff", agent_id="ag_triage")
    whole = Counter(
        {"invoke_agent": 1, "execute_tool agent_handoff writer": 1, "invoke_agent writer": 1}
    )
    assert [*sampled.traces().values()] == [whole] * kept


def test_log_events_with_content_do_not_look_at_the_sampler(client: Any) -> None:
    with sampling(0, capture_content="event_only") as sampled:
        read_sync(client, "answer")
    (record,) = sampled.recording.logs()
    assert s.OUTPUT_MESSAGES in (record.attributes or {})
    assert sampled.traces() == {}


def test_a_turn_does_not_link_to_one_that_was_sampled_out(client: Any) -> None:
    with sampling(0):
        (started, *_) = read_sync(client, "answer")
    turn = {"method": "append_stream", "conversation_id": started.data.conversation_id}
    with sampling(1) as sampled:
        read_sync(client, "answer", **turn)
        read_sync(client, "answer", **turn)
    assert sampled.links() == [0, 1]
