# SPDX-License-Identifier: Apache-2.0
"""Builds the wheel and the sdist twice, in two ways, and compares them bit for bit."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import Final

from tools.release.running import CONSTRAINTS, UV, Built, ReleaseError, git, said

# Whatever may find its way into an archive and differs from machine to machine.
_ONE: Final = {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"}
_OTHER: Final = {"PYTHONHASHSEED": "2", "TZ": "Pacific/Auckland", "LC_ALL": "C.UTF-8"}


def build(scratch: Path) -> tuple[Built, str]:
    """Builds what is published from the commit, and returns its files with what was compared.

    The first build is that of an installer that has the sdist alone: the wheel is built out of it.
    The second one builds both from the tree, elsewhere, under another umask, time zone and seed of
    hashes.

    Args:
        scratch: an empty directory.

    Raises:
        ReleaseError: a build failed, or the two differ.
    """
    first = _built(scratch / "one", _ONE, umask="022")
    second = _built(scratch / "a longer name" / "two", _OTHER, "--sdist", "--wheel", umask="077")
    hashes = {path.name: _hash(path) for path in first}
    others = {path.name: _hash(path) for path in second}
    if hashes != others:
        raise ReleaseError(f"two builds of one commit differ:\n{hashes}\n{others}")
    names = sorted(f"{name} {sha256[:12]}" for name, sha256 in hashes.items())
    return first, ", ".join(names)


def _built(place: Path, environment: dict[str, str], *kinds: str, umask: str) -> Built:
    """Builds the commit in a place of its own."""
    tree, archive = place / "tree", place / "commit.tar"
    tree.mkdir(parents=True)
    git("archive", "--output", str(archive), "HEAD")
    with tarfile.open(archive) as packed:
        packed.extractall(tree, filter="data")
    command: list[str | Path] = [
        UV,
        "build",
        "--quiet",
        "--build-constraints",
        CONSTRAINTS,
        "--out-dir",
        "../dist",
    ]
    said(
        "sh", "-c", f'umask {umask}; exec "$@"', "sh", *command, *kinds,
        at=tree,
        environment={**environment, "SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct")},
    )  # fmt: skip
    (wheel,) = (place / "dist").glob("*.whl")
    (sdist,) = (place / "dist").glob("*.tar.gz")
    return Built(wheel, sdist)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
