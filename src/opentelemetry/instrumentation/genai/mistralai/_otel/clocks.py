# SPDX-License-Identifier: Apache-2.0
"""The clocks of this machine that a span's times come from."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from time import monotonic_ns, time_ns
from typing import Final

ONE_MOMENT: Final = 100_000
# A clock for durations that tests with frozen time (freezegun, time-machine) do not replace, where
# there is one: a call that starts in such a test and ends after it lasted for minus fifty years.
ticks: Final[Callable[[], int]] = (
    partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC)
    if hasattr(time, "CLOCK_MONOTONIC")
    else time.monotonic_ns
)


def all_clocks() -> tuple[int, int, int]:
    """``time_ns()`` in whole microseconds, `ticks` and ``monotonic_ns()`` of one moment.

    A thread that another one interrupts between them would have all times of a span wrong by that
    long, and its end after its parent's. Viewers cut start and duration to microseconds one by
    one, so that with parts of them an end lies before what happened last; rounded up, so that no
    span starts before the one around it.
    """
    before, now, arrival = ticks(), time_ns(), monotonic_ns()
    for _ in range(2):
        if ticks() - before < ONE_MOMENT:
            break
        before, now, arrival = ticks(), time_ns(), monotonic_ns()
    return now + 999 - (now + 999) % 1000, before, arrival


def whole_microseconds(nanoseconds: int) -> int:
    """Cuts off what is less than a microsecond."""
    return nanoseconds - nanoseconds % 1000
