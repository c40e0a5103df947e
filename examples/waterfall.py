# SPDX-License-Identifier: Apache-2.0
"""Draws spans as a waterfall, as Jaeger would, in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from rich.console import Console
from rich.table import Table

_WIDTH = 10
_SHOWN = {
    "gen_ai.usage.input_tokens": "in",
    "gen_ai.usage.output_tokens": "out",
    "mistral_ai.usage.connector_tokens": "tools",
}


def draw(
    console: Console, spans: Sequence[ReadableSpan], counters: Mapping[str, int | float]
) -> None:
    """Prints a waterfall of the spans, and the counters.

    Args:
        console: where to.
        spans: ended spans, in any order.
        counters: sums by metric name.
    """
    if not spans:
        console.print("Nothing was recorded.")
        return
    ordered = sorted(spans, key=lambda span: span.start_time or 0)
    begin = ordered[0].start_time or 0
    end = max(span.end_time or 0 for span in ordered)
    table = Table(title="What was recorded", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for heading in ("span", "", "ms", "tokens"):
        fixed = heading in ("", "ms")
        table.add_column(
            heading,
            justify="right" if heading == "ms" else "left",
            no_wrap=True,
            min_width={"": _WIDTH, "ms": 5}[heading] if fixed else None,
        )
    for span in ordered:
        attributes = span.attributes or {}
        started, ended = span.start_time or begin, span.end_time or end
        notes = [f"{attributes[key]!s} {name}" for key, name in _SHOWN.items() if key in attributes]
        outcome = attributes.get("error.type", attributes.get("mistral_ai.stream.outcome"))
        if outcome not in (None, "completed"):
            notes.append(str(outcome))
        table.add_row(
            _indent(span, ordered) + span.name,
            _bar(started - begin, ended - begin, max(end - begin, 1)),
            f"{(ended - started) / 1e6:.1f}",
            ", ".join(notes),
        )
    console.print()
    console.print(table)
    console.print("\n[bold]Counters[/]")
    for name, value in sorted(counters.items()):
        console.print(f"  {name} [bold]{value}[/]", highlight=False)


def _indent(span: ReadableSpan, spans: Sequence[ReadableSpan]) -> str:
    depth = 0
    by_id = {known.context.span_id: known for known in spans if known.context}
    while span.parent is not None and span.parent.span_id in by_id:
        span = by_id[span.parent.span_id]
        depth += 1
    return "  " * depth


def _bar(start: int, end: int, whole: int) -> str:
    left = min(start * _WIDTH // whole, _WIDTH - 1)
    length = max(1, (end - start) * _WIDTH // whole)
    length = min(length, _WIDTH - left)
    return " " * left + "[cyan]" + "█" * length + "[/]"
