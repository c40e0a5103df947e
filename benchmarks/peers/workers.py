# SPDX-License-Identifier: Apache-2.0
"""The processes of the candidates, as the driver sees them."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from typing import IO, Any, Final

from .candidates import Candidate
from .result import ROOT

# What the caller's shell may have set for any of the candidates. With PYTHONDONTWRITEBYTECODE each
# start would compile what another has compiled at its installation.
_THEIRS: Final = ("OTEL_", "MISTRAL_", "DD_", "TRACELOOP_", "OPENLIT_", "BRAINTRUST_", "PYTHONDONT")


class Failed(Exception):  # noqa: N818 -- it is the candidate that failed
    """A candidate's process ended where it should have answered; says why in one line."""


def variables() -> dict[str, str]:
    """The environment of each process: the caller's, without what configures a candidate."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_THEIRS)}


class Worker:
    """One candidate's process, which waits to be told what to do."""

    def __init__(
        self, candidate: Candidate, python: str, server_url: str, environment: dict[str, str]
    ) -> None:
        self._stderr: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115 -- closed in close()
            "w+", encoding="utf-8"
        )
        command = [python, "-m", "benchmarks.peers.worker", candidate.name, server_url]
        self._process = subprocess.Popen(  # noqa: S603 -- our own words
            command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self._stderr,
        )  # fmt: skip

    def ask(self, *command: object) -> dict[str, Any]:
        """Sends a command, and waits for its answer.

        Args:
            command: as `worker` knows them.

        Raises:
            Failed: the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(*command, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            pass
        answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            self._stderr.seek(0)
            raise Failed((self._stderr.read().strip().splitlines() or ["no word"])[-1])
        found: dict[str, Any] = json.loads(answer)
        return found

    def close(self) -> None:
        """Ends the process: its own way, or within ten seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._stderr.close()


def start_up(
    candidate: Candidate, python: str, server_url: str, environment: dict[str, str]
) -> dict[str, float]:
    """Starts the candidate once more, only to see how long that takes.

    Args:
        candidate: what is started.
        python: of its environment.
        server_url: of the server that answers.
        environment: from `variables`.

    Raises:
        Failed: it could not be started.
    """
    command = [python, "-m", "benchmarks.peers.startup", candidate.name, server_url]
    done = subprocess.run(  # noqa: S603 -- our own words
        command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise Failed((done.stderr.strip().splitlines() or ["no word"])[-1])
    # What the candidate prints comes before.
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
