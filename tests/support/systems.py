# SPDX-License-Identifier: Apache-2.0
"""What a test needs of the system that not every one has; `test_systems.py` asks for it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final

import pytest

needs_fork: Final = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this system has no fork, and nothing of ours to go wrong in it"
)
needs_posix: Final = pytest.mark.skipif(
    not (hasattr(os, "killpg") and hasattr(signal, "SIGKILL")),
    reason="this system has no POSIX signals, process groups or shell",
)
needs_proc: Final = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="only Linux tells a process's threads in /proc"
)
