# SPDX-License-Identifier: Apache-2.0
"""Checks what is in the wheel and in the sdist, and what they say of themselves."""

from __future__ import annotations

import re
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Final

from tools.release.running import NAME, TOOLS, Built, ReleaseError, git, said
from tools.release.tree import version

_STEM: Final = NAME.replace("-", "_")
# Files of an sdist that are not source; hatchling adds the last two.
_BESIDE: Final = {
    "CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", ".gitignore", "PKG-INFO",
}  # fmt: skip
_OF_WHEELS: Final = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
_CODE: Final = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_RELATIVE: Final = re.compile(r'(?:\]\(|(?:src|srcset|href)=")(?![a-z]+:|#)[^)"\s]+')


def check(built: Built) -> str:
    """Refuses archives with a file too many or too few, or with metadata that is not so.

    Args:
        built: the wheel and the sdist.

    Raises:
        ReleaseError: with what is wrong.
    """
    sources = set(git("ls-files", "src").splitlines())
    in_wheel = names_in_wheel(built.wheel)
    in_sdist = names_in_sdist(built.sdist)
    expected = {name.removeprefix("src/") for name in sources}
    expected |= {f"{_STEM}-{version()}.dist-info/{name}" for name in _OF_WHEELS}
    same("the wheel", in_wheel, expected)
    same("the sdist", in_sdist, sources | _BESIDE)
    if not any(name.endswith("/mistralai/py.typed") for name in in_wheel & expected):
        raise ReleaseError("the wheel has no py.typed")
    metadata = metadata_of(built.wheel)
    wrong = wrong_in(metadata)
    if wrong:
        raise ReleaseError(f"the metadata is wrong: {wrong}")
    return f"{len(in_wheel)} files in the wheel, {len(in_sdist)} in the sdist, links absolute"


def check_with_twine(built: Built) -> str:
    """Refuses what the package index would refuse or not render."""
    said(TOOLS / "twine", "check", "--strict", *built)
    return "twine check --strict"


def names_in_wheel(wheel: Path) -> set[str]:
    """The names of a wheel's files."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def names_in_sdist(sdist: Path) -> set[str]:
    """The names of an sdist's files, below its one directory."""
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def metadata_of(wheel: Path) -> Message:
    """What a wheel says of itself; the body is the README."""
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"{_STEM}-{version()}.dist-info/METADATA").decode()
    return Parser().parsestr(text)


def wrong_in(metadata: Message) -> list[str]:
    """What is wrong in a wheel's metadata, one text each."""
    expected = {
        "Name": NAME,
        "Version": version(),
        "License-Expression": "Apache-2.0",
        "License-File": "LICENSE",
        "Requires-Python": ">=3.10",
        "Description-Content-Type": "text/markdown",
    }
    wrong = [f"{key} is {metadata[key]}" for key in expected if metadata[key] != expected[key]]
    labels = {url.partition(",")[0] for url in metadata.get_all("Project-URL", [])}
    missing = {"Homepage", "Source", "Changelog", "Issues", "Security"} - labels
    wrong += [f"no URL {label}" for label in sorted(missing)]
    text = _CODE.sub("", str(metadata.get_payload()))
    return wrong + [f"dead link {link}" for link in _RELATIVE.findall(text)]


def same(what: str, found: set[str], expected: set[str]) -> None:
    """Refuses an archive that has other files than it should.

    Args:
        what: the archive, for the message.
        found: the names of its files.
        expected: those that it should have.

    Raises:
        ReleaseError: with the names that are too many and those that are missing.
    """
    if found != expected:
        more, less = sorted(found - expected), sorted(expected - found)
        raise ReleaseError(f"{what} has {more} that it should not, and lacks {less}")
