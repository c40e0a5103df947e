# SPDX-License-Identifier: Apache-2.0
"""Checks the tree that is released: what is committed, the version, the changelog, the owner."""

from __future__ import annotations

import re
from typing import Final

from tools.release.running import MODULE, ROOT, ReleaseError, git

VERSION_FILE: Final = f"src/{MODULE.replace('.', '/')}/version.py"
# GitHub allows no underscore in a name, so nobody can register it and own our links.
NO_OWNER: Final = "your_organisation"
_FRAGMENT: Final = re.compile(r"[^/]+\.(added|changed|deprecated|removed|fixed|security)(\.md)?")


def version() -> str:
    """Returns the version, from the one file that has it."""
    found = re.search(r'^__version__ = "(.+)"$', (ROOT / VERSION_FILE).read_text(), re.MULTILINE)
    if found is None:
        raise ReleaseError(f"{VERSION_FILE} has no version")
    return found[1]


def is_clean() -> str:
    """Refuses a tree with changes that no commit has: the builds are made from the commit."""
    changed = git("status", "--porcelain")
    if changed:
        raise ReleaseError(f"the tree has changes that are not committed:\n{changed}")
    return f"commit {git('rev-parse', '--short', 'HEAD')}"


def is_told() -> str:
    """Refuses a tag that is not the version's, or before which something was left to do."""
    tags = [tag for tag in git("tag", "--points-at", "HEAD").splitlines() if tag.startswith("v")]
    missing = left_to_do(
        version(),
        changelog=(ROOT / "CHANGELOG.md").read_text(),
        project=(ROOT / "pyproject.toml").read_text(),
        fragments=[path.name for path in (ROOT / ".changelog").iterdir()],
    )
    if not tags:
        return f"{version()}, no tag yet; left to do before: {'; '.join(missing) or 'nothing'}"
    if f"v{version()}" not in tags:
        raise ReleaseError(f"the commit is tagged {', '.join(tags)}, its version is {version()}")
    if missing:
        raise ReleaseError(f"{tags[0]} is tagged before this was done: {'; '.join(missing)}")
    return f"{version()}, tagged"


def left_to_do(number: str, *, changelog: str, project: str, fragments: list[str]) -> list[str]:
    """What a person has to do before this version is tagged.

    Args:
        number: of the version.
        changelog: the text of CHANGELOG.md.
        project: the text of pyproject.toml.
        fragments: the names of the files of .changelog.
    """
    left: list[str] = []
    heading = rf"^## \[{re.escape(number)}\] - \d{{4}}-\d\d-\d\d$"
    if not re.search(heading, changelog, re.MULTILINE):
        left.append(f"CHANGELOG.md has no section of {number} with its date")
    waiting = sorted(name for name in fragments if _FRAGMENT.fullmatch(name))
    if waiting:
        left.append(f"fragments that are not in CHANGELOG.md: {', '.join(waiting)}")
    if NO_OWNER in project:
        left.append(f"pyproject.toml has {NO_OWNER} where the repository's owner goes")
    return left


if __name__ == "__main__":
    print(version())  # noqa: T201 -- for the Makefile
