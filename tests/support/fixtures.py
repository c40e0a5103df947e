# SPDX-License-Identifier: Apache-2.0
"""The emulator, the real SDK, and providers in memory, for the tests of calls."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support.recording import Recording
from tests.support.sdk import Mistral
from tests.support.serving import emulator

__all__ = ["client", "emulator", "no_log_records", "recording"]


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Any]:
    """A client of the real SDK; the emulator has forgotten earlier requests."""
    emulator.clear()
    with Mistral(api_key="key", server_url=emulator.url) as mistral:
        yield mistral
    # What a test forgot ends with it. Then what is left is the SDK's many modules, which no other
    # test's collections need to look at again: they took a third of all the time.
    gc.collect()
    gc.freeze()


@pytest.fixture
def recording() -> Iterator[Recording]:
    """The plugin, switched on, recording into memory."""
    made = Recording()
    instrument(**made.providers)
    yield made
    uninstrument()


@pytest.fixture(autouse=True)
def no_log_records() -> Iterator[list[logging.LogRecord]]:
    """Fails a test during which anything is logged as a warning or worse; it may clear the list."""
    records: list[logging.LogRecord] = []

    class _Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = _Keep(logging.WARNING)
    logging.getLogger().addHandler(handler)
    yield records
    logging.getLogger().removeHandler(handler)
    assert [record.getMessage() for record in records] == []
