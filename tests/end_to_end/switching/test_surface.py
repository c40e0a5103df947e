# SPDX-License-Identifier: Apache-2.0
"""Every row of the table is a method of the SDK, is wrapped, and is put back.

That no method is missing is what `tests/docs/test_every_method.py` tests.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any, Final

import pytest
import wrapt

from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from opentelemetry.instrumentation.genai.mistralai._sdk.calls import Method
from opentelemetry.instrumentation.genai.mistralai._sdk.loops import Loop
from opentelemetry.instrumentation.genai.mistralai._sdk.table import LOOPS, METHODS
from tests.support import sdk
from tests.support.methods import is_said_to_exist


def rows() -> Iterator[tuple[Method | Loop, str]]:
    """Each row with the names of its methods, async twins included."""
    for row in METHODS:
        yield row, row.method
        yield row, f"{row.method}_async"
    for loop in LOOPS:
        yield loop, loop.method


def lookup(row: Method | Loop, method: str) -> Any:
    """What this SDK has under the name of a row, if it has anything."""
    try:
        module = importlib.import_module(f"{sdk.ROOT}.{row.module}")
    except ModuleNotFoundError:
        return None
    return vars(getattr(module, row.cls, object)).get(method)


ROWS: Final = list(rows())
NAMES: Final = [f"{row.module}.{row.cls}.{method}" for row, method in ROWS]


@pytest.mark.parametrize(("row", "method"), ROWS, ids=NAMES)
def test_a_row_is_a_method_that_is_wrapped_and_put_back(row: Method | Loop, method: str) -> None:
    if not is_said_to_exist(row):
        found = lookup(row, method)
        instrument()
        try:
            # The module may be there without the method, or with another of that name.
            assert lookup(row, method) is found
            assert not isinstance(found, wrapt.FunctionWrapper)
        finally:
            uninstrument()
        return
    owner: Any = getattr(importlib.import_module(f"{sdk.ROOT}.{row.module}"), row.cls)
    original = owner.__dict__[method]
    instrument()
    try:
        wrapper = owner.__dict__[method]
        assert isinstance(wrapper, wrapt.FunctionWrapper)
        assert wrapper is not original
    finally:
        uninstrument()
    assert owner.__dict__[method] is original


def test_no_row_stands_twice() -> None:
    assert len(set(NAMES)) == len(NAMES)
