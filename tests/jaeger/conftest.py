# SPDX-License-Identifier: Apache-2.0
"""The fixtures: a real Jaeger, the emulated API, and an instrumented program between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.jaeger.program import Program, run_program
from tests.jaeger.server import Jaeger, jaeger
from tests.support.serving import emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator import Emulator

__all__ = ["emulator", "jaeger"]


@pytest.fixture(params=["sync", "async"])
def program(
    request: pytest.FixtureRequest, jaeger: Jaeger, emulator: Emulator
) -> Iterator[Program]:
    """A program that is instrumented and exports to Jaeger: one that blocks, one on asyncio."""
    with run_program(jaeger, emulator, is_async=request.param == "async") as running:
        yield running
