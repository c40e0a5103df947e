# SPDX-License-Identifier: Apache-2.0
"""Reads this machine's clocks for a span's times."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from time import monotonic_ns, time_ns
from typing import Final

ONE_MOMENT: Final = 100_000
# Tests with frozen time (freezegun, time-machine) do not replace this clock, where the system has
# it: with another one a call that started in such a test and ended after it lasted minus 50 years.
ticks: Final[Callable[[], int]] = (
    partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC)
    if hasattr(time, "CLOCK_MONOTONIC")
    else time.monotonic_ns
)


def all_clocks() -> tuple[int, int, int]:
    """Returns ``time_ns()`` in whole microseconds, `ticks` and ``monotonic_ns()`` of one moment.

    If another thread runs between the readings, the span's times are wrong by that long, and it may
    end after its parent: they are repeated. Viewers cut start and duration to microseconds one by
    one: with nanoseconds the span would seem to end before its last event. Rounding up keeps a span
    from starting before the one around it.
    """
    before, now, arrival = ticks(), time_ns(), monotonic_ns()
    for _ in range(2):
        if ticks() - before < ONE_MOMENT:
            break
        before, now, arrival = ticks(), time_ns(), monotonic_ns()
    return now + 999 - (now + 999) % 1000, before, arrival


def whole_microseconds(nanoseconds: int) -> int:
    """Rounds down to whole microseconds."""
    return nanoseconds - nanoseconds % 1000
