# SPDX-License-Identifier: Apache-2.0
"""The fixtures: the example in both modes, each scraped by a real Prometheus."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from time import time
from typing import TYPE_CHECKING

import pytest

from tests.prometheus.program import run_program
from tests.prometheus.scraped import Scraped, scraped_since, scrapes
from tests.prometheus.server import needed_binary, run_prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# genai-prices and grafana-foundation-sdk need it; so do the scripts, not what they have written.
if sys.version_info < (3, 11):
    collect_ignore = ["test_prices.py", "test_dashboard.py"]

MODES = ("default", "latest")
_SEEN = 2
# Rules are followed in their order.
_LAST_RULE = "mistral_ai:unpriced_tokens:total"


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
