# SPDX-License-Identifier: Apache-2.0
"""The Makefile obeys ``PYTHON=``, and needs no tool that macOS or a bare Linux lacks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import noxfile

ROOT: Final = Path(__file__).parents[2]
MAKEFILE: Final = ROOT / "Makefile"
# What `make` finds of the system in these tests; POSIX has all of it.
POSIX: Final = ("sh", "awk", "head", "mkdir", "rm", "touch", "test")
# Tools and options of GNU's, util-linux' or coreutils' own, as they are written in a recipe.
GNU: Final = re.compile(
    r"\b(column|timeout|nproc|realpath|tac|gawk|gsed|stat|truncate|seq)\s"
    r"|\bsed\b[^|\n]*(\\t|\s-i|\s-r|--)|\bgrep\s+-\w*P|\bxargs\b[^|\n]*\s(-r|-d|--)"
    r"|\b(readlink|cp|mv|ln|date|sort|find|mktemp)\s+(-[fTdV]\b|--|-printf)"
)

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def make(
    folder: Path, *arguments: str, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs make in a folder that has the Makefile."""
    kept = {key: os.environ[key] for key in os.environ if key not in ("PYTHON", "MAKEFLAGS")}
    variables = {**kept, "PATH": path or kept["PATH"]}
    return subprocess.run(  # noqa: S603 -- the tree's own targets
        [shutil.which("make") or "make", "--no-print-directory", *arguments],
        cwd=folder, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with what POSIX has, and without the rest of the machine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in POSIX:
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    return str(folder)


def test_help_needs_no_tool_but_awk(bare_path: str) -> None:
    assert shutil.which("column", path=bare_path) is None
    done = make(ROOT, path=bare_path)
    assert (done.returncode, done.stderr) == (0, "")
    described = dict(re.findall(r"^([a-z-]+):.*## (.+)$", MAKEFILE.read_text(), re.MULTILINE))
    assert len(described) > 15
    lines = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    told: dict[str, str] = dict(re.findall(r"^  (\S+) +(.+)$", done.stdout, re.MULTILINE))
    assert told == described
    # In one column: it is read by people.
    assert len({line.index(told[line.split()[0]]) for line in lines}) == 1


@pytest.mark.parametrize(
    ("recipe", "is_seen"),
    [
        ("column -ts x", True), ("timeout 5 make", True), ("sed 's/ /\\t/'", True),
        ("grep -oP a", True), ("xargs -r rm", True), ("readlink -f .", True),
        ("sed -i s/a/b/ c", True),
        ("xargs -P 2 -I EACH sh", False), ("grep -hE a", False), ("head -n 1", False),
    ],
)  # fmt: skip
def test_a_tool_of_gnus_would_be_seen(recipe: str, is_seen: bool) -> None:
    assert bool(GNU.search(recipe)) is is_seen


def test_no_recipe_needs_a_tool_of_gnus() -> None:
    lines = [line for line in MAKEFILE.read_text().splitlines() if not line.startswith("#")]
    # The descriptions are read by people, and "timeout" is a word.
    recipes = [line.partition("## ")[0] for line in lines]
    assert [line for line in recipes if GNU.search(line)] == []


# -- PYTHON= --------------------------------------------------------------------------------------

# What a target asks of a Python: its identity, whether it is new enough, a venv, and uv in it.
_FAKE: Final = """#!/bin/sh
case "$*" in
  *sys.exit*) exit {old};;
  -c*) echo "CPython {version}";;
  --version) echo "Python {version}";;
  "-m venv "*)
    for last; do :; done
    case "$*" in *--clear*) rm -rf "$last";; esac
    mkdir -p "$last/bin"
    echo "{version}" >> "$last/made"
    cp "$0" "$last/bin/python";;
  "-m pip "*) : > "${{0%/*}}/uv"; chmod 755 "${{0%/*}}/uv";;
esac
"""


def fake(folder: Path, version: str, *, old: bool = False) -> Path:
    """A program that answers to the Makefile as a Python of that version does."""
    python = folder / f"python{version}"
    python.write_text(_FAKE.format(version=version, old=int(old)))
    python.chmod(0o755)
    return python


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with the Makefile, and no ``.venv`` yet."""
    folder = tmp_path / "tree"
    folder.mkdir()
    shutil.copy(MAKEFILE, folder)
    (folder / "pyproject.toml").touch()
    (folder / "constraints.txt").touch()
    return folder


def test_a_venv_of_another_python_is_made_anew_and_of_the_same_is_kept(tree: Path) -> None:
    older, newer = fake(tree, "3.11.7"), fake(tree, "3.12.1")
    made = tree / ".venv" / "made"

    def made_by(*arguments: str) -> tuple[int, list[str]]:
        done = make(tree, ".venv/dev", *arguments)
        return done.returncode, made.read_text().split()

    assert made_by(f"PYTHON={older}") == (0, ["3.11.7"])
    (tree / ".venv" / "kept").touch()
    assert made_by(f"PYTHON={older}") == made_by() == (0, ["3.11.7"])
    assert (tree / ".venv" / "kept").exists()
    assert (tree / ".venv" / "dev").exists()
    assert made_by(f"PYTHON={newer}") == (0, ["3.12.1"])
    assert not (tree / ".venv" / "kept").exists()
    # Its packages are installed anew, too, and after that nothing is to be done.
    assert (tree / ".venv" / "dev").exists()
    assert "up to date" in make(tree, ".venv/dev", f"PYTHON={newer}").stdout
    assert "up to date" in make(tree, ".venv/dev").stdout


def test_the_venv_s_own_python_is_no_other(tree: Path) -> None:
    assert make(tree, ".venv/dev", f"PYTHON={fake(tree, '3.11.7')}").returncode == 0
    assert "up to date" in make(tree, ".venv/dev", "PYTHON=.venv/bin/python").stdout


def test_a_real_python_is_obeyed(tree: Path) -> None:
    try:
        other = noxfile.interpreter("3.12")
    except FileNotFoundError:
        pytest.skip("there is no other Python here")
    assert make(tree, ".venv/dev", f"PYTHON={fake(tree, '3.11.7')}").returncode == 0
    target = make(tree, ".venv/bin/uv", f"PYTHON={other}")
    assert target.returncode == 0, target.stderr
    python = str(tree / ".venv" / "bin" / "python")
    asked = subprocess.run([python, "-V"], capture_output=True, text=True, check=True)  # noqa: S603
    assert asked.stdout.startswith("Python 3.12.")


def refusal(tree: Path, python: str) -> str:
    done = make(tree, ".venv/dev", f"PYTHON={python}")
    assert done.returncode != 0
    assert not (tree / ".venv").exists()
    ours, *of_make = done.stderr.splitlines()
    assert all(line.startswith("make") for line in of_make)
    return ours


def test_a_python_that_is_too_old_gets_one_line(tree: Path) -> None:
    old = fake(tree, "3.9.18", old=True)
    told = f"this needs Python 3.10 or newer, and PYTHON={old} is: Python 3.9.18"
    assert refusal(tree, str(old)) == told


def test_a_python_that_is_not_there_gets_one_line(tree: Path) -> None:
    assert refusal(tree, "python3.99").startswith(
        "this needs Python 3.10 or newer, and PYTHON=python3.99 is: "
    )


@pytest.mark.parametrize("version", ["2.7", "3.9"])
def test_a_real_python_that_is_too_old_gets_the_same_line(tree: Path, version: str) -> None:
    try:
        python = noxfile.interpreter(version)
    except FileNotFoundError:
        pytest.skip(f"there is no Python {version} here")
    told = f"this needs Python 3.10 or newer, and PYTHON={python} is: Python {version}."
    assert refusal(tree, python).startswith(told)


def test_this_python_is_new_enough(tree: Path) -> None:
    assert make(tree, "-n", ".venv/dev", f"PYTHON={sys.executable}").returncode == 0
