# SPDX-License-Identifier: Apache-2.0
"""Runs `program.py` in a real process of some kind, with and without the plugin, and compares."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[2]
PROGRAM: Final = ROOT / "tests" / "surroundings" / "program.py"
# Of one thread's half: `talk`, and of the other's: `talk_async`.
_CHAT: Final = "chat mistral-small-latest"
SYNC: Final = [
    [_CHAT, "ERROR", "none"],
    [_CHAT, "UNSET", "abandoned"],
    [_CHAT, "UNSET", "closed"],
    [_CHAT, "UNSET", "completed"],
]
ASYNC: Final = [
    [_CHAT, "ERROR", "none"],
    [_CHAT, "UNSET", "closed"],
    [_CHAT, "UNSET", "completed"],
]
_EVENTS: Final = [
    "conversation.response.started",
    *["message.output.delta"] * 2,
    "conversation.response.done",
]
# Each line of the SDK has its own class of errors.
_SAW: Final = (_EVENTS, ("SDKError", "MistralError"))
_SECONDS: Final = 300
_CHANGING: Final = ("OTEL_", "PYTHON", "MISTRAL_", "COVERAGE_", "PEX_", "JUPYTER_", "IPYTHON")


@dataclass(frozen=True)
class Ran:
    """What a program left behind."""

    code: int
    said: str
    complaints: str

    @property
    def told(self) -> dict[str, Any]:
        """What it wrote: what it saw, the spans, where the plugin is."""
        assert self.said, self.complaints
        told: dict[str, Any] = json.loads(self.said)
        return told


def environment(**more: str) -> dict[str, str]:
    """This process's variables without those that change what is tested, and more."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_CHANGING)}
    return {**kept, "no_proxy": "*", **more}


def command(tool: str) -> str:
    """The path of a tool of this environment."""
    return str(Path(sys.executable).parent / tool)


def run(*words: str, folder: Path = ROOT, **more: str) -> Ran:
    """Runs a command to its end.

    Args:
        words: the command.
        folder: where it runs.
        more: variables besides those of `environment`.
    """
    done = subprocess.run(  # noqa: S603 -- programs of ours
        words, cwd=folder, env=environment(**more), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def both(program: Sequence[str], url: str, runner: str, folder: Path = ROOT) -> tuple[Ran, Ran]:
    """Runs a program that is `program.py`, bare and instrumented.

    Args:
        program: the command without its arguments.
        url: the emulator's.
        runner: of the coroutines.
        folder: where it runs.
    """
    bare = run(*program, url, "bare", runner, folder=folder)
    return bare, run(*program, url, "instrumented", runner, folder=folder)


def assert_the_same(bare: Ran, ours: Ran) -> None:
    """The caller sees the same with and without the plugin, to the line on stderr."""
    assert bare.code == 0, bare.complaints
    assert (ours.code, ours.told["saw"]) == (0, bare.told["saw"]), ours.complaints
    assert (bare.told["spans"], bare.told["plugin"]) == ([], "")
    assert without_addresses(ours.complaints) == without_addresses(bare.complaints)


def assert_works(bare: Ran, ours: Ran) -> None:
    """That, and it sees all there is to see; each conversation is a whole span."""
    assert_the_same(bare, ours)
    for events, failed in bare.told["saw"]:
        assert events == _SAW[0]
        assert failed in _SAW[1]
    assert ours.told["spans"] == sorted([*SYNC, *ASYNC])


def without_addresses(text: str) -> str:
    """A text without what differs from process to process."""
    return re.sub(r"0x[0-9a-f]+|(?<=fd=)\d+|(?<=, )\d{4,5}(?=\))", "", text)
