# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.scale``: how many bytes conversations are, and how many time series.

Real conversations with the emulator, sent by OpenTelemetry's own batch processors and OTLP
exporters to a receiver on the loopback that counts. Writes the tables of ``docs/scale.md``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from benchmarks.scale_bytes import CONTENT, SHAPES, Measured, measure
from benchmarks.scale_series import series

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "scale.md"
# As the batch processors have it.
BATCH: Final = 512
PER_SECOND: Final = 1_000
_DAY: Final = 86_400

Rows = list[tuple[str, str, Measured]]


def measured() -> Rows:
    """Each shape in each mode of content, in batches that are as full as they get."""
    return [
        (shape, content, measure(shape, content, BATCH // SHAPES[shape].spans))
        for content in CONTENT
        for shape in SHAPES
    ]


def bytes_table(rows: Rows) -> list[str]:
    """Bytes of one conversation on the wire."""
    lines = [
        "| conversation | content | spans | spans, bytes | with gzip | log event, bytes |",
        "|---|---|---|---|---|---|",
    ]
    for shape, content, found in rows:
        # The emulator says the same words every time, and gzip would notice.
        squeezed = f"{found.spans_gzip:,.0f}" if content != "span_only" else "not measured"
        logs = f"{found.logs:,.0f}" if found.logs else "none"
        lines.append(
            f"| {shape} | `{content}` | {found.spans_count:g} | {found.spans:,.0f} "
            f"| {squeezed} | {logs} |"
        )
    return lines


def load_table(rows: Rows) -> list[str]:
    """What a thousand conversations a second are, by multiplication."""
    lines = [
        "| conversation | content | spans/s | batches/s | MB/s | with gzip | GB/day | TB, 7 days |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for shape, content, found in rows:
        rate = PER_SECOND * (found.spans + found.logs) / 1e6
        squeezed = f"{PER_SECOND * found.spans_gzip / 1e6:.2f}" if content == "no_content" else "-"
        spans = PER_SECOND * found.spans_count
        lines.append(
            f"| {shape} | `{content}` | {spans:,.0f} | {spans / BATCH:.0f} | {rate:.2f} "
            f"| {squeezed} | {rate * _DAY / 1e3:,.0f} | {7 * rate * _DAY / 1e6:.2f} |"
        )
    return lines


def series_table() -> list[str]:
    """Time series that conversations make in Prometheus, one after the other."""
    default, latest = series(latest=False), series(latest=True)
    return [
        "| what happens in a process | new series | in latest mode |",
        "|---|---|---|",
        *[f"| {what} | {default[what]} | {latest[what]} |" for what in default],
    ]


def with_tables(document: str, tables: dict[str, list[str]]) -> str:
    """The document with its tables replaced."""
    for name, lines in tables.items():
        begin, end = f"<!-- {name}: made by benchmarks/scale.py -->", f"<!-- /{name} -->"
        before, found, rest = document.partition(begin)
        _, closed, after = rest.partition(end)
        assert found, f"the document has no {begin}"
        assert closed, f"the document has no {end}"
        document = "\n".join([before + begin, *lines, end + after])
    return document


def main() -> None:
    """Measures, and writes or prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/scale.md")
    write = parser.parse_args().write
    rows = measured()
    tables = {"bytes": bytes_table(rows), "load": load_table(rows), "series": series_table()}
    if write:
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text(), tables))
    for name, lines in tables.items():
        sys.stdout.write("\n".join([f"{name}:", *lines, ""]))


if __name__ == "__main__":
    main()
