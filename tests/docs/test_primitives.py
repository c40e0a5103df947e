# SPDX-License-Identifier: Apache-2.0
"""No module captures what `gevent.monkey.patch_all()` replaces later, or works in the collector.

gevent and eventlet put their own locks, threads and sleeps into the standard library's modules.
What was taken out of one before, or made of it, stays as it was: the first greenlet that waits for
such a lock stops the whole process. The source is read here; `tests/workers` runs it under both.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

PACKAGE: Final = Path(__file__).parents[2] / "src/opentelemetry/instrumentation/genai/mistralai"
FUTURE: Final = "from __future__ import annotations\n"
# Its own command in its own process: nobody patches that.
DOCTOR: Final = "_doctor"
# Whoever imports one of these means to block.
BLOCKING: Final = frozenset(
    {"concurrent.futures", "multiprocessing", "queue", "select", "selectors", "socket", "ssl",
     "subprocess"}
)  # fmt: skip
# Of these, each name is told; of the others, only what is named.
WHOLE: Final = frozenset({*BLOCKING, "_thread", "threading"})
NAMES: Final = frozenset({"time.sleep", "gc.callbacks"})
AT_IMPORT: Final = "at import"
IN_CALLS: Final = "in calls"


class Use(NamedTuple):
    """A use of a primitive: its full name, and when that is looked up."""

    name: str
    when: str


ALLOWED: Final[dict[str, dict[Use, str]]] = {
    "_otel/dropped.py": {
        Use("_thread.start_new_thread", AT_IMPORT): (
            "is compared with what is there now, to see whether somebody has patched it; it is not"
            " called"
        ),
        Use("_thread.start_new_thread", IN_CALLS): (
            "is looked up for each stream, so a patch counts from the next one on; takes no lock"
        ),
        Use("threading.Thread", IN_CALLS): "is made by a thread, when a stream has been dropped",
        Use("threading.current_thread", IN_CALLS): "does not block",
        Use("threading.get_ident", IN_CALLS): "does not block",
        Use("time.sleep", IN_CALLS): "waits for that thread at the exit, or when switched off",
    },
    "_sdk/coroutines.py": {
        Use("__del__", AT_IMPORT): (
            "is of coroutines that were never awaited, of which the interpreter warns there, too"
        ),
    },
}


class _Uses(ast.NodeVisitor):
    """Finds the uses in a module, but for annotations and what only a type checker reads."""

    def __init__(self) -> None:
        self.found: set[Use] = set()
        # What local names mean, whichever scope they are of.
        self._meaning: dict[str, str] = {}
        self._when = AT_IMPORT

    def _tell(self, name: str) -> None:
        """Notes a primitive, or what is looked up in one."""
        for known in NAMES:
            if f"{name}.".startswith(f"{known}."):
                self.found.add(Use(known, self._when))
        for module in WHOLE:
            if name.startswith(f"{module}."):
                first = name[len(module) + 1 :].partition(".")[0]
                self.found.add(Use(f"{module}.{first}", self._when))
        if name in BLOCKING:
            self.found.add(Use(name, self._when))

    def visit_Import(self, node: ast.Import) -> None:
        for each in node.names:
            first = each.name.partition(".")[0]
            self._meaning[each.asname or first] = each.name if each.asname else first
            self._tell(each.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for each in node.names if not node.level else ():
            name = f"{node.module}.{each.name}"
            self._meaning[each.asname or each.name] = name
            self._tell(name)
            # A star may bring any of them.
            self.found.update(
                Use(known, self._when)
                for known in NAMES
                if each.name == "*" and known.startswith(f"{node.module}.")
            )

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self._full(node)
        if name is None:
            self.generic_visit(node)
        else:
            self._tell(name)

    def visit_Name(self, node: ast.Name) -> None:
        self._tell(self._meaning.get(node.id, ""))
        if node.id == "__del__":
            self.found.add(Use("__del__", self._when))

    def visit_Constant(self, node: ast.Constant) -> None:
        # For ``type(...)``, ``setattr`` and ``import_module``.
        if node.value in ("__del__", *WHOLE, *NAMES):
            self.found.add(Use(str(node.value), self._when))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name == "__del__":
            self.found.add(Use("__del__", self._when))
        # Decorators and defaults are of the time of the definition.
        for each in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults):
            if each is not None:
                self.visit(each)
        self._later(node.body)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 -- the name is that of ast

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._later([node.body])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.visit(node.test)
            for each in node.body:
                self.visit(each)
        for each in node.orelse:
            self.visit(each)

    def _later(self, body: list[ast.stmt] | list[ast.expr]) -> None:
        before, self._when = self._when, IN_CALLS
        for each in body:
            self.visit(each)
        self._when = before

    def _full(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self._meaning.get(node.id)
        if isinstance(node, ast.Attribute) and (owner := self._full(node.value)):
            return f"{owner}.{node.attr}"
        return None


def uses(source: str) -> set[Use]:
    """The uses of primitives in a module."""
    visitor = _Uses()
    visitor.visit(ast.parse(source))
    return visitor.found


def modules() -> Iterator[tuple[str, str]]:
    """The path of each module in the package, the doctor's aside, and its text."""
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        if place.parts[0] != DOCTOR:
            yield place.as_posix(), path.read_text()


def test_each_use_of_a_primitive_has_its_reason_and_each_reason_its_use() -> None:
    found = {place: told for place, text in modules() if (told := uses(text))}
    assert found == {place: set(reasons) for place, reasons in ALLOWED.items()}


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ("import threading\n_lock = threading.Lock()", Use("threading.Lock", AT_IMPORT)),
        ("import threading as t\n_new = t.Event", Use("threading.Event", AT_IMPORT)),
        ("from threading import Thread", Use("threading.Thread", AT_IMPORT)),
        ("from threading import Lock as _L", Use("threading.Lock", AT_IMPORT)),
        ("import threading\nclass A:\n    lock = threading.RLock()",
         Use("threading.RLock", AT_IMPORT)),
        ("import threading\ndef f(held=threading.Condition()): ...",
         Use("threading.Condition", AT_IMPORT)),
        ("import threading\ndef f():\n    return threading.Lock()",
         Use("threading.Lock", IN_CALLS)),
        ("import threading\nf = lambda: threading.local()", Use("threading.local", IN_CALLS)),
        ("import _thread\n_lock = _thread.allocate_lock()",
         Use("_thread.allocate_lock", AT_IMPORT)),
        ("from _thread import *", Use("_thread.*", AT_IMPORT)),
        ("import queue", Use("queue", AT_IMPORT)),
        ("from queue import SimpleQueue", Use("queue.SimpleQueue", AT_IMPORT)),
        ("def f():\n    import queue", Use("queue", IN_CALLS)),
        ("from concurrent.futures import ThreadPoolExecutor",
         Use("concurrent.futures.ThreadPoolExecutor", AT_IMPORT)),
        ("from concurrent import futures", Use("concurrent.futures", AT_IMPORT)),
        ("import socket", Use("socket", AT_IMPORT)),
        ("import select", Use("select", AT_IMPORT)),
        ("from subprocess import Popen", Use("subprocess.Popen", AT_IMPORT)),
        ("from time import sleep", Use("time.sleep", AT_IMPORT)),
        ("from time import *", Use("time.sleep", AT_IMPORT)),
        ("import time\n_wait = time.sleep", Use("time.sleep", AT_IMPORT)),
        ("import gc\ngc.callbacks.append(print)", Use("gc.callbacks", AT_IMPORT)),
        ("def f():\n    from gc import callbacks", Use("gc.callbacks", IN_CALLS)),
        ("class A:\n    def __del__(self): ...", Use("__del__", AT_IMPORT)),
        ("class A:\n    __del__ = print", Use("__del__", AT_IMPORT)),
        ("A = type('A', (), {'__del__': print})", Use("__del__", AT_IMPORT)),
        ("def f():\n    class A:\n        def __del__(self): ...", Use("__del__", IN_CALLS)),
        ("import importlib\nimportlib.import_module('queue')", Use("queue", AT_IMPORT)),
    ],
)  # fmt: skip
def test_a_violation_is_seen(line: str, use: Use) -> None:
    for place in ("_names.py", "_otel/open_calls.py", "_sdk/realtime.py"):
        text = (PACKAGE / place).read_text()
        assert FUTURE in text
        assert uses(text.replace(FUTURE, f"{FUTURE}{line}\n", 1)) == {use}, place


@pytest.mark.parametrize(
    "line",
    [
        "import threading",
        "import threading\ndef f(lock: threading.Lock) -> threading.Thread: ...",
        "import threading\nheld: threading.Lock",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from threading import Lock",
        "from time import monotonic_ns, time_ns",
        "import gc\ngc.collect()",
        '"""No ``__del__``, no queue."""',
    ],
)
def test_what_blocks_nobody_is_no_violation(line: str) -> None:
    assert uses(f"{FUTURE}{line}\n") == set()
