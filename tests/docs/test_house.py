# SPDX-License-Identifier: Apache-2.0
"""The rule of the house is kept by tools: each of them is shown a violation, and sees it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = Path("src/opentelemetry/instrumentation/genai/mistralai")
TOOLS: Final = Path(sys.executable).parent
ROOMS: Final = ("_reading", "_content", "_recording", "_otel", "_sdk")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the source and of what the tools are told."""
    shutil.copytree(ROOT / PACKAGE, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def plant(house: Path, module: str, line: str) -> None:
    """Adds a line after the imports of the future."""
    path = house / PACKAGE / module
    future = "from __future__ import annotations\n"
    text = path.read_text()
    assert future in text
    path.write_text(text.replace(future, f"{future}\n{line}\n", 1))


def seen_by(house: Path, *command: str) -> str:
    """What a tool says; empty if it has nothing to say."""
    environment = {**os.environ, "PYTHONPATH": str(house / "src")}
    done = subprocess.run(  # noqa: S603 -- tools of this environment
        [str(TOOLS / command[0]), *command[1:]],
        cwd=house,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr if done.returncode else ""


def imports(house: Path) -> str:
    return seen_by(house, "lint-imports", "--no-cache")


def bans(house: Path) -> str:
    return seen_by(house, "ruff", "check", "--no-cache", "--select=TID251", "src")


def test_the_house_keeps_its_rule(house: Path) -> None:
    assert (imports(house), bans(house)) == ("", "")


@pytest.mark.parametrize(
    ("module", "line", "told"),
    [
        ("_reading/fields.py", "from .._recording import ending", "Imports go down BROKEN"),
        ("_otel/child_spans.py", "from .._sdk import table", "Imports go down BROKEN"),
        ("_log.py", "from . import _options", "Imports go down BROKEN"),
        ("_names.py", "from . import _log", "Imports go down BROKEN"),
        ("_reading/fields.py", "from . import requests", "No circles BROKEN"),
    ],
)
def test_an_arrow_up_or_a_circle_is_seen(house: Path, module: str, line: str, told: str) -> None:
    plant(house, module, line)
    assert told in imports(house)


def test_a_circle_that_only_a_type_checker_sees_is_one(house: Path) -> None:
    line = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import requests"
    plant(house, "_reading/fields.py", line)
    assert "No circles BROKEN" in imports(house)


def test_a_module_that_no_layer_names_is_seen(house: Path) -> None:
    (house / PACKAGE / "_attic.py").write_text('"""Nobody knows what this is."""\n')
    assert "_attic" in imports(house)


@pytest.mark.parametrize("room", ["_reading/fields", "_content/mode", "_recording/steps", "_log"])
@pytest.mark.parametrize("line", ["from opentelemetry import trace", "import wrapt"])
def test_opentelemetry_and_wrapt_are_let_into_two_rooms_and_the_face(
    house: Path, room: str, line: str
) -> None:
    plant(house, f"{room}.py", line)
    assert "TID251" in bans(house)


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_says_at_its_door_what_it_may_touch(room: str) -> None:
    text = (ROOT / PACKAGE / room / "__init__.py").read_text()
    docstring = text.partition('"""')[2].partition('"""')[0]
    assert 2 <= len(docstring.strip().splitlines()) <= 5
    # A door, and no shortcut to what is behind it.
    assert text.strip().endswith('"""')
