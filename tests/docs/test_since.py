# SPDX-License-Identifier: Apache-2.0
"""``SINCE`` and ``UNTIL`` say what the releases of the SDK say: each is got, and looked into.

The matrix has eight of some eighty releases, so it cannot tell 3.3 from 3.4. A version that came
with a method is the first that has it, and the one before it has it not.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from uv import find_uv_bin

from opentelemetry.instrumentation.genai.mistralai._sdk.calls import Method
from opentelemetry.instrumentation.genai.mistralai._sdk.table import LOOPS, METHODS, SESSIONS
from opentelemetry.instrumentation.genai.mistralai.package import (
    _instruments,  # pyright: ignore[reportPrivateUsage] -- OpenTelemetry's name
)
from tests.support import methods
from tests.support.methods import Row
from tests.support.servers import without

Release = Callable[[str], Path]
ROWS: Final[list[Row]] = [*METHODS, *LOOPS, *SESSIONS]
NAMES: Final = [f"{row.module}.{row.cls}.{row.method}" for row in ROWS]


def is_gone(row: Row) -> bool:
    return methods.last(row) < (99,)


def oldest() -> str:
    """The oldest release that is supported."""
    found = re.search(r">=\s*([\d.]+)", _instruments[0])
    assert found is not None
    return found[1]


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Unpacks a release, such as ``==3.4.0``, or the newest that is ``<3.4.0``; not what it needs.

    uv keeps what it once got. Where it has nothing and gets nothing, tests skip, and in CI fail.
    """
    folder, got = tmp_path_factory.mktemp("releases"), dict[str, Path]()

    def get(which: str) -> Path:
        if which not in got:
            target = folder / str(len(got))
            command = [
                find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--target", str(target),
                f"mistralai{which}",
            ]  # fmt: skip
            environment = {**os.environ, "UV_LINK_MODE": "copy", "UV_HTTP_TIMEOUT": "20"}
            done = subprocess.run(  # noqa: S603 -- ours
                command, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                without(f"no mistralai{which}: {done.stderr.strip()}")
            got[which] = target
        return got[which]

    return get


def has(release: Path, row: Row) -> bool:
    """Whether a release has a row's method, and the async twin if there is to be one."""
    for folder in ("mistralai/client", "mistralai"):
        path = release / folder / f"{'/'.join(row.module.split('.'))}.py"
        if path.exists():
            tree = ast.parse(path.read_text())
            wanted = {row.method, f"{row.method}_async" if isinstance(row, Method) else row.method}
            return wanted <= _functions_of(tree, row.cls)
    return False


def _functions_of(tree: ast.Module, cls: str) -> set[str]:
    bodies = [node.body for node in tree.body if isinstance(node, ast.ClassDef) if node.name == cls]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for body in bodies for node in body if isinstance(node, kinds)}


def wrong(row: Row, release: Release) -> list[str]:
    """What ``SINCE`` and ``UNTIL`` say of a row, and is not so."""
    name = f"{row.module}.{row.cls}.{row.method}"
    came, went = methods.first(row), methods.last(row)
    told: list[tuple[str, bool]] = []
    if came == (0,):
        told.append((f"=={oldest()}", True))
    else:
        since = ".".join(map(str, came))
        told += [(f"<{since}", False), (f"=={since}", True)]
    if is_gone(row):
        until = ".".join(map(str, went))
        told += [(f"<{until}", True), (f"=={until}", False)]
    return [
        f"{'SINCE' if came != (0,) else 'SINCE or UNTIL'} in tests/support/methods.py: mistralai"
        f"{which} has {'no ' if there else ''}{name}"
        for which, there in told
        if has(release(which), row) is not there
    ]


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_a_method_came_and_went_with_the_release_that_is_named(row: Row, release: Release) -> None:
    assert wrong(row, release) == []


@pytest.mark.parametrize(
    ("key", "versions", "version", "told"),
    [
        # Too late, between two lines of the matrix; too early; forgotten; never there.
        ("responses", methods.SINCE, (3, 5, 0), "mistralai<3.5.0 has responses.Responses.create"),
        ("responses", methods.SINCE, (3, 2, 0), "mistralai==3.2.0 has no responses.Responses"),
        ("transcriptions", methods.SINCE, None, "mistralai==1.8.0 has no transcriptions."),
        ("mistral_agents", methods.UNTIL, (1, 12, 1), "mistralai==1.12.1 has mistral_agents."),
        ("ocr.Ocr.process", methods.SINCE, (1, 9, 1), "mistralai<1.9.1 has ocr.Ocr.process"),
    ],
)
def test_a_wrong_version_is_told_with_the_name_of_the_method(
    release: Release,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    versions: dict[str, Any],
    version: Any,
    told: str,
) -> None:
    monkeypatch.delitem(versions, key, raising=False)
    if version is not None:
        monkeypatch.setitem(versions, key, version)
    found = [line for row in ROWS for line in wrong(row, release)]
    assert found
    assert all(told in line for line in found), found


def test_the_versions_speak_of_methods_in_the_table() -> None:
    known = {row.module for row in ROWS} | set(NAMES)
    assert methods.SINCE.keys() | methods.UNTIL.keys() <= known
