# SPDX-License-Identifier: Apache-2.0
"""The numbers and tables of ``docs/scale.md`` are what is measured now."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from benchmarks.scale import BATCH, DOCUMENT, Rows, load_table, series_table
from benchmarks.scale_bytes import CONTENT, SHAPES, Measured, measure
from emulator import serve
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support.conversations import read_sync
from tests.support.readme_tables import use
from tests.support.sdk import Mistral

# Enough for bytes: what a batch has once, its resource, is then two hundredths of a conversation.
FEW = 12
# Of these so few are a batch that gzip can be compared, too: it is the better, the more it gets.
WHOLE = ("three agents, two tools", "no_content")


def rows(name: str) -> list[list[str]]:
    """The cells of a table of the document that the benchmark makes, without its head."""
    table = DOCUMENT.read_text().partition(f"<!-- {name}: ")[2].partition(f"<!-- /{name} -->")[0]
    found = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return found[1:]


def number(cell: str) -> float:
    """A cell's number; ``none`` is 0."""
    return 0.0 if cell == "none" else float(cell.replace(",", ""))


def is_stale(written: str, measured: float, by: float = 0.1) -> bool:
    """Whether a number is off by more than a tenth."""
    return abs(number(written) - measured) > by * measured


@pytest.mark.parametrize("content", CONTENT)
@pytest.mark.parametrize("shape", SHAPES)
def test_bytes_are_not_stale(shape: str, content: str) -> None:
    (row,) = [row for row in rows("bytes") if row[:2] == [shape, f"`{content}`"]]
    _, _, count, spans, squeezed, logs = row
    whole = (shape, content) == WHOLE
    found = measure(shape, content, BATCH // SHAPES[shape].spans if whole else FEW)
    assert number(count) == found.spans_count == SHAPES[shape].spans
    assert not is_stale(spans, found.spans), found
    assert not is_stale(logs, found.logs), found
    assert (found.logs > 0) == (content == "event_only")
    if whole:
        # How well times and ids are squeezed changes from run to run, more so on a busy machine.
        assert not is_stale(squeezed, found.spans_gzip, by=0.25), found


def test_what_cassandra_is_to_hold_is_its_bytes_multiplied() -> None:
    _, _, text = DOCUMENT.read_text().partition("**Cassandra.**")
    bytes_a_span = int(text.partition(" bytes on disk")[0].split()[-1])
    written = [line.strip("| ").split(" | ") for line in text.splitlines() if "billion" in line]
    assert [row[0] for row in written] == ["answers", *list(SHAPES)[1:]]
    for shape, billions, terabytes in written:
        spans = SHAPES["an answer" if shape == "answers" else shape].spans * 1000 * 7 * 86_400
        assert (billions, terabytes) == (
            f"{spans / 1e9:.2f} billion",
            f"{spans * bytes_a_span / 1e12:.2f}",
        )


def test_the_load_is_the_bytes_multiplied() -> None:
    written: Rows = []
    for shape, content, count, spans, squeezed, logs in rows("bytes"):
        squeezed_bytes = 0.0 if squeezed == "not measured" else number(squeezed)
        found = Measured(number(count), number(spans), squeezed_bytes, number(logs), 1)
        written.append((shape, content.strip("`"), found))
    multiplied = [line.strip("| ").split(" | ") for line in load_table(written)[2:]]
    for expected, row in zip(multiplied, rows("load"), strict=True):
        for cell, other in zip(expected, row, strict=True):
            if cell != other:
                # The document multiplies before it rounds.
                assert number(cell) == pytest.approx(number(other), rel=0.02, abs=0.01)  # pyright: ignore[reportUnknownMemberType] -- pytest's


def test_series_are_not_stale() -> None:
    assert [f"| {' | '.join(row)} |" for row in rows("series")] == series_table()[2:]


def attributes_of(reader: InMemoryMetricReader) -> set[str]:
    """The names of all attributes of all metrics."""
    data: Any = reader.get_metrics_data()
    return {
        name
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        for name in point.attributes
    }


def test_the_table_of_cardinality_names_each_metric_attribute() -> None:
    reader = InMemoryMetricReader()
    meter_provider = MeterProvider([reader], shutdown_on_exit=False)
    instrument(meter_provider=meter_provider, record_chunk_times=True)
    try:
        use()
        # In which an agent runs a tool that it has a name from a handoff for.
        with serve() as emulator, Mistral(api_key="key", server_url=emulator.url) as client:
            read_sync(client, "handoff_chain", agent_id="ag_triage")
    finally:
        uninstrument()
    _, _, cardinality = DOCUMENT.read_text().partition("\n## Cardinality\n")
    named = [
        line.partition("`")[2].partition("`")[0]
        for line in cardinality.splitlines()
        if line.startswith("| `")
    ]
    assert len(named) == len(set(named))
    assert set(named) == attributes_of(reader)
