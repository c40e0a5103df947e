# SPDX-License-Identifier: Apache-2.0
"""The fixtures of every end-to-end test."""

from __future__ import annotations

import pytest

from tests.support.conversations import Run, read_async, read_sync
from tests.support.fixtures import client, emulator, no_log_records, recording

__all__ = ["client", "emulator", "no_log_records", "recording"]


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    """Streams a scenario to its end, sync or async; returns the events, raises what comes."""
    return read_sync if request.param == "sync" else read_async
