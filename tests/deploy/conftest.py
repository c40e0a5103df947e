# SPDX-License-Identifier: Apache-2.0
"""What the deploy tests need, how they end, and what they have measured."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from emulator import Emulator, serve
from tests.deploy.gateway import nginx
from tests.deploy.runs import Facts
from tests.deploy.stores import jars, java
from tests.jaeger.server import binary
from tests.prometheus.server import binary as prometheus
from tests.support.servers import without

if TYPE_CHECKING:
    from collections.abc import Iterator

_facts: Facts = {}


@pytest.fixture(scope="session", autouse=True)
def _all_is_there() -> None:
    """Without its parts the tests skip, in CI they fail."""
    missing = [
        what
        for what, there in {
            f"Jaeger at {binary()}": os.access(binary(), os.X_OK),
            f"Kafka and Cassandra in {jars()}": jars().is_dir(),
            f"Prometheus at {prometheus()}": os.access(prometheus(), os.X_OK),
            f"nginx at {nginx()}": os.access(nginx(), os.X_OK),
            f"Java 17 as {java()}": shutil.which(java()),
        }.items()
        if not there
    ]
    if missing:
        without(f"missing: {', '.join(missing)}; get them with `make test-deploy`")


@pytest.fixture(scope="session", autouse=True)
def _ends_in_order() -> Iterator[None]:
    """SIGTERM, which a time limit sends, ends the tests as Ctrl-C does: fixtures clean up."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """The API that the conversations are held with."""
    with serve() as running:
        yield running


@pytest.fixture(scope="session")
def facts() -> Facts:
    """What a test has measured, to be told at the end."""
    return _facts


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tells what was measured."""
    if _facts:
        terminalreporter.section("measured")
    for what, measured in _facts.items():
        terminalreporter.write_line(f"{what}: {measured}")
