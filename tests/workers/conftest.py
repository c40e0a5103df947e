# SPDX-License-Identifier: Apache-2.0
"""The emulated API, and a receiver of OTLP."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from emulator import Emulator, serve
from tests.zero_code.receiver import Receiver, receive

if TYPE_CHECKING:
    from collections.abc import Iterator


# Whoever starts the tests in the background has them ignore Ctrl-C, and so all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """The API that the programs talk to."""
    with serve() as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A healthy receiver of OTLP."""
    with receive() as running:
        yield running
