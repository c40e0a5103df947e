# SPDX-License-Identifier: Apache-2.0
"""The chart of a run, as SVG without a library: a panel for each metric, a bar for each peer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from .candidates import NEW, OLD, Candidate
from .compare import METRICS, NOT_TRACED, Cell, Metric, cell, shown
from .result import Result


@dataclass(frozen=True)
class Theme:
    """The colours of one chart.

    Attributes:
        name: in the file's name.
        ground: behind everything.
        text: of labels.
        faint: lines, and what is said in the place of a bar.
        ours: bars of ours.
        other: bars of others.
    """

    name: str
    ground: str
    text: str
    faint: str
    ours: str
    other: str


LIGHT: Final = Theme("light", "#ffffff", "#1f2328", "#6e7781", "#c2410c", "#8fa3b8")
DARK: Final = Theme("dark", "#0d1117", "#e6edf3", "#9198a1", "#fb923c", "#526a82")

_SVG: Final = "http://www.w3.org/2000/svg"
_SHAPE: Final = 'font-family="system-ui, sans-serif" font-size="12" role="img"'
_COLUMNS: Final = 3
_NAMES: Final = 150
_PANEL: Final = 290
_BARS: Final = 150
_ROW: Final = 19
_HEAD: Final = 46
_TOP: Final = 56
_LEFT: Final = 12
_ASIDE: Final = 8


def draw(result: Result, theme: Theme) -> str:
    """The chart of one run.

    Args:
        result: of the run.
        theme: its colours.
    """
    rows: list[Candidate | None] = [*shown(result, NEW), None, *shown(result, OLD)]
    height_of_panel = _HEAD + _ROW * len(rows) + 14
    lines = -(-len(METRICS) // _COLUMNS)
    width = _LEFT + _NAMES + _PANEL * _COLUMNS
    height = _TOP + height_of_panel * lines
    size = f'width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="{_SVG}" {_SHAPE} {size} viewBox="0 0 {width} {height}" fill="{theme.text}">',
        "<title>What each instrumentation adds to the bare SDK</title>",
        f'<rect {size} fill="{theme.ground}"/>',
        _text(_LEFT, 22, "What each instrumentation adds to the bare Mistral SDK", bold=True),
        _text(_LEFT, 40, f"{result.date}; median of rounds, whiskers are quartiles; less is better",
              theme.faint),
    ]  # fmt: skip
    for at, metric in enumerate(METRICS):
        line, column = divmod(at, _COLUMNS)
        top = _TOP + line * height_of_panel
        if not column:
            parts += _names(rows, top, theme)
        left = _LEFT + _NAMES + column * _PANEL
        parts += _panel(result, metric, rows, left, top, theme)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(
    x: float, y: float, said: str, fill: str = "", *, bold: bool = False, anchor: str = ""
) -> str:
    more = f' fill="{fill}"' if fill else ""
    more += ' font-weight="600"' if bold else ""
    more += f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(said)}</text>'


def _names(rows: list[Candidate | None], top: float, theme: Theme) -> Iterator[str]:
    for at, each in enumerate(rows):
        if each is not None:
            y = top + _HEAD + at * _ROW
            said = f"{each.label} ({each.line})"
            fill = theme.ours if each.is_ours else theme.text
            yield _text(_LEFT + _NAMES - 8, y, said, fill, anchor="end")


def _panel(
    result: Result, metric: Metric, rows: list[Candidate | None], left: float, top: float,
    theme: Theme,
) -> Iterator[str]:  # fmt: skip
    cells = [(each, cell(result, each, metric)) if each else None for each in rows]
    added = [told.added for row in cells if row for told in [row[1]] if told.added]
    lowest = min([0.0, *(each.low for each in added)])
    highest = max([0.0, *(each.high for each in added)])
    per_unit = _BARS / ((highest - lowest) or 1.0)
    zero = left - lowest * per_unit
    yield _text(left, top + 20, f"{metric.label} ({metric.unit})", bold=True)
    bottom = top + _HEAD + _ROW * (len(rows) - 1) + 6
    yield (
        f'<path d="M{zero:.1f} {top + _HEAD - 14:.1f}V{bottom:.1f}" stroke="{theme.faint}" '
        'stroke-width="0.7"/>'
    )
    for at, row in enumerate(cells):
        if row:
            yield from _bar(*row, metric, zero, per_unit, top + _HEAD + at * _ROW, theme)


def _bar(
    each: Candidate, told: Cell, metric: Metric, zero: float, per_unit: float, y: float,
    theme: Theme,
) -> Iterator[str]:  # fmt: skip
    if told.added is None:
        said = told.said if told.said == NOT_TRACED else "not measured"
        yield _text(zero + _ASIDE, y, said, theme.faint)
        return
    low, median, high = (
        zero + value * per_unit for value in (told.added.low, told.added.median, told.added.high)
    )
    fill = theme.ours if each.is_ours else theme.other
    start, width = min(zero, median), abs(median - zero)
    yield (
        f'<rect x="{start:.1f}" y="{y - 10:.1f}" width="{max(width, 1):.1f}" height="12" '
        f'fill="{fill}"/>'
    )
    yield f'<path d="M{low:.1f} {y - 4:.1f}H{high:.1f}" stroke="{theme.text}"/>'
    yield _text(max(high, median, zero) + _ASIDE, y, metric.signed(told.added.median))
