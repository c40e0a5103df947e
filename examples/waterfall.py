# SPDX-License-Identifier: Apache-2.0
"""Draws spans as a waterfall, as Jaeger would, in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from rich.console import Console
from rich.text import Text

_LEAST_NAME, _LEAST_BAR = 12, 6
_SHOWN = {
    "gen_ai.usage.input_tokens": "in",
    "gen_ai.usage.output_tokens": "out",
    "mistral_ai.usage.connector_tokens": "tools",
}


def draw(
    console: Console, spans: Sequence[ReadableSpan], counters: Mapping[str, int | float]
) -> None:
    """Prints a waterfall of the spans, as wide as the console, and the counters.

    Args:
        console: where to; it may be one that can only print ASCII.
        spans: ended spans, in any order.
        counters: sums by metric name.
    """
    if spans:
        console.print()
        console.print("[italic]What was recorded[/]")
        for line in _lines(console, spans):
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
    if counters:
        console.print("\n[bold]Counters[/]")
    for name, value in sorted(counters.items()):
        console.print(f"  {name} [bold]{value}[/]", highlight=False)


def _lines(console: Console, spans: Sequence[ReadableSpan]) -> list[Text]:
    ordered = sorted(spans, key=lambda span: span.start_time or 0)
    begin = ordered[0].start_time or 0
    whole = max(1, max(span.end_time or 0 for span in ordered) - begin)
    names = [_indent(span, ordered) + span.name for span in ordered]
    times = [
        ((span.start_time or begin) - begin, (span.end_time or begin) - begin) for span in ordered
    ]
    durations = [f"{(ended - started) / 1e6:.1f}" for started, ended in times]
    tokens = [_tokens(span) for span in ordered]

    # Names and tokens get what they need, bars the rest; what does not fit is taken from names.
    in_ms = max(map(len, [*durations, "ms"]))
    free = console.width - in_ms - max(map(len, [*tokens, "tokens"])) - 3
    name_width = max(_LEAST_NAME, min(max(map(len, names)), free - _LEAST_BAR))
    bar_width = max(_LEAST_BAR, free - name_width)

    fancy = console.encoding.startswith("utf")
    more, block = ("…", "█") if fancy else ("...", "#")
    lines = [Text(f"{'span':{name_width + bar_width + 1}} {'ms':>{in_ms}} tokens", style="bold")]
    for name, (started, ended), duration, said in zip(names, times, durations, tokens, strict=True):
        cut = name if len(name) <= name_width else name[: name_width - len(more)] + more
        bar = _bar(started, ended, whole, bar_width, block)
        lines.append(
            Text.assemble(
                f"{cut:{name_width}} ",
                (f"{bar:{bar_width}}", "cyan"),
                f" {duration:>{in_ms}} {said}",
            )
        )
    for line in lines:
        line.rstrip()
    return lines


def _tokens(span: ReadableSpan) -> str:
    attributes = span.attributes or {}
    notes = [f"{attributes[key]!s} {name}" for key, name in _SHOWN.items() if key in attributes]
    outcome = attributes.get("error.type", attributes.get("mistral_ai.stream.outcome"))
    if outcome not in (None, "completed"):
        notes.append(str(outcome))
    return ", ".join(notes)


def _indent(span: ReadableSpan, spans: Sequence[ReadableSpan]) -> str:
    depth = 0
    by_id = {known.context.span_id: known for known in spans if known.context}
    while span.parent is not None and span.parent.span_id in by_id:
        span = by_id[span.parent.span_id]
        depth += 1
    return "  " * depth


def _bar(started: int, ended: int, whole: int, width: int, block: str) -> str:
    left = min(started * width // whole, width - 1)
    length = max(1, (ended - started) * width // whole)
    return " " * left + block * min(length, width - left)
