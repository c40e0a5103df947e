# SPDX-License-Identifier: Apache-2.0
"""Programs to try; Ctrl-C ends each of them without a traceback, with exit code 130."""

from __future__ import annotations

import sys
from types import TracebackType


def _quiet_at_interrupts(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        # Python ends with the code of what its hook raises, after whatever is to be done at exit.
        raise SystemExit(130)
    sys.__excepthook__(kind, error, traceback)


# Here, and not in each program: this module is imported before their own imports, which take
# seconds, and in which Ctrl-C would be answered with 40 lines.
sys.excepthook = _quiet_at_interrupts
