# SPDX-License-Identifier: Apache-2.0
"""The fixtures: the example in both modes, each scraped by a real Prometheus."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING

import pytest

from tests.prometheus.document import queries
from tests.prometheus.program import Program, run_program
from tests.prometheus.server import Labels, Prometheus, needed_binary, run_prometheus
from tests.support.servers import START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# genai-prices and grafana-foundation-sdk need it; so do the scripts, not what they have written.
if sys.version_info < (3, 11):
    collect_ignore = ["test_prices.py", "test_dashboard.py"]

MODES = ("default", "latest")
_SERIES = "gen_ai_client_inference_usage_input_tokens_total"
# Rules are followed in their order.
_LAST_RULE = "mistral_ai:unpriced_tokens:total"
_SCRAPES = f"count_over_time({_SERIES}[5m])"
_SEEN = 2


@dataclass(frozen=True)
class Scraped:
    """A Prometheus that has seen the example hold its conversations, and hold them again.

    Attributes:
        mode: ``default`` or ``latest``.
        program: still running, idle.
        prometheus: still scraping.
        before: when it scraped between the two times, s since the epoch.
        after: when it scraped after the second; the rules have counted that.
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


@pytest.fixture(scope="session")
def binary_path() -> Path:
    """Prometheus' binary; without it the tests skip, in CI they fail."""
    return needed_binary()


@pytest.fixture(scope="session")
def both(
    binary_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Scraped]]:
    """Both modes at the same time, since most of it is waiting for scrapes."""
    with ExitStack() as stack:
        programs = {mode: stack.enter_context(run_program(mode)) for mode in MODES}
        for program in programs.values():
            program.wait_until_held()
        # Only now: a series whose first sample was taken between two conversations would count
        # them in part.
        servers = {
            mode: stack.enter_context(
                run_prometheus(binary_path, tmp_path_factory.mktemp(mode), program.target)
            )
            for mode, program in programs.items()
        }
        before = {mode: scraped_since(server, 0, _SEEN) for mode, server in servers.items()}
        for program in programs.values():
            program.hold_again()
        for program in programs.values():
            program.wait_until_held()
        over = time()
        after = {mode: scraped_since(server, over, _SEEN) for mode, server in servers.items()}
        # Of what was there before this moment; a rule that was followed earlier may have seen less.
        over = time()
        for server in servers.values():
            scraped_since(server, over, _SEEN, _LAST_RULE)
        yield {
            mode: Scraped(mode, programs[mode], server, before[mode], at, scrapes(server, at))
            for (mode, server), at in zip(servers.items(), after.values(), strict=True)
        }


@pytest.fixture(params=MODES)
def scraped(request: pytest.FixtureRequest, both: dict[str, Scraped]) -> Scraped:
    """One of the modes."""
    return both[request.param]


def scraped_since(server: Prometheus, moment: float, least: int, series: str = _SERIES) -> float:
    """When the target was scraped last, as soon as that was after a moment.

    Args:
        server: who scrapes.
        moment: s since the epoch.
        least: how many samples the series must have.
        series: the name of what is looked at; of a rule's, it is when the rule was followed.
    """

    def ask() -> float | None:
        # Of the series themselves: of an expression, the time is that of the question.
        times = [*server.query(f"timestamp({series})").values()]
        counts = [*server.query(_SCRAPES).values()]
        if not times or not counts or times[0] <= moment or min(counts) < least:
            return None
        return times[0]

    return server.poll(ask, START_SECONDS)


def scrapes(server: Prometheus, at: float) -> int:
    """How many samples each series has at a time; of all the same number."""
    (count,) = set(server.query(_SCRAPES, at).values())
    return int(count)
