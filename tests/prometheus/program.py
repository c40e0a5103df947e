# SPDX-License-Identifier: Apache-2.0
"""The example, in a process of its own, as a user runs it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.strict import STRICT

if TYPE_CHECKING:
    from collections.abc import Generator

_ROOT = Path(__file__).parents[2]
_SECONDS = 60.0


class Program:
    """``python -m examples.prometheus``."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Reads where it serves its metrics; it goes on with its conversations."""
        self._process = process
        self.metrics_url = self._line()
        self.target = urlsplit(self.metrics_url).netloc

    def wait_until_held(self) -> None:
        """Returns when its conversations are over."""
        line = self._line()
        assert line.startswith("10 conversations held"), line

    def hold_again(self) -> None:
        """Lets it begin with as many again."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        # Unbuffered and byte by byte: a line that the reader has taken already is no longer there
        # for `select`, which would wait in vain.
        output = self._process.stdout
        assert output is not None
        line, deadline = b"", monotonic() + _SECONDS
        while not line.endswith(b"\n"):
            left = max(0.0, deadline - monotonic())
            assert select.select([output], [], [], left)[0], f"nothing in {_SECONDS} s: {line!r}"
            piece = output.read(1)
            assert piece, f"it ended: {line!r}"
            line += piece
        return line.decode().rstrip()


@contextmanager
def run_program(mode: str) -> Generator[Program]:
    """Runs the example until the block is left; then its input ends, and so must it.

    Args:
        mode: ``default`` or ``latest``.
    """
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "MISTRAL_"))
    }
    environment["OTEL_EXPORTER_PROMETHEUS_PORT"] = "0"
    if mode == "latest":
        environment["OTEL_INSTRUMENTATION_GENAI_MISTRALAI_METRIC_NAMES"] = "latest"
    process = subprocess.Popen(  # noqa: S603 -- ours
        [sys.executable, *STRICT, "-m", "examples.prometheus"],
        cwd=_ROOT,
        env=environment,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Program(process)
        process.communicate(timeout=_SECONDS)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()
