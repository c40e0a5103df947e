# SPDX-License-Identifier: Apache-2.0
"""Every row of the table is a method of this SDK line, is wrapped, and is put back."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import wrapt

from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from opentelemetry.instrumentation.genai.mistralai._surface import SURFACES, Surface
from tests.end_to_end import sdk

TWINS = [(row, name) for row in SURFACES for name in (row.method, f"{row.method}_async")]


@pytest.mark.parametrize(("row", "name"), TWINS, ids=[name for _, name in TWINS])
def test_a_row_is_a_method_that_is_wrapped_and_put_back(row: Surface, name: str) -> None:
    cls: Any = getattr(importlib.import_module(f"{sdk.ROOT}.{row.module}"), row.cls)
    original = cls.__dict__[name]
    instrument()
    try:
        wrapper = cls.__dict__[name]
        assert isinstance(wrapper, wrapt.FunctionWrapper)
        assert wrapper is not original
    finally:
        uninstrument()
    assert cls.__dict__[name] is original
