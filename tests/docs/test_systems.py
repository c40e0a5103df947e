# SPDX-License-Identifier: Apache-2.0
"""Nothing in the library needs POSIX, and tests that do say so: macOS and Windows run the rest."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.support import without_posix

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = sorted(
    path for tree in ("src", "emulator", "examples") for path in (ROOT / tree).rglob("*.py")
)
# Modules and names that Windows' Python lacks.
MODULES: Final = frozenset({
    "crypt", "fcntl", "grp", "nis", "posix", "pty", "pwd", "resource", "spwd", "syslog", "termios",
    "tty",
})  # fmt: skip
LACKING: Final = {
    "os": frozenset({
        *without_posix.OF_OS, "chown", "chroot", "ctermid", "fchmod", "fchown", "geteuid", "getgid",
        "getloadavg", "getpgid", "getpgrp", "getsid", "getuid", "major", "mkfifo", "mknod", "nice",
        "openpty", "pipe2", "posix_spawn", "pread", "pwrite", "sched_getaffinity", "sendfile",
        "setuid", "statvfs", "sync", "sysconf", "ttyname", "uname", "wait", "wait3", "wait4",
        "waitid", "WNOHANG",
    }),
    "signal": frozenset({
        *without_posix.OF_SIGNAL, "ITIMER_PROF", "ITIMER_VIRTUAL", "SIGBUS", "SIGHUP", "SIGPIPE",
        "SIGPROF", "SIGSYS",
        "SIGTRAP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGVTALRM", "SIGWINCH", "SIGXCPU",
        "SIGXFSZ", "getitimer", "pthread_sigmask", "sigpending", "sigtimedwait",
    }),
    "time": frozenset({*without_posix.OF_TIME, "clock_getres", "clock_settime"}),
    "socket": frozenset({"AF_UNIX", "SO_REUSEPORT", "CMSG_LEN", "send_fds", "recv_fds"}),
    "asyncio": frozenset({"SafeChildWatcher", "ThreadedChildWatcher"}),
}  # fmt: skip
_METHODS: Final = frozenset({"add_signal_handler", "add_reader", "add_writer"})
_PATHS: Final = re.compile(r"^/(proc|dev|tmp|etc|var|usr|bin)/")


def guarded_names(tree: ast.AST) -> set[str]:
    """What a module asks for with ``hasattr`` before it uses it, as ``os.fork``."""
    asked = [
        list(map(ast.unparse, node.args))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "hasattr"
    ]
    return {f"{owner}.{name.strip(chr(39))}" for owner, name in asked}


def posix_only(source: str) -> list[str]:
    """Names in a module's code that Windows lacks, without those that it has looked for first."""
    tree = ast.parse(source)
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names if each.name in MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module or ""] if node.module in MODULES else []
            lacking = LACKING.get(node.module or "", frozenset())
            found += [f"{node.module}.{each.name}" for each in node.names if each.name in lacking]
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if node.attr in LACKING.get(owner, frozenset()) or node.attr in _METHODS:
                found.append(f"{owner}.{node.attr}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [node.value] if _PATHS.match(node.value) else []
    guarded = guarded_names(tree)
    # One look for the clock is enough for the function that reads it.
    if "time.CLOCK_MONOTONIC" in guarded:
        guarded |= {"time.clock_gettime", "time.clock_gettime_ns"}
    return sorted(set(found) - guarded)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("import fcntl", ["fcntl"]),
        ("def f():\n    from resource import getrusage", ["resource"]),
        ("import os\nos.fork()", ["os.fork"]),
        ("import signal\nsignal.signal(signal.SIGHUP, print)", ["signal.SIGHUP"]),
        ("from signal import SIGKILL", ["signal.SIGKILL"]),
        ("loop.add_signal_handler(15, print)", ["loop.add_signal_handler"]),
        ("open('/proc/self/stat')", ["/proc/self/stat"]),
        ("import os\nif hasattr(os, 'register_at_fork'):\n    os.register_at_fork()", []),
        ("import signal\nsignal.getsignal(signal.SIGTERM)", []),
    ],
)
def test_what_needs_posix_would_be_seen(line: str, seen: list[str]) -> None:
    assert posix_only(line) == seen


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_in_the_library_or_its_examples_needs_posix(path: Path) -> None:
    assert posix_only(path.read_text(encoding="utf-8")) == []


# -- The tests ------------------------------------------------------------------------------------

# Each works without, and says there how.
WITH_A_WAY_OUT: Final = ("tests/support/programs.py", "tests/support/nursery.py")
# These write about it.
ABOUT: Final = (
    "tests/docs/test_systems.py", "tests/docs/test_make.py", "tests/docs/test_readme.py"
)  # fmt: skip
_ASKS: Final = ("needs_fork", "needs_posix")
_PROC: Final = re.compile(r"/proc/")


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def needs(path: Path) -> set[str]:
    """What a test's module needs, the programs in its texts included, and all that it mentions."""
    seen: set[Path] = set()
    left, found = [path], set[str]()
    while left:
        each = left.pop()
        name = each.relative_to(ROOT).as_posix()
        if each in seen or name in WITH_A_WAY_OUT or not each.exists():
            continue
        seen.add(each)
        text = text_of(each)
        names = "|".join(
            rf"\b{module}\.{name}\b" for module, lacking in LACKING.items() for name in lacking
        )
        found |= set(re.findall(names, text)) | set(re.findall(r'"sh"', text))
        found |= {"/proc"} if _PROC.search(text) else set()
        found |= {f"import {name}" for name in MODULES if re.search(rf"\bimport {name}\b", text)}
        mentioned = set(re.findall(r"\btests\.([a-z_]\w*(?:\.[a-z_]\w*)*)", text))
        left += [ROOT / "tests" / f"{dotted.replace('.', '/')}.py" for dotted in mentioned]
        left.append(each.parent / "conftest.py")
    return found


TESTS: Final = sorted(
    path
    for path in (ROOT / "tests").rglob("test_*.py")
    if path.relative_to(ROOT).as_posix() not in ABOUT
)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_that_need_posix_are_skipped_without_it(path: Path) -> None:
    needed, text = needs(path), text_of(path)
    if needed - {"/proc"}:
        assert any(f"import {ask}" in text or f", {ask}" in text for ask in _ASKS), needed
    if _PROC.search(text):
        assert "needs_proc" in text


def child(*arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-p", "tests.support.without_posix", *arguments]
    return subprocess.run(  # noqa: S603 -- these very tests
        command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False
    )


def test_all_tests_can_be_collected_without_posix() -> None:
    done = child("--collect-only", "-qq")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


# Programs in processes of their own, forks, clocks, threads that end what was dropped.
_PROCESS: Final = "tests/end_to_end/process/test_process.py"
PART: Final = (
    "tests/end_to_end/process/test_forks.py",
    f"{_PROCESS}::test_an_async_stream_that_is_open_at_exit_is_abandoned",
    "tests/unit/otel/test_open_calls.py",
)


def test_without_posix_the_library_works_and_the_tests_of_forks_are_skipped() -> None:
    done = child("-rs", *PART)
    assert done.returncode == 0, done.stdout[-8000:]
    assert re.search(r"^\d\d+ passed, 2 skipped", done.stdout, re.MULTILINE)
    assert "this system has no fork" in done.stdout


# -- What runs elsewhere --------------------------------------------------------------------------


def test_a_workflow_runs_linux_macos_and_windows_and_says_that_it_was_not_run_here() -> None:
    path = ROOT / ".github" / "workflows" / "systems.yml"
    text = path.read_text(encoding="utf-8")
    assert "never run where it was written" in " ".join(text.replace("#", "").split())
    jobs = yaml.safe_load(text)["jobs"]
    systems = {system for job in jobs.values() for system in job["strategy"]["matrix"]["os"]}
    assert {system.split("-")[0] for system in systems} == {"ubuntu", "macos", "windows"}
    scripts = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    targets = set(re.findall(r"\bmake (\S+)", "\n".join(scripts)))
    makefile = text_of(ROOT / "Makefile").replace("$(UV)", ".venv/bin/uv")
    assert targets
    assert targets <= set(re.findall(r"^([\w/.-]+):", makefile, re.MULTILINE))
    paths = set(re.findall(r"\btests/[\w/.]+", "\n".join(scripts)))
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
