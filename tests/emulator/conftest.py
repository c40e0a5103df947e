# SPDX-License-Identifier: Apache-2.0
"""An emulator for each file, and the SDK's conversations with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from emulator import Emulator, serve
from tests.support.sdk import Mistral


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """One emulator for a file's tests: what it counts and remembers is of these."""
    with serve() as running:
        yield running


@pytest.fixture(scope="module")
def conversations(emulator: Emulator) -> Iterator[Any]:
    """``beta.conversations`` of a client of it."""
    with Mistral(api_key="key", server_url=emulator.url) as client:
        yield client.beta.conversations
