# SPDX-License-Identifier: Apache-2.0
"""``docs/peers.md``: what a run found, in tables. Nothing here measures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .candidates import BY_NAME, NEW, OLD, Candidate
from .chart import DARK, LIGHT, draw
from .compare import METRICS, Cell, Metric, Spread, cell, of_line, shown, spans_of, spread, values
from .ours import OURS
from .result import Found, Result

PAGE: Final = "peers.md"
LESS: Final = "▼"
SAME: Final = "≈"
TIMES: Final = "\N{MULTIPLICATION SIGN}"


def write(result: Result, folder: Path) -> None:
    """Writes the page and both charts.

    Args:
        result: of the run.
        folder: of the page; the charts go into its ``pictures``.
    """
    (folder / PAGE).write_text(page(result), encoding="utf-8")
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for theme in (LIGHT, DARK):
        text = draw(result, theme)
        (pictures / f"peers-{theme.name}.svg").write_text(text, encoding="utf-8")


def page(result: Result) -> str:
    """The page's Markdown."""
    rounds, long_rounds = (
        max((len(each.measured.get(name, ())) for each in result.candidates.values()), default=0)
        for name in ("chat_call_us", "chat_end_ms")
    )
    return "\n".join(
        [
            "<!-- Written by `make bench-peers`, out of peers.json: a change by hand is lost. -->",
            "# Side by side with other instrumentations",
            "",
            _PREFACE.format(
                date=result.date, machine=result.machine, python=_python(result), rounds=rounds,
                calls=result.calls, deltas=f"{result.deltas:,}", long_rounds=long_rounds,
                long_deltas=f"{result.long_deltas:,}",
                memory=f"{result.memory_deltas:,}", less=LESS, same=SAME,
            ),
            *(line for each in (NEW, OLD) for line in _section(result, each)),
            "## Where ours costs more",
            "",
            *_dearer(result),
            "",
            "## Who was measured",
            "",
            *_who(result),
            "",
        ]
    )  # fmt: skip


_PREFACE: Final = """\
Measured on {date} by `make bench-peers`: Python {python}, {machine}.

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="pictures/peers-dark.svg">
  <img alt="Bars of what each instrumentation adds to the bare SDK, as in the tables below"
    src="pictures/peers-light.svg">
</picture>

Each candidate is a process of its own, in an environment of its own. A server on 127.0.0.1 sends
the same bytes to all. In each of {rounds} rounds every candidate makes {calls} calls without a
stream and reads a stream of {deltas} deltas, chat and conversation. They take turns at each of
these, in a new order each round. {long_rounds} of the rounds also have streams of {long_deltas}
deltas and one start of the program. A round begins when nothing else runs on the machine, as long
as waiting for that is worth it.

* A cell tells what the candidate **adds to the bare SDK** of the same line in the same round: the
  median of the rounds, in brackets the quartiles; below it the ratio to the bare SDK, likewise.
  If the quartiles are on both sides of 0, other things moved the numbers more than the candidate.
* Events, calls, streams and start are CPU time of the whole process, with the threads that send.
  An event is one delta while the stream is read; a whole long stream has {long_deltas} of them,
  and all that comes before and after. The pause is the time on the clock from its last delta to
  its end. Memory is the most that Python held while it read {memory} deltas, over what it held
  before; it is measured once.
* **{less}**: less than ours. {same}: the run does not tell which is less: 0 is within the 95 %
  confidence interval of the median of the differences from ours. Neither: more than ours.
* "not traced": no span of this candidate came of it in the run.
* What is exported is dropped in the process, after each candidate's own batching. Ours records
  spans **and** metrics; of the others only OpenLIT records metrics. Content is off where there is
  a switch for it.
* "import and set-up" includes what the candidate sends with: OpenTelemetry's SDK, for all but
  ddtrace and Braintrust.
"""


def _python(result: Result) -> str:
    found = {each.versions["python"] for each in result.candidates.values() if each.versions}
    return ", ".join(sorted(found))


def _section(result: Result, line: str) -> Iterator[str]:
    columns = shown(result, line)
    bare = of_line(result, line, "bare")
    if bare is None:
        return
    yield f"## mistralai {bare.versions['mistralai']}"
    yield ""
    yield f"| added to the bare SDK | bare SDK | {' | '.join(each.label for each in columns)} |"
    yield f"|---|{'---|' * (len(columns) + 1)}"
    for metric in METRICS:
        base = _number(spread(values(bare, metric)).median, metric)
        cells = [text_of(cell(result, each, metric), metric) for each in columns]
        yield f"| {metric.label}, {metric.unit} | {base} | {' | '.join(cells)} |"
    yield ""


def text_of(told: Cell, metric: Metric) -> str:
    """A cell's Markdown.

    Args:
        told: what it says.
        metric: whose unit and digits it has.
    """
    if told.added is None or told.ratio is None:
        return _plain(told.said)
    text = f"{_range(told.added, metric)}<br>{TIMES} {_ratios(told.ratio)}"
    if told.verdict == "less":
        return f"**{LESS}** {text}"
    return f"{SAME} {text}" if told.verdict == "same" else text


def _plain(said: str) -> str:
    """What was said, without what would end a cell."""
    return said.replace("|", "/")


def _number(value: float, metric: Metric) -> str:
    return f"{value:,.{metric.digits}f}"


def _range(told: Spread, metric: Metric) -> str:
    low, median, high = map(metric.signed, (told.low, told.median, told.high))
    return median if told.low == told.high else f"{median} [{low}, {high}]"


def _ratios(told: Spread) -> str:
    median = f"{told.median:.2f}"
    return median if told.low == told.high else f"{median} [{told.low:.2f}, {told.high:.2f}]"


def _dearer(result: Result) -> Iterator[str]:
    """A line for each cell in which ours costs more than another candidate's."""
    lines: list[str] = []
    for line in (NEW, OLD):
        ours = f"ours@{line}"
        for each in shown(result, line):
            for metric in METRICS:
                told = cell(result, each, metric)
                if told.verdict == "less" and told.added is not None:
                    mine = cell(result, BY_NAME[ours], metric).added
                    assert mine is not None
                    unit = metric.unit
                    lines.append(
                        f"* mistralai {line}, {metric.label}: ours "
                        f"{_range(mine, metric)} {unit}, {each.label} "
                        f"{_range(told.added, metric)} {unit}"
                    )
    yield from lines or ["In no cell of this run."]


def _who(result: Result) -> Iterator[str]:
    yield "| candidate | versions | spans of one call, of one stream | configuration |"
    yield "|---|---|---|---|"
    for name, found in result.candidates.items():
        each = BY_NAME[name]
        label = f"{each.label}, {each.line}"
        counts = "none" if each.is_bare or found.absent else _counts(each, found)
        said = f"**{_plain(found.absent)}**; " if found.absent else ""
        yield f"| {label} | {_versions(found)} | {counts} | {said}{each.configuration} |"


def _counts(each: Candidate, found: Found) -> str:
    told = {
        kind: [f"{min(spans_of(each, found, name)):g}" for name in (kind, f"{kind}_stream")]
        for kind in ("chat", "conversation")
    }
    return "; ".join(f"{kind} {call}, {stream}" for kind, (call, stream) in told.items())


def _versions(found: Found) -> str:
    named = {name: told for name, told in found.versions.items() if name != "python"}
    return ", ".join(
        f"{'ours' if name == OURS else name} {version}" for name, version in named.items()
    )
