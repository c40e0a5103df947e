# SPDX-License-Identifier: Apache-2.0
"""What is published installs into an empty environment, works there, and says what it needs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points, metadata, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from uv import find_uv_bin

import noxfile
from opentelemetry.instrumentation.genai.mistralai import __version__
from opentelemetry.instrumentation.genai.mistralai.package import (
    _instruments,  # pyright: ignore[reportPrivateUsage] -- OpenTelemetry's name
)
from tests.support.strict import STRICT
from tools.release import contents

ROOT = Path(__file__).parents[2]
NAME = "opentelemetry-instrumentation-genai-mistralai"
PROGRAM = """
import sys
from opentelemetry.instrumentation.genai.mistralai import MistralAIInstrumentor, instrument
instrument()
assert "mistralai" not in sys.modules
import mistralai.client.conversations as module
assert hasattr(module.Conversations.start_stream, "__wrapped__")
assert MistralAIInstrumentor().is_instrumented_by_opentelemetry
"""


def run(*command: str) -> str:
    """Runs a command and returns what it printed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_published_works_in_an_empty_environment(tmp_path: Path, kind: str) -> None:
    uv, python = find_uv_bin(), str(tmp_path / "venv" / "bin" / "python")
    run(uv, "build", "--quiet", f"--{kind}", "--out-dir", str(tmp_path), str(ROOT))
    (built,) = tmp_path.glob("opentelemetry_*.whl" if kind == "wheel" else "opentelemetry_*.gz")
    if kind == "wheel":
        assert contents.wrong_in(contents.metadata_of(built)) == []
    run(uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))
    run(uv, "pip", "install", "--quiet", "--python", python, f"{built}[instruments]")
    run(python, *STRICT, "-c", PROGRAM)
    files = run(python, "-c", f"import importlib.metadata as m; print(*m.files('{NAME}'))")
    assert "mistralai/py.typed" in files
    assert "opentelemetry/__init__.py" not in files
    assert "emulator" not in files


def test_it_needs_only_what_it_says() -> None:
    needed = {str(Requirement(line)) for line in requires(NAME) or () if "extra" not in line}
    assert needed == {
        str(Requirement(line))
        for line in (
            "opentelemetry-api>=1.38,<2",
            "opentelemetry-instrumentation>=0.59b0",
            "wrapt>=1.17,!=2.2.0,<3",
        )
    }
    assert metadata(NAME)["Requires-Python"] == ">=3.10"
    assert metadata(NAME)["License-Expression"] == "Apache-2.0"
    assert metadata(NAME)["Version"] == __version__


def test_the_pythons_that_it_says_are_those_that_the_tests_run_on() -> None:
    prefix = "Programming Language :: Python :: 3."
    classifiers = metadata(NAME).get_all("Classifier") or []
    said = sorted(int(each.removeprefix(prefix)) for each in classifiers if each.startswith(prefix))
    matrix = {python for python, _ in noxfile.MATRIX.values()}
    newer = re.search(r"versions=\(([\d. ]+)\)", (ROOT / "tests/pythons/run.sh").read_text())
    assert newer is not None
    assert [f"3.{minor}" for minor in said] == sorted([*matrix, *newer[1].split()])
    assert f"Python 3.{said[0]} to 3.{said[-1]}," in (ROOT / "README.md").read_text()


def test_the_extra_and_the_instrumentor_name_the_same_versions() -> None:
    extras = [Requirement(line) for line in requires(NAME) or () if "extra" in line]
    (extra,) = [extra for extra in extras if extra.name == "mistralai"]
    (instruments,) = [Requirement(line) for line in _instruments]
    assert (extra.name, extra.specifier) == (instruments.name, instruments.specifier)


def test_the_entry_point_is_the_instrumentor() -> None:
    found = entry_points(group="opentelemetry_instrumentor", name="genai-mistralai")
    assert [point.load().__name__ for point in found] == ["MistralAIInstrumentor"]


def test_no_source_file_is_longer_than_can_be_read_at_once() -> None:
    lengths = {
        path.relative_to(ROOT): len(path.read_text().splitlines())
        for tree in ("src", "emulator", "examples", "benchmarks", "tools")
        for path in (ROOT / tree).rglob("*.py")
    }
    assert len(lengths) > 80
    assert {path: length for path, length in lengths.items() if length > 250} == {}
