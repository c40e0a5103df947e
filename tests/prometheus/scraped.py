# SPDX-License-Identifier: Apache-2.0
"""What a Prometheus has seen of the example."""

from __future__ import annotations

from dataclasses import dataclass

from tests.prometheus.document import queries
from tests.prometheus.program import Program
from tests.prometheus.server import Labels, Prometheus
from tests.support.servers import START_SECONDS

_SERIES = "gen_ai_client_inference_usage_input_tokens_total"
_SCRAPES = f"count_over_time({_SERIES}[5m])"


@dataclass(frozen=True)
class Scraped:
    """A Prometheus that has seen the example hold its conversations, and hold them again.

    Attributes:
        mode: ``default`` or ``latest``.
        program: still running, idle.
        prometheus: still scraping.
        before: when it scraped between the two times, s since the epoch.
        after: when it scraped after the second.
        scrapes: how many samples each series has until then.
    """

    mode: str
    program: Program
    prometheus: Prometheus
    before: float
    after: float
    scrapes: int

    def ask(self, title: str) -> dict[Labels, float]:
        """What a query of the document is answered, at the last scrape."""
        return self.prometheus.query(queries(self.mode)[title], self.after)

    @property
    def extrapolation(self) -> float:
        """What `increase` multiplies a difference of samples by, when it ends at a sample.

        A series that begins inside the window is taken to have begun half the average time
        between its samples earlier: functions.go, `extrapolatedRate`, the same in 2.x and 3.x.
        """
        return 1 + 0.5 / (self.scrapes - 1)


def scraped_since(server: Prometheus, moment: float, least: int) -> float:
    """When the target was scraped last, as soon as that was after a moment.

    Args:
        server: who scrapes.
        moment: s since the epoch.
        least: how many samples the series must have.
    """

    def ask() -> float | None:
        # Of the series themselves: of an expression, the time is that of the question.
        times = [*server.query(f"timestamp({_SERIES})").values()]
        counts = [*server.query(_SCRAPES).values()]
        if not times or not counts or times[0] <= moment or min(counts) < least:
            return None
        return times[0]

    return server.poll(ask, START_SECONDS)


def scrapes(server: Prometheus, at: float) -> int:
    """How many samples each series has at a time; of all the same number."""
    (count,) = set(server.query(_SCRAPES, at).values())
    return int(count)
