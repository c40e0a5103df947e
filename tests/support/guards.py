# SPDX-License-Identifier: Apache-2.0
"""Finds the guards in the source, and raises at a line of what they guard."""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

from opentelemetry.instrumentation.genai import mistralai

SOURCE: Final = Path(mistralai.__file__).parent
_BROAD: Final = frozenset({"Exception", "BaseException"})


class Guard(NamedTuple):
    """A place that keeps failures from the caller.

    Attributes:
        file: below the package's folder.
        function: its qualified name.
        ordinal: which of the function's guards it is, from 0.
    """

    file: str
    function: str
    ordinal: int = 0

    def __str__(self) -> str:
        """As a test's name shows it."""
        return f"{self.file}:{self.function}" + (f"#{self.ordinal}" if self.ordinal else "")


def guards() -> dict[Guard, set[int]]:
    """All guards in the source, and the lines that each of them guards.

    A broad ``except`` that raises again at its end is none: whatever comes, the caller gets it.
    ``__main__.py`` and ``_doctor`` are left out: they are a program of its own, of which no call of
    the user's is in the way.
    """
    found: dict[Guard, set[int]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        file = path.relative_to(SOURCE).as_posix()
        if file != "__main__.py" and not file.startswith("_doctor"):
            _walk(ast.parse(path.read_text()), file, "", found)
    return found


def _walk(node: ast.AST, file: str, function: str, found: dict[Guard, set[int]]) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            _walk(child, file, f"{function}.{child.name}".lstrip("."), found)
            continue
        if (body := _guarded(child)) is not None:
            same = sum(known[:2] == (file, function) for known in found)
            found[Guard(file, function, same)] = set(_lines(body))
        _walk(child, file, function, found)


def _guarded(node: ast.AST) -> list[ast.stmt] | None:
    """The body of a statement that swallows whatever its body raises."""
    if isinstance(node, ast.Try) and any(map(_swallows, node.handlers)):
        return node.body
    if isinstance(node, (ast.With, ast.AsyncWith)):
        for item in node.items:
            call = item.context_expr
            if (
                isinstance(call, ast.Call)
                and ast.unparse(call.func).endswith("suppress")
                and any(map(_is_broad, call.args))
            ):
                return node.body
    return None


def _swallows(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    raises = isinstance(last, ast.Raise) and last.exc is None
    return not raises and (handler.type is None or _is_broad(handler.type))


def _is_broad(kind: ast.expr) -> bool:
    return any(isinstance(one, ast.Name) and one.id in _BROAD for one in ast.walk(kind))


def _lines(body: list[ast.stmt]) -> Iterator[int]:
    """The lines of statements, without those of a guard inside of them, and of inner functions."""
    for statement in body:
        yield from _lines_of(statement)


def _lines_of(node: ast.AST) -> Iterator[int]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    inner = _guarded(node) if isinstance(node, ast.stmt) else None
    # What cannot fail: the interpreter looks for no handler there.
    nothing = isinstance(node, ast.Try) or (isinstance(node, ast.Return) and node.value is None)
    if isinstance(node, (ast.stmt, ast.expr)) and inner is None and not nothing:
        yield node.lineno
    for child in ast.iter_child_nodes(node):
        if inner is None or child not in inner:
            yield from _lines_of(child)


class Tracer:
    """Follows the plugin's lines, and raises when one of them is about to run for the first time.

    Args:
        file: of the line, below the package's folder; empty to raise nowhere.
        line: its number.
        failure: what is raised.

    Attributes:
        seen: the lines that were run.
        raised: whether it was raised.
    """

    def __init__(self, file: str = "", line: int = 0, failure: Exception | None = None) -> None:
        self.seen: set[tuple[str, int]] = set()
        self.raised = False
        self._at = (file, line)
        self._failure = failure

    def __call__(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        """The global trace function."""
        return self._local if frame.f_code.co_filename.startswith(f"{SOURCE}/") else None

    def _local(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            at = (frame.f_code.co_filename[len(str(SOURCE)) + 1 :], frame.f_lineno)
            self.seen.add(at)
            if at == self._at and self._failure is not None and not self.raised:
                self.raised = True
                raise self._failure
        return self._local

    @contextmanager
    def tracing(self) -> Generator[None]:
        """Traces this thread, and those that are started meanwhile."""
        before = sys.gettrace()
        threading.settrace(self)
        sys.settrace(self)
        try:
            yield
        finally:
            sys.settrace(before)
            threading.settrace(before)
