# SPDX-License-Identifier: Apache-2.0
"""Runs the checks in order, puts what they built into dist/, and stops at the first that fails."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tools.release import building, contents, installing, inventory, tree
from tools.release.running import ROOT, ReleaseError

Made = TypeVar("Made")


def main() -> int:
    """Runs everything; returns the exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="release-") as scratch:
            _check(Path(scratch), ROOT / "dist")
    except ReleaseError as refused:
        _tell(f"REFUSED: {refused}")
        return 1
    _tell("ready: dist/ has what would be uploaded")
    return 0


def _check(scratch: Path, dist: Path) -> None:
    _step("tree", tree.is_clean)
    _step("version", tree.is_told)
    built = _made("built twice", lambda: building.build(scratch / "build"))
    _step("contents", lambda: contents.check(built))
    _step("index", lambda: contents.check_with_twine(built))
    with_wheel = _made("installs", lambda: installing.install(scratch, built))
    _step("types", lambda: installing.type_check(scratch, with_wheel))
    python = inventory.environment(scratch, built.wheel)
    _step("SBOM", lambda: inventory.write_sbom(python, scratch / inventory.SBOM))
    _step("audit", lambda: inventory.audit(python))
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    for path in (*built, scratch / inventory.SBOM):
        shutil.copy(path, dist)


def _step(name: str, run: Callable[[], str]) -> None:
    _made(name, lambda: (None, run()))


def _made(name: str, run: Callable[[], tuple[Made, str]]) -> Made:
    started = time.monotonic()
    made, told = run()
    _tell(f"{name:12} {told} ({time.monotonic() - started:.0f} s)")
    return made


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 -- a program for people


if __name__ == "__main__":
    sys.exit(main())
