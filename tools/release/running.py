# SPDX-License-Identifier: Apache-2.0
"""Runs commands of this environment, and fails a release with what they said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from uv import find_uv_bin

ROOT: Final = Path(__file__).parents[2]
NAME: Final = "opentelemetry-instrumentation-genai-mistralai"
MODULE: Final = "opentelemetry.instrumentation.genai.mistralai"
CONSTRAINTS: Final = ROOT / "constraints.txt"
TOOLS: Final = Path(sys.executable).parent
UV: Final = find_uv_bin()


class Built(NamedTuple):
    """What is published: two archives."""

    wheel: Path
    sdist: Path


class ReleaseError(Exception):
    """The release must not go out; the message says why."""


def said(
    *command: str | Path, at: Path = ROOT, environment: Mapping[str, str] | None = None
) -> str:
    """Runs a command and returns what it printed.

    Args:
        command: the program and its arguments.
        at: the directory to run in.
        environment: variables that are set beside those of this process.

    Raises:
        ReleaseError: the command failed; with all that it printed.
    """
    # PYTHONPATH and the active environment would let the tree answer for what is installed.
    left_out = ("PYTHONPATH", "VIRTUAL_ENV")
    kept = {key: value for key, value in os.environ.items() if key not in left_out}
    words = [str(word) for word in command]
    done = subprocess.run(  # noqa: S603 -- commands of this package
        words,
        cwd=at,
        env={**kept, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ReleaseError(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def git(*arguments: str) -> str:
    """Returns what a git command says of this tree, without the last line's end."""
    return said("git", *arguments).rstrip("\n")
