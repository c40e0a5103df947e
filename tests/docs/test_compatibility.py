# SPDX-License-Identifier: Apache-2.0
"""`docs/compatibility.md` names the versions that are declared, tested and resolved."""

from __future__ import annotations

import re
from typing import Final

import noxfile
from opentelemetry.instrumentation.genai.mistralai._sdk.table import METHODS
from tests.docs import compatibility
from tests.support import methods

PAGE: Final = compatibility.PAGE.read_text()
ROOT: Final = compatibility.ROOT
SDK: Final = (ROOT / "tests/support/sdk.py").read_text()


def test_the_tables_are_what_is_declared_and_tested() -> None:
    assert compatibility.with_tables(PAGE) == PAGE, "run python -m tests.docs.compatibility"
    assert set(re.findall(r"<!-- table: (\w+) -->", PAGE)) == set(compatibility.TABLES)


def test_each_python_of_nox_is_declared_and_the_oldest_is_required() -> None:
    declared = compatibility.pythons()
    tested = {python for python, _ in noxfile.MATRIX.values()}
    assert tested <= set(declared)
    assert compatibility.PROJECT["requires-python"] == f">={declared[0]}"
    assert compatibility.PROJECT["optional-dependencies"]["instruments"] == ["mistralai>=1.8.0,<4"]
    assert "1.8.0" in noxfile.MATRIX


def constant(name: str) -> str:
    """A version in `tests/support/sdk.py`, as 2.10."""
    (found,) = re.findall(rf"^{name}: Final = (?:VERSION < )?\((\d+(?:, \d+)?),?\)", SDK, re.M)
    return ".".join(re.findall(r"\d+", f"{found}{', 0' * (',' not in found)}"))


def test_what_differs_with_the_sdk_is_what_the_tests_know() -> None:
    told = re.findall(r"^\* Before ([\d.]+) ", PAGE, re.M)
    names = ("UNKNOWN_EVENT_RAISES", "EMPTY_EVENT_RAISES", "REJECTED_EVENT_RAISES")
    assert told == [constant(name) for name in names]
    assert "TRACES_BY_DEFAULT: Final = (1, 10) <= VERSION < (2, 4, 10)" in SDK
    assert "* From 1.10 to 2.4.9 the SDK makes spans of its own" in PAGE


def test_what_went_is_named() -> None:
    heirs = {(row.method, methods.first(row)) for row in METHODS}
    gone = {
        f"{row.module}.{row.method}"
        for row in METHODS
        if methods.last(row) < (99,) and (row.method, methods.last(row)) not in heirs
    }
    assert gone == {"chat_completion_events.judge", "search_indexes.generate_index_summary"}
    assert methods.UNTIL["chat_completion_events"] == (2, 10, 0)
    assert methods.SINCE["chat_completion_events"] == (2, 0, 0)
    assert "The judge of chat completion events was there from 2.0 to 2.9." in PAGE
    assert (methods.SINCE["search_indexes"], methods.UNTIL["search_indexes"]) == (
        (2, 7, 0),
        (2, 9, 0),
    )
    assert "From 2.7 to 2.8 summaries of an index" in PAGE


def test_a_method_has_come_when_its_first_class_did() -> None:
    rows = {f"{row.module}.{row.cls}.{row.method}": row for row in METHODS}
    assert compatibility.since(rows["jobs.Jobs.create"]) == (0,)
    (search,) = (
        row for name, row in rows.items() if name.startswith("context_") and row.method == "search"
    )
    assert compatibility.since(search) == methods.SINCE["managed_indexes"]


def test_each_command_and_file_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    assert set(re.findall(r"`make ([a-z-]+)`", PAGE)) - targets == set()
    for path in re.findall(r"`(\.github/[\w./-]+)`", PAGE):
        assert (ROOT / path).is_file(), path
    assert "```" not in PAGE
