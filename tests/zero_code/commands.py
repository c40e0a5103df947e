# SPDX-License-Identifier: Apache-2.0
"""The commands of the example's README, run as a reader runs them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT: Final = Path(__file__).parents[2]
_README: Final = (ROOT / "examples" / "zero_code" / "README.md").read_text()
_SECTION: Final = re.compile(
    r"^## (.+)\n(?:(?!^## )[^\n]*\n)*?```sh\n((?:.*\n)*?)```", re.MULTILINE
)
COMMANDS: Final[dict[str, str]] = dict(_SECTION.findall(_README))
_TIMEOUT: Final = 300


def script_of(section: str, *, endpoint: str) -> str:
    """A section's command, after those that say where telemetry goes.

    Args:
        section: its heading.
        endpoint: what takes the place of the README's OTLP endpoint.
    """
    settings = COMMANDS["Where telemetry goes"]
    assert "http://localhost:4318" in settings
    return settings.replace("http://localhost:4318", endpoint) + COMMANDS[section]


def environment(server_url: str, **more: str) -> dict[str, str]:
    """This process's variables without any of OpenTelemetry's and Python's own, and more."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_CHANGING)}
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    return {**kept, "MISTRAL_SERVER_URL": server_url, "MISTRAL_API_KEY": "none", **more}


_CHANGING: Final = ("OTEL_", "PYTHON", "MISTRAL_", "COVERAGE_", "GUNICORN_")


@contextmanager
def started(script: str, variables: dict[str, str]) -> Generator[subprocess.Popen[str]]:
    """Runs a script in a shell; what still runs of it when the block is left is killed."""
    command = ["sh", "-euc", script]
    process = subprocess.Popen(  # noqa: S603 -- a command of ours
        command,
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def run(script: str, variables: dict[str, str]) -> tuple[int, str, str]:
    """Runs a script to its end; returns its exit code and what it said on stdout and stderr."""
    with started(script, variables) as process:
        out, err = process.communicate(timeout=_TIMEOUT)
        return process.returncode, out, err
