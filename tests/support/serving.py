# SPDX-License-Identifier: Apache-2.0
"""The emulator alone, for the tests whose programs run in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulator import Emulator, serve


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """One emulator for all tests."""
    with serve() as running:
        yield running
