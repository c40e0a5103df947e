# SPDX-License-Identifier: Apache-2.0
"""The examples until Ctrl-C: real processes, in a terminal's process group."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from tests.examples.running import ROOT, SECONDS

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path


class Running:
    """A process whose output, errors included, is read while it runs."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Takes charge of a process with a pipe that leads a group of its own."""
        self._process = process
        self._deadline = monotonic() + SECONDS
        self.said = b""

    def wait_for(self, text: str, seconds: float = SECONDS) -> None:
        """Reads on until it has printed this.

        Args:
            text: any part of what it prints.
            seconds: how long it may take.

        Raises:
            AssertionError: it ended, or said nothing for minutes.
        """
        output, deadline = self._process.stdout, monotonic() + seconds
        assert output is not None
        while text.encode() not in self.said:
            ready, _, _ = select.select([output], [], [], max(0.0, deadline - monotonic()))
            assert ready, f"not in {seconds} s: {text!r} in {self.said!r}"
            piece = os.read(output.fileno(), 65536)
            assert piece, f"it ended before {text!r}: {self.said!r}"
            self.said += piece

    def assert_alive(self) -> None:
        """Fails with what it printed if it has ended, or if it takes minutes."""
        code = self._process.poll()
        assert code is None, (code, self._process.communicate()[0])
        assert monotonic() < self._deadline, "nothing happens"

    def interrupt(self) -> tuple[int, str]:
        """Presses Ctrl-C: each process of the group gets SIGINT.

        Returns:
            The exit code, and what was printed from then on.
        """
        before = len(self.said)
        os.killpg(self._process.pid, signal.SIGINT)
        rest, _ = self._process.communicate(timeout=SECONDS)
        self.said += rest
        return self._process.returncode, self.said[before:].decode()


@contextmanager
def running(
    command: Sequence[str], environment: dict[str, str], cwd: Path = ROOT
) -> Generator[Running]:
    """Runs a command; what still runs of it when the block is left is killed.

    Args:
        command: the program and its arguments.
        environment: the whole of it.
        cwd: where.
    """
    process = subprocess.Popen(  # noqa: S603 -- ours
        command,
        cwd=cwd,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield Running(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdout and not process.stdout.closed:
            process.communicate()
