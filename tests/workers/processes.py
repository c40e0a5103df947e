# SPDX-License-Identifier: Apache-2.0
"""Programs in fresh processes, with and without the plugin, each under a watchdog.

Unlike `tests.support.programs`, a process here imports everything itself, so that a program can
patch the standard library before or after that. One that hangs is killed, and its stacks are told.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

ROOT: Final = Path(__file__).parents[2]
SCOPE: Final = "opentelemetry.instrumentation.genai.mistralai"
# What `web_app` answers to each path, and how the stream of it ends.
ANSWERS: Final = {
    "/complete": "A completion is read chunk by chunk.",
    "/read": "4",
    "/drop": "ConversationEvents",
    "/close": "ConversationEvents",
    "/keep": "ConversationEvents",
}
OUTCOMES: Final = {
    "/complete": None,
    "/read": "completed",
    "/drop": "abandoned",
    "/close": "closed",
    "/keep": "abandoned",
}
# Twenty times what the longest takes on a quiet machine.
SECONDS: Final = 60.0
_LAST_WORDS: Final = 2.0
_CHANGING: Final = ("OTEL_", "PYTHON", "MISTRAL_", "COVERAGE_", "GUNICORN_", "CELERY_", "UWSGI_")


class HungError(Exception):
    """A process did not come to its end; the text has its stacks."""


@dataclass
class Ran:
    """What a program left behind."""

    code: int
    lines: list[Any]
    stderr: str

    def spans(self) -> list[Any]:
        """The plugin's spans, as `tests.support.programs` writes them."""
        return [line for line in self.lines if _is_span(line) and line["scope"] == SCOPE]

    def outcomes(self) -> list[str]:
        """How the streams of these spans ended, in alphabetical order."""
        return sorted(str(span["outcome"]) for span in self.spans())

    def said(self) -> list[Any]:
        """The other lines: what the program itself saw."""
        return [line for line in self.lines if not _is_span(line)]


def _is_span(line: Any) -> bool:
    return isinstance(line, dict) and "scope" in line


def environment(**more: str) -> dict[str, str]:
    """This process's variables without those that change what is tested, and more."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_CHANGING)}
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    # All of this stays on the loopback, whatever proxy the machine has.
    return {**kept, "PYTHONPATH": str(ROOT), "no_proxy": "*", "PYTHONFAULTHANDLER": "1", **more}


@contextmanager
def started(
    command: Sequence[str], folder: Path, **more: str
) -> Generator[subprocess.Popen[bytes]]:
    """Runs a command in a session of its own; what is left of it at the end is killed.

    Args:
        command: the binary and its arguments.
        folder: gets the files ``stdout`` and ``stderr``.
        more: variables besides those of `environment`.
    """
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(  # noqa: S603 -- the tests' own programs
            command,
            cwd=ROOT,
            env=environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def ended(process: subprocess.Popen[bytes], folder: Path, seconds: float = SECONDS) -> int:
    """Waits for a process's end, and returns its exit code.

    Raises:
        HungError: it took longer. Programs that begin as `run`'s do have written their stacks.
    """
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGUSR1)
        try:
            process.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            pass
        raise HungError(f"no end in {seconds} s; it said:\n{told(folder)}") from None


def told(folder: Path) -> str:
    """All that a process wrote."""
    names = ("stdout", "stderr")
    return "\n".join((folder / name).read_text(errors="replace")[-6000:] for name in names)


def run(
    source: str,
    folder: Path,
    *arguments: str,
    seconds: float = SECONDS,
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Ran:
    """Runs a program to its end.

    Args:
        source: its text.
        folder: for its files.
        arguments: its ``sys.argv[1:]``.
        seconds: after which it hangs.
        options: of the interpreter.
        variables: more of them.
    """
    program = folder / "program.py"
    # USR1 makes it tell the stacks, without a thread that waits for the time.
    watched = "import faulthandler as _f, signal as _s; _f.register(_s.SIGUSR1, all_threads=True)\n"
    program.write_text(watched + dedent(source), "utf-8")
    command = [sys.executable, *options, str(program), *arguments]
    with started(command, folder, **(variables or {})) as process:
        code = ended(process, folder, seconds)
    out, err = ((folder / name).read_text(errors="replace") for name in ("stdout", "stderr"))
    try:
        lines = [json.loads(line) for line in out.splitlines()]
    except json.JSONDecodeError:
        raise AssertionError(told(folder)) from None
    return Ran(code, lines, err)
