# SPDX-License-Identifier: Apache-2.0
"""docs/threads.md names each structure that threads share, and why they may."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "src/opentelemetry/instrumentation/genai/mistralai"
PAGE: Final = ROOT / "docs" / "threads.md"
MUTATORS: Final = frozenset({
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "move_to_end", "pop",
    "popitem", "popleft", "remove", "setdefault", "update",
})  # fmt: skip
CONTAINERS: Final = frozenset({
    "Counter", "OrderedDict", "WeakKeyDictionary", "WeakSet", "WeakValueDictionary", "bytearray",
    "count", "defaultdict", "deque", "dict", "iter", "list", "local", "set",
})  # fmt: skip
CACHES: Final = frozenset({"cache", "cached_property", "lru_cache"})
# One object of these is shared by calls, and no name of a module holds it.
HELD_BY_OTHERS: Final = frozenset({"Telemetry", "Instruments", "BatchInstruments", "Seat"})
# Made with their object and never changed; objects of one call have fields of the same names.
NAMESAKES: Final = frozenset({
    "_otel/metrics.py: Instruments.first_chunk", "_otel/metrics.py: Instruments.operation",
    "_otel/open_calls.py: OpenCalls.watch",
})  # fmt: skip

Module = tuple[str, ast.Module]


def modules(folder: Path) -> list[Module]:
    return [
        (path.relative_to(folder).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(folder.rglob("*.py"))
    ]


def last_name(node: ast.AST | None) -> str:
    """The last word of what is called, subscripted or decorated: ``deque`` of ``c.deque()``."""
    while isinstance(node, (ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def is_container(value: ast.AST | None) -> bool:
    if isinstance(value, (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)):
        return True
    return isinstance(value, ast.Call) and last_name(value) in CONTAINERS


def assigned(node: ast.stmt) -> tuple[str, ast.AST | None]:
    """The name and the value of an assignment at the level of a module."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, node.value
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id, node.value
    return "", None


def mutated_names(found: list[Module]) -> set[str]:
    """Names, of whatever, that some line puts something into or takes something out of."""
    names: set[str] = set()
    for _, tree in found:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in MUTATORS:
                names.add(last_name(node.value))
            if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
                names.add(last_name(node.value))
    return names


def shared_classes(found: list[Module]) -> set[str]:
    """Classes of which a module holds an object, their bases, and those that their objects make."""
    nodes = (node for _, tree in found for node in ast.walk(tree))
    classes = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    left = [
        last_name(value)
        for _, tree in found
        for node in tree.body
        for _, value in [assigned(node)]
        if isinstance(value, ast.Call)
    ]
    shared = set[str]()
    left += HELD_BY_OTHERS
    while left:
        name = left.pop()
        node = classes.get(name)
        if node is None or name in shared or "NamedTuple" in map(last_name, node.bases):
            continue
        shared.add(name)
        left += map(last_name, node.bases)
        init = next((each for each in node.body if getattr(each, "name", "") == "__init__"), None)
        made = ast.walk(init) if init is not None else ()
        left += [last_name(each) for each in made if isinstance(each, ast.Call)]
    return shared


def targets_in(tree: ast.AST) -> Iterator[tuple[ast.Attribute, ast.AST | None]]:
    """Each attribute that is assigned to, and what to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets: list[ast.expr] = node.targets
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
            targets = [node.target]
        else:
            continue
        for target in targets:
            for each in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(each, ast.Attribute):
                    yield each, node.value


def assigned_from_outside(found: list[Module]) -> set[str]:
    """Attributes that are assigned to on another object than ``self``."""
    return {
        target.attr
        for _, tree in found
        for target, _ in targets_in(tree)
        if last_name(target.value) not in ("self", "cls")
    }


def fields(cls: ast.ClassDef, from_outside: set[str]) -> Iterator[str]:
    """Fields of a shared object that are containers, or change after it was made, or are caches."""
    for method in cls.body:
        if not isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if any(last_name(each) in CACHES for each in method.decorator_list):
            yield method.name
        for target, value in targets_in(method):
            if last_name(target.value) not in ("self", "cls"):
                continue
            changes = method.name != "__init__" or target.attr in from_outside
            if changes or is_container(value):
                yield target.attr


def shared(folder: Path = PACKAGE) -> set[str]:
    """All that threads share and change: ``module.py: name`` or ``module.py: Class.field``."""
    found = modules(folder)
    mutated, classes = mutated_names(found), shared_classes(found) | {"Switch"}
    from_outside = assigned_from_outside(found)
    names: set[str] = set()
    for path, tree in found:
        for statement in tree.body:
            name, value = assigned(statement)
            if is_container(value) and name in mutated:
                names.add(f"{path}: {name}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Global):
                names |= {f"{path}: {name}" for name in node.names}
            elif isinstance(node, ast.ClassDef) and node.name in classes:
                names |= {f"{path}: {node.name}.{field}" for field in fields(node, from_outside)}
            elif isinstance(node, ast.FunctionDef):
                decorators = set(map(last_name, node.decorator_list))
                names |= {f"{path}: {node.name}"} if decorators & {"cache", "lru_cache"} else set()
    return names - NAMESAKES


ROW: Final = re.compile(r"^\| `([^`]+)` \| (.+?) \|$", re.MULTILINE)


def test_the_page_names_each_structure_that_threads_share_and_says_why_they_may() -> None:
    rows = dict(ROW.findall(PAGE.read_text(encoding="utf-8")))
    assert sorted(rows) == sorted(shared())
    assert [name for name, why in rows.items() if len(why.split()) < 4] == []


@pytest.mark.parametrize(
    ("module", "lines", "name"),
    [
        ("_reading/a.py", "seen = {}\ndef f(key):\n    seen[key] = 1", "seen"),
        ("_reading/a.py", "from collections import deque\nq = deque()\nq.append(1)", "q"),
        ("_reading/a.py", "seen: set[int] = set[int]()\ndef f():\n    seen.add(1)", "seen"),
        ("_reading/a.py", "on = False\ndef f():\n    global on\n    on = True", "on"),
        ("_reading/a.py", "import functools\n@functools.cache\ndef f(x): ...", "f"),
        ("_otel/a.py", "class A:\n def __init__(self): self.x = []\na = A()", "A.x"),
        ("_otel/a.py", "class A:\n def go(self): self.x = 1\na = A()", "A.x"),
        ("_otel/a.py", "class A:\n def __init__(self): self.x = 1\na = A()\na.x = 2", "A.x"),
        (
            "_otel/a.py",
            "class B:\n def __init__(self): self.x = {}\nclass A(B): ...\na = A()",
            "B.x",
        ),
    ],
)
def test_a_structure_that_is_shared_would_be_seen(
    tmp_path: Path, module: str, lines: str, name: str
) -> None:
    path = tmp_path / module
    path.parent.mkdir()
    path.write_text(lines)
    assert shared(tmp_path) == {f"{module}: {name}"}


@pytest.mark.parametrize(
    "lines",
    [
        "EVENTS = {'a': 1}\nprint(EVENTS['a'])",
        "class A:\n def __init__(self): self.x = []\ndef f(): return A()",
        "def f():\n    seen = []\n    seen.append(1)",
    ],
)
def test_a_constant_and_what_a_call_keeps_to_itself_are_none(tmp_path: Path, lines: str) -> None:
    (tmp_path / "a.py").write_text(lines)
    assert shared(tmp_path) == set()
