# SPDX-License-Identifier: Apache-2.0
"""The emulator, for the runs beside another instrumentation."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from emulator import Emulator
from tests.beside.programs import PROGRAMS
from tests.beside.running import ORDERS, run
from tests.support.serving import emulator

__all__ = ["emulator"]


@pytest.fixture(scope="session", autouse=True)
def warmed_up(emulator: Emulator) -> Iterator[None]:
    """What only a first run has: imports, their warnings, a conversation without earlier turns."""
    for name in ("chat async reads_to_the_end", "conversations sync appends_and_restarts"):
        run(PROGRAMS[name], emulator, ORDERS["they come first"])
    # Each of a thousand gc.collect() is to look at what is new only.
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
