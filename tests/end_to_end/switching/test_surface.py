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
from opentelemetry.instrumentation.genai.mistralai._sdk.table import LOOPS, METHODS
from tests.support import sdk
from tests.support.methods import is_said_to_exist


def rows() -> Iterator[tuple[str, str, str]]:
    """Module, class and method of all that is to be wrapped, with async twins."""
    for row in METHODS:
        yield row.module, row.cls, row.method
        yield row.module, row.cls, f"{row.method}_async"
    for loop in LOOPS:
        yield loop.module, loop.cls, loop.method


ROWS: Final = list(rows())


def exists(module: str) -> bool:
    """Whether this version of the SDK is said to have a module."""
    return any(is_said_to_exist(row) for row in (*METHODS, *LOOPS) if row.module == module)


@pytest.mark.parametrize(("module", "cls", "method"), ROWS, ids=[".".join(row) for row in ROWS])
def test_a_row_is_a_method_that_is_wrapped_and_put_back(module: str, cls: str, method: str) -> None:
    if not exists(module):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"{sdk.ROOT}.{module}")
        return
    owner: Any = getattr(importlib.import_module(f"{sdk.ROOT}.{module}"), cls)
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
    assert len(set(ROWS)) == len(ROWS)
