# SPDX-License-Identifier: Apache-2.0
"""Whatever a program does with a conversation stream, it cannot tell that it is watched."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import usages_async, usages_errors, usages_python, usages_sync
from tests.support.observing import observe
from tests.support.outcomes import outcomes
from tests.support.recording import Recording
from tests.support.usages import USAGES, Usage

# Imported so that their usages are in the list.
assert all((usages_sync, usages_async, usages_errors, usages_python))


@pytest.fixture(autouse=True, scope="module")
def small_heap(emulator: Emulator) -> Iterator[None]:
    """Lets each of some hundred gc.collect() look at what is new only."""
    for usage in USAGES[:1] + USAGES[-1:]:
        observe(usage.run, emulator)
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("usage", USAGES, ids=lambda usage: usage.name)
def test_patched_and_unpatched_runs_are_indistinguishable(emulator: Emulator, usage: Usage) -> None:
    unpatched = observe(usage.run, emulator)
    made = Recording()
    instrument(**made.providers)
    try:
        patched = observe(usage.run, emulator)
    finally:
        uninstrument()
    assert vars(patched) == vars(unpatched)
    assert unpatched.context_was_kept
    assert sorted(outcomes(made)) == sorted(usage.outcomes)
