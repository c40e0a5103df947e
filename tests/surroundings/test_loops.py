# SPDX-License-Identifier: Apache-2.0
"""Event loops: uvloop, anyio, and trio where the SDK itself runs on it."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.support import sdk
from tests.surroundings.running import (
    PROGRAM,
    SYNC,
    assert_the_same,
    assert_works,
    both,
)

if TYPE_CHECKING:
    from emulator import Emulator


@pytest.mark.parametrize("runner", ["asyncio", "uvloop", "anyio", "anyio with uvloop"])
@pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not here: make test-workers")
def test_event_loops(emulator: Emulator, runner: str) -> None:
    bare, ours = both([sys.executable, str(PROGRAM)], emulator.url, runner)
    assert_works(bare, ours)
    assert ours.complaints == ""


needs_trio = pytest.mark.skipif(
    find_spec("trio") is None, reason="trio is not here, for eventlet's sake: nox -s trio"
)


@needs_trio
@pytest.mark.skipif(sdk.VERSION >= (3,), reason="this SDK does not run on trio, bare")
def test_trio(emulator: Emulator) -> None:
    bare, ours = both([sys.executable, str(PROGRAM)], emulator.url, "trio")
    assert_works(bare, ours)
    assert ours.complaints == ""


@needs_trio
@pytest.mark.skipif(sdk.VERSION < (3,), reason="this SDK runs on trio")
def test_trio_fails_as_it_does_without_us(emulator: Emulator) -> None:
    bare, ours = both([sys.executable, str(PROGRAM)], emulator.url, "trio")
    assert_the_same(bare, ours)
    assert isinstance(bare.told["saw"][1], str), "this SDK runs on trio: see test_trio"
    # The call that failed is a span, and none is left open.
    assert [span for span in ours.told["spans"] if span not in SYNC] == []
