# SPDX-License-Identifier: Apache-2.0
"""``pytest -p tests.support.without_posix`` takes away what Windows' Python lacks.

It is not Windows: paths, sockets and locks stay as they are, and modules such as ``fcntl``, which
other packages import by the system's name. But what needs a fork, a process group or a signal
there fails here, too, unless it is skipped.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any, Final

OF_OS: Final = ("fork", "forkpty", "killpg", "register_at_fork", "setpgid", "setsid")
OF_SIGNAL: Final = (
    "ITIMER_REAL", "SIGALRM", "SIGCHLD", "SIGCONT", "SIGKILL", "SIGQUIT", "SIGSTOP", "SIGUSR1",
    "SIGUSR2", "alarm", "pause", "pthread_kill", "setitimer", "siginterrupt", "sigwait",
)  # fmt: skip
OF_TIME: Final = ("CLOCK_MONOTONIC", "CLOCK_REALTIME", "clock_gettime", "clock_gettime_ns", "tzset")


def _kill(process: subprocess.Popen[Any]) -> None:
    """Ends a process at once, as ``Popen.kill`` does there without a signal."""
    process.send_signal(9)


def pytest_load_initial_conftests() -> None:
    """Before any of ours is imported."""
    for module, names in ((os, OF_OS), (signal, OF_SIGNAL), (time, OF_TIME)):
        for name in names:
            vars(module).pop(name, None)
    setattr(subprocess.Popen, "kill", _kill)  # noqa: B010 -- mypy allows no assignment to a method
