# SPDX-License-Identifier: Apache-2.0
"""Whatever a program does with a conversation stream, it cannot tell that it is watched."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import names as s
from tests.support import usages_async, usages_errors, usages_python, usages_sync
from tests.support.observing import observe
from tests.support.recording import Recording, wait_until
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


def outcomes(made: Recording) -> list[str]:
    """What became of each span, once all have ended."""
    wait_until(lambda: len(made.finished()) >= made.started)
    spans = made.finished()
    assert len(spans) == made.started
    return [_outcome(span) for span in spans]


def _outcome(span: Any) -> str:
    status = span.status.status_code.name
    outcome = span.attributes.get(s.STREAM_OUTCOME)
    if outcome is None:
        return "error" if status == "ERROR" else "none"
    assert status == ("ERROR" if outcome == "failed" else "UNSET")
    return str(outcome)
