# SPDX-License-Identifier: Apache-2.0
"""The emulator, and one pair of global providers, for the programs of one framework."""

from __future__ import annotations

import pytest

from emulator import Emulator
from tests.frameworks.running import Providers, Runner
from tests.support.serving import emulator

__all__ = ["emulator"]

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
def providers() -> Providers:
    """The global ones: some frameworks use no others, and keep their tracers for ever."""
    made = Providers()
    made.set_globally()
    return made


@pytest.fixture
def runner(emulator: Emulator, providers: Providers) -> Runner:
    """Runs programs, bare and instrumented."""
    return Runner(emulator, providers)
