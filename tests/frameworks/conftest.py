# SPDX-License-Identifier: Apache-2.0
"""The emulator, and one pair of global providers, for the programs of one framework."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulator import Emulator, serve
from tests.frameworks.running import Providers, Runner

# A framework may warn of whatever it likes, and leaves connections to the collector; what is said
# of our own lines stays an error.
_WARNINGS = (
    "default",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    r"error:::opentelemetry\.instrumentation\.genai\..*",
)


def pytest_configure(config: pytest.Config) -> None:
    """Before the first test."""
    for line in _WARNINGS:
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """One emulator for all tests."""
    with serve() as running:
        yield running


@pytest.fixture(scope="session")
def providers() -> Providers:
    """The global ones: some frameworks use no others, and keep their tracers for ever."""
    made = Providers()
    made.set_globally()
    return made


@pytest.fixture
def runner(emulator: Emulator, providers: Providers) -> Runner:
    """Runs programs, bare and instrumented."""
    return Runner(emulator, providers)
