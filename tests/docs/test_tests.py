# SPDX-License-Identifier: Apache-2.0
"""The tests keep their house: names are spelled once, and helpers are no tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support import names

ROOT: Final = Path(__file__).parents[2]
NAMES: Final = Path("tests/support/names.py")
SPELLED: Final = frozenset(value for name, value in vars(names).items() if name.isupper())
# Whole or cut, in a text of its own or in one with braces; a text with more in it than a name,
# such as a program or a line of the README, may say what it likes.
NAME: Final = re.compile(r"(gen_ai|mistral_ai)\.[a-z][a-z0-9_.]*")
# It looks at the lists of these tests, and so at the modules as a whole.
LOOKS_AT_TESTS: Final = Path("tests/docs/test_places.py")


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        yield path.relative_to(ROOT), ast.parse(path.read_text())


def literals(module: ast.Module) -> Iterator[tuple[int, str]]:
    """The texts of a module with their lines, docstrings aside."""
    nodes = list(ast.walk(module))
    told = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.lineno, node.value


def spelled(path: Path, module: ast.Module) -> list[str]:
    """Where a module spells a name: file, line and the name."""
    return [
        f"{path}:{line}: {text}"
        for line, text in literals(module)
        if text in SPELLED or NAME.fullmatch(text)
    ]


def borrowed(path: Path, module: ast.Module) -> list[str]:
    """Where a module imports what is in a test or a conftest: file, line and from where."""
    return [
        f"{path}:{node.lineno}: {found}"
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom)
        for found in {node.module or "", *(f"{node.module}.{each.name}" for each in node.names)}
        if re.search(r"^tests\.(.+\.)?(conftest|test_\w+)$", found)
    ]


def test_a_name_of_an_attribute_a_metric_or_an_event_is_spelled_in_one_file() -> None:
    found = [each for path, module in modules() if path != NAMES for each in spelled(path, module)]
    assert found == []


def test_nothing_is_imported_from_a_test_or_a_conftest() -> None:
    found = [each for path, module in modules() for each in borrowed(path, module)]
    assert [each for each in found if not each.startswith(str(LOOKS_AT_TESTS))] == []


def test_what_is_in_tests_support_is_never_collected() -> None:
    found = [path.name for path in (ROOT / "tests/support").rglob("*.py")]
    assert found
    assert [name for name in found if name.startswith(("test_", "conftest"))] == []


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('span.attributes["server." "port"]', ["a.py:1: server.port"]),
        ('\n{"gen_ai.operation.name": "chat"}', ["a.py:2: gen_ai.operation.name"]),
        ('f"gen_ai.usage.{kind}"', ["a.py:1: gen_ai.usage."]),
        ('["gen_ai.of.tomorrow"]', ["a.py:1: gen_ai.of.tomorrow"]),
        ('x = "server.log", "gen_ai", "of gen_ai.operation.name", "error.types"', []),
        ('"""gen_ai.operation.name"""', []),
    ],
)
def test_a_literal_name_is_seen_with_its_file_and_line(source: str, told: list[str]) -> None:
    assert spelled(Path("a.py"), ast.parse(source)) == told


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("from tests.a.conftest import b", ["a.py:1: tests.a.conftest"]),
        ("def f():\n    from tests.a.test_b import c", ["a.py:2: tests.a.test_b"]),
        ("from tests.a import test_b", ["a.py:1: tests.a.test_b"]),
        ("from tests.support.names import b\nfrom a import test_b", []),
    ],
)
def test_an_import_from_a_test_is_seen(source: str, told: list[str]) -> None:
    assert borrowed(Path("a.py"), ast.parse(source)) == told
