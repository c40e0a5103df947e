# SPDX-License-Identifier: Apache-2.0
"""The fixtures: the example in both modes, each scraped by a real Prometheus."""

from __future__ import annotations

import os
from contextlib import ExitStack
from time import time
from typing import TYPE_CHECKING

import pytest

from tests.prometheus.program import run_program
from tests.prometheus.scraped import Scraped, scraped_since, scrapes
from tests.prometheus.server import binary, run_prometheus
from tests.support.servers import without

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODES = ("default", "latest")
_SEEN = 2


@pytest.fixture(scope="session")
def binary_path() -> Path:
    """Prometheus' binary; without it the tests skip, in CI they fail."""
    path = binary()
    if not os.access(path, os.X_OK):
        without(f"no Prometheus at {path}: get one with `make prometheus`")
    return path


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
        yield {
            mode: Scraped(mode, programs[mode], server, before[mode], at, scrapes(server, at))
            for (mode, server), at in zip(servers.items(), after.values(), strict=True)
        }


@pytest.fixture(params=MODES)
def scraped(request: pytest.FixtureRequest, both: dict[str, Scraped]) -> Scraped:
    """One of the modes."""
    return both[request.param]
