# SPDX-License-Identifier: Apache-2.0
"""Beside another instrumentation of mistralai, loaded before us or after us, nothing changes.

Each program is run with the other library alone, with us alone, and with both in either order. What
the other library breaks or leaks, it breaks and leaks when it is alone too; the comparison is with
that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pytest

from emulator import Emulator
from tests.beside.other import OTHER
from tests.beside.programs import PROGRAMS
from tests.beside.running import ORDERS, OURS, THEIRS, Ran, run

# OpenInference keeps a coroutine that was never awaited for longer than the run lasts.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine '.*' was never awaited:RuntimeWarning")
# A usage with a time limit may miss it when the machine is busy, in one of its four runs. What we
# change is changed each time.
_ATTEMPTS: Final = 3


@dataclass
class Runs:
    """One program, with one library and with both."""

    theirs: Ran
    ours: Ran
    both: dict[str, Ran]

    def caller_sees_a_difference(self, order: str) -> bool:
        """Whether the program's author could tell that we are there too."""
        return bool(self.both[order].caller() != self.theirs.caller())

    @property
    def is_the_same_program(self) -> bool:
        """Whether the other library lets the program run as it does without it."""
        return bool(_outline(self.theirs.caller()) == _outline(self.ours.caller()))

    def settled(self) -> bool:
        """Whether there is nothing that another attempt could make good."""
        return all(
            not self.caller_sees_a_difference(order)
            and both.told(THEIRS) == self.theirs.told(THEIRS)
            and (not self.is_the_same_program or both.told(OURS) == self.ours.told(OURS))
            for order, both in self.both.items()
        )


def _outline(seen: Any) -> Any:
    """Without the frames of exceptions: those of the other library are among them."""
    kind: type = seen.__class__
    if kind is dict:
        return {
            key: _outline(value) for key, value in seen.items() if key not in ("frames", "logged")
        }
    return [_outline(item) for item in seen] if kind in (list, tuple) else seen


@pytest.fixture(scope="module", params=PROGRAMS)
def runs(request: pytest.FixtureRequest, emulator: Emulator) -> Runs:
    """One program's four runs."""
    made = _run(request.param, emulator)
    for _ in range(_ATTEMPTS - 1):
        if made.settled():
            break
        made = _run(request.param, emulator)
    return made


def _run(name: str, emulator: Emulator) -> Runs:
    program = PROGRAMS[name]
    return Runs(
        run(program, emulator, [THEIRS]),
        run(program, emulator, [OURS]),
        {name: run(program, emulator, order) for name, order in ORDERS.items()},
    )


IN_EACH_ORDER: Final = pytest.mark.parametrize("order", ORDERS)


@IN_EACH_ORDER
def test_the_caller_sees_no_difference(runs: Runs, order: str) -> None:
    assert runs.both[order].caller() == runs.theirs.caller()
    assert runs.both[order].seen.context_was_kept == runs.theirs.seen.context_was_kept


@IN_EACH_ORDER
def test_they_record_what_they_record_alone(runs: Runs, order: str) -> None:
    assert runs.both[order].told(THEIRS) == runs.theirs.told(THEIRS)


@IN_EACH_ORDER
def test_we_record_what_we_record_alone(runs: Runs, order: str) -> None:
    both = runs.both[order]
    if runs.is_the_same_program:
        assert both.told(OURS) == runs.ours.told(OURS)
        assert both.metrics == runs.ours.metrics
    # Else the other library has made another program of it: no ``with``, an exception of its own.
    assert all(span["ended"] for span in both.told(OURS))
    assert both.told(OURS) == runs.both["we come first"].told(OURS)


@IN_EACH_ORDER
def test_a_span_has_its_parent_in_the_other_library_or_none(runs: Runs, order: str) -> None:
    theirs, ours = (runs.both[order].parents(scope) for scope in (THEIRS, OURS))
    assert theirs <= {None}
    assert ours <= ({None, THEIRS} if OTHER.is_current else {None})
