# SPDX-License-Identifier: Apache-2.0
"""The emulated API that the programs talk to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator import Emulator, serve

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """One for all programs."""
    with serve() as running:
        yield running
