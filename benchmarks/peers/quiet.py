# SPDX-License-Identifier: Apache-2.0
"""Waits for a moment in which others leave the machine alone. It chooses moments, not results."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep
from typing import Final

# CPUs that others may use meanwhile, over so many seconds in which all candidates wait.
_OTHERS: Final = 0.3
_LOOK: Final = 0.4
_STAT: Final = Path("/proc/stat")
_HERTZ: Final = 100


class Patience:
    """The seconds that a whole run may wait."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    def wait(self) -> None:
        """Returns in a quiet moment, or when there is no patience left, or no way to know."""
        while self._left > 0 and _STAT.exists():
            began, before = monotonic(), busy(_STAT.read_text())
            sleep(_LOOK)
            spent = monotonic() - began
            used = (busy(_STAT.read_text()) - before) / _HERTZ / spent
            if used < _OTHERS:
                return
            self._left -= spent


def busy(stat: str) -> int:
    """The ticks that all CPUs together have worked, from the text of ``/proc/stat``.

    Args:
        stat: its text; the first line is ``cpu user nice system idle iowait irq softirq steal``.
    """
    user, nice, system, _idle, _iowait, *rest = map(int, stat.splitlines()[0].split()[1:9])
    return user + nice + system + sum(rest)
