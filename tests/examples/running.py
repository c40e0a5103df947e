# SPDX-License-Identifier: Apache-2.0
"""The examples as a user runs them, to their end; ``interrupting`` has those that Ctrl-C ends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[2]
# On a busy machine importing takes its time.
SECONDS: Final = 240.0
_SETTINGS: Final = ("OTEL_", "MISTRAL_", "JAEGER_", "PYTHON", "COLUMNS", "MAKE", "MFLAGS")


def without_settings(**more: str) -> dict[str, str]:
    """This process's variables without those that change what an example does, and more."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_SETTINGS)}
    return {**kept, **more}


def run(command: Sequence[str], **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a command in the repository to its end, its output in a pipe."""
    return subprocess.run(  # noqa: S603 -- ours
        command,
        cwd=ROOT,
        env=without_settings(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=SECONDS,
    )
