# SPDX-License-Identifier: Apache-2.0
"""From raw rounds to cells: ratios and differences within a round, their medians and quartiles."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Final

from .candidates import CANDIDATES, Candidate
from .result import Found, Result

NOT_TRACED: Final = "not traced"
# Two runs of one program differ by so much memory.
_SAME_KIB: Final = 4.0
# Fewer rounds than these tell nothing of times.
_FEWEST: Final = 3


@dataclass(frozen=True)
class Metric:
    """One row of the page's tables.

    Attributes:
        name: in the results.
        label: on the page and in the chart.
        unit: of the number shown.
        operation: whose spans tell whether the candidate traces this; empty if that is no matter.
        scale: what the measured number is divided by.
        digits: after the point.
    """

    name: str
    label: str
    unit: str
    operation: str
    scale: float = 1.0
    digits: int = 1

    def signed(self, value: float) -> str:
        """A difference with its sign, such as ``+1,234.5``."""
        # Rounded first: what is shown as zero has no minus.
        return f"{round(value, self.digits) + 0.0:+,.{self.digits}f}"


@dataclass(frozen=True)
class Spread:
    """A median, and the quartiles around it."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Cell:
    """What one candidate adds to the bare SDK in one metric.

    Attributes:
        said: instead of numbers: ``not traced``, or why it is absent.
        added: over the bare SDK in the same round.
        ratio: to the bare SDK in the same round.
        verdict: beside ours: ``less``, ``more``, ``same``; empty for ours itself and what is bare.
    """

    said: str = ""
    added: Spread | None = None
    ratio: Spread | None = None
    verdict: str = ""


METRICS: Final = (
    Metric("chat_event_us", "chat, each event", "µs", "chat_stream"),
    Metric("conversation_event_us", "conversation, each event", "µs", "conversation_stream"),
    Metric("chat_call_us", "chat, each call", "µs", "chat", digits=0),
    Metric("conversation_call_us", "conversation, each call", "µs", "conversation", digits=0),
    Metric("chat_stream_ms", "chat, a whole long stream", "ms", "chat_stream"),
    Metric("conversation_stream_ms", "conversation, a whole long stream", "ms",
           "conversation_stream"),
    Metric("chat_end_ms", "chat, pause at the end", "ms", "chat_stream", digits=2),
    Metric("conversation_end_ms", "conversation, pause at the end", "ms", "conversation_stream",
           digits=2),
    Metric("chat_kib", "chat, memory", "MiB", "chat_stream", scale=1024, digits=2),
    Metric("conversation_kib", "conversation, memory", "MiB", "conversation_stream", scale=1024,
           digits=2),
    Metric("ready_ms", "import and set-up", "ms", "", digits=0),
)  # fmt: skip


def spread(values: list[float]) -> Spread:
    """The median and the quartiles of some values, of which one is enough.

    Args:
        values: measured; not empty.
    """
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low, median, high)


def sure(values: list[float]) -> tuple[float, float]:
    """Where the median is with 95 % confidence, whatever the distribution: between two ranks.

    Args:
        values: measured; not empty. Below six even the lowest and the highest are less sure.
    """
    count, ordered = len(values), sorted(values)
    rank, below = 0, 0.5**count
    # In `below` of all runs no more than `rank` values are under the true median.
    while below <= 0.025:
        rank += 1
        below += math.comb(count, rank) * 0.5**count
    at = max(rank - 1, 0)
    return ordered[at], ordered[count - 1 - at]


def is_traced(candidate: Candidate, found: Found, operation: str) -> bool:
    """Whether spans of the candidate's own scope came of an operation, in each round.

    Args:
        candidate: whose scope it is; spans of others (the SDK's own, beside OpenLIT) are not its.
        found: of the candidate.
        operation: as the worker names it; empty is always traced.
    """
    return not operation or all(spans_of(candidate, found, operation))


def spans_of(candidate: Candidate, found: Found, operation: str) -> list[float]:
    """How many spans of the candidate's scope one operation made, in each round."""
    return [
        sum(count for scope, count in told.items() if candidate.made(scope))
        for told in found.spans[operation]
    ]


def values(found: Found, metric: Metric) -> list[float]:
    """The measured numbers of one metric, one for each round; one only of memory."""
    return [told / metric.scale for told in found.measured[metric.name]]


def cell(result: Result, candidate: Candidate, metric: Metric) -> Cell:
    """What the page says of one candidate and metric.

    Args:
        result: of the run.
        candidate: not a bare one.
        metric: one of `METRICS`.
    """
    found = result.candidates[candidate.name]
    bare = of_line(result, candidate.line, "bare")
    if found.absent or bare is None:
        return Cell(said=found.absent or "nothing to compare with")
    if not is_traced(candidate, found, metric.operation):
        return Cell(said=NOT_TRACED)
    mine, base = values(found, metric), values(bare, metric)
    pairs = list(zip(mine, base, strict=True))
    return Cell(
        added=spread([one - other for one, other in pairs]),
        ratio=spread([one / other for one, other in pairs]),
        verdict="" if candidate.is_ours else beside_ours(result, candidate, metric),
    )


def beside_ours(result: Result, candidate: Candidate, metric: Metric) -> str:
    """``less`` or ``more`` than ours, or ``same``: the run does not tell.

    Args:
        result: of the run.
        candidate: not ours.
        metric: one of `METRICS`.
    """
    ours = of_line(result, candidate.line, "ours")
    if ours is None:
        return ""
    mine, theirs = values(ours, metric), values(result.candidates[candidate.name], metric)
    low, high = sure([their - our for our, their in zip(mine, theirs, strict=True)])
    is_memory = metric.name.endswith("_kib")
    if len(mine) < _FEWEST and not is_memory:
        return "same"
    slack = _SAME_KIB / metric.scale if is_memory else 0.0
    if high < -slack:
        return "less"
    return "more" if low > slack else "same"


def of_line(result: Result, line: str, setup: str) -> Found | None:
    """What was found of ``bare`` or ``ours`` on one line of the SDK; None if it is absent."""
    found = result.candidates.get(f"{setup}@{line}")
    return found if found and not found.absent else None


def shown(result: Result, line: str) -> list[Candidate]:
    """The candidates of one line that the run had, in their order, without the bare SDK."""
    return [
        each for each in CANDIDATES
        if each.line == line and not each.is_bare and each.name in result.candidates
    ]  # fmt: skip
