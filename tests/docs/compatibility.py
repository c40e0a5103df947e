# SPDX-License-Identifier: Apache-2.0
"""The tables of `docs/compatibility.md`, made from what the project tests and what it declares.

``python -m tests.docs.compatibility`` writes them into the page; a test fails when they are stale.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import yaml

import noxfile
from opentelemetry.instrumentation.genai.mistralai._sdk.table import LOOPS, METHODS
from tests.support import methods
from tests.support.methods import Row, Version

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs/compatibility.md"
# Python 3.10 has no tomllib; there, pytest brings the package that became it.
TOML: Final[Any] = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
PROJECT: Final[dict[str, Any]] = TOML.loads((ROOT / "pyproject.toml").read_text())["project"]
_TABLE: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- /table -->)", re.DOTALL)
_EACH_RELEASE: Final = (0,)
# What a version of mistralai lets OpenTelemetry's API and wrapt be, if that is not the newest: a
# test resolves them with uv.
HELD_BACK: Final = {
    "1.12.1": ("1.38", "1.17"),
    "2.0.0": ("1.39", "1.17"),
    "2.4.9": ("1.39", "1.17"),
}
NEWEST: Final = ("newest", "newest")


def _markdown(*lines: list[str]) -> str:
    head, *rows = lines
    every = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in every)


def pythons() -> list[str]:
    """The versions of Python that the package declares."""
    found = [each.rpartition(" :: ")[2] for each in PROJECT["classifiers"]]
    return [each for each in found if re.fullmatch(r"3\.\d+", each)]


def _weekly() -> dict[str, set[str]]:
    """The Pythons of each system in the weekly workflow."""
    text = (ROOT / ".github/workflows/systems.yml").read_text()
    found: dict[str, set[str]] = defaultdict(set)
    for job in yaml.safe_load(text)["jobs"].values():
        matrix = job["strategy"]["matrix"]
        for system in matrix["os"]:
            found[system.partition("-")[0]] |= set(matrix["python"])
    return found


def _on_linux(python: str) -> str:
    in_nox = {each for each, _ in noxfile.MATRIX.values()} | set(noxfile.INTERPRETERS)
    if python in in_nox:
        return "tested"
    script = (ROOT / "tests/pythons/run.sh").read_text()
    (asked,) = re.findall(r"versions=\(([\d. ]+)\)", script)
    assert python in asked.split(), f"nothing tests Python {python}"
    return "tested by hand: `make test-pythons`"


def _systems() -> str:
    weekly = _weekly()

    def there(system: str, python: str) -> str:
        return "workflow, not run yet" if python in weekly[system] else "not tested"

    rows = [
        [each, _on_linux(each), there("macos", each), there("windows", each)] for each in pythons()
    ]
    return _markdown(["Python", "Linux", "macOS", "Windows"], *rows)


def _sdks() -> str:
    rows: list[list[str]] = []
    for sdk, (python, pins) in noxfile.MATRIX.items():
        api, wrapt = HELD_BACK.get(sdk, NEWEST)
        pinned = [each.rpartition("==")[2] for each in pins if each.startswith("wrapt")]
        rows.append([sdk, python, api, *(pinned or [wrapt])])
    newest = ["newest 3.x", "this machine's", *NEWEST]
    return _markdown(["mistralai", "Python", "OpenTelemetry API", "wrapt"], *rows, newest)


def _declared() -> str:
    given = [*PROJECT["dependencies"]]
    for extra, requirements in PROJECT["optional-dependencies"].items():
        given += [f"{each} (extra `{extra}`)" for each in requirements]
    rows = [
        [f"`{name}`", versions.replace(",", ", ")]
        for each in given
        for name, versions in re.findall(r"^([\w-]+)(.*)$", each)
    ]
    return _markdown(["package", "versions"], ["Python", PROJECT["requires-python"]], *rows)


def _installed(session: str, tested: dict[str, tuple[str, str, list[str]]]) -> list[list[str]]:
    return [
        [f"`{package}`", sdk, python, f"`make test-{session}`"]
        for sdk, python, packages in tested.values()
        for package in packages
    ]


def _others() -> str:
    beside = {name: (sdk, python, [pin]) for name, (sdk, python, pin) in noxfile.BESIDE.items()}
    viewers = {name: ("newest", python, [pin]) for name, (python, pin) in noxfile.VIEWERS.items()}
    family = [[f"`{each}`", "newest", "3.12", "`make test-family`"] for each in noxfile.FAMILY]
    build = (ROOT / "tests/jaeger/build.sh").read_text()
    (jaeger,) = re.findall(r"Building Jaeger (\d[\d.]*)", build)
    return _markdown(
        ["tested with", "mistralai", "Python", "by"],
        *_installed("frameworks", noxfile.FRAMEWORKS),
        *_installed("beside", beside),
        *_installed("viewers", viewers),
        *family,
        [
            f"Jaeger {jaeger}, with the 2.x storage",
            "newest",
            "this machine's",
            "`make test-backends`",
        ],
    )


def since(row: Row) -> Version:
    """From which version on a method is recorded, whatever the SDK called its class before."""
    first = methods.first(row)
    before = [
        each
        for each in (*METHODS, *LOOPS)
        if each.method == row.method and methods.last(each) == first
    ]
    return min([first, *map(since, before)])


def _came() -> str:
    came: dict[Version, list[str]] = defaultdict(list)
    for name, row in methods.methods().items():
        came[since(row)].append(f"`{name}`")
    del came[_EACH_RELEASE]
    rows = [
        [".".join(map(str, version)), ", ".join(names)] for version, names in sorted(came.items())
    ]
    return _markdown(["mistralai", "what came with it"], *rows)


TABLES: Final = {
    "systems": _systems,
    "sdks": _sdks,
    "declared": _declared,
    "others": _others,
    "came": _came,
}


def with_tables(page: str) -> str:
    """The page with its tables as they should be."""
    return _TABLE.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
