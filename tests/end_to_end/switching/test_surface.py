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
from opentelemetry.instrumentation.genai.mistralai._sdk.connections import CONNECTIONS
from opentelemetry.instrumentation.genai.mistralai._sdk.loops import Loop
from opentelemetry.instrumentation.genai.mistralai._sdk.realtime import Session
from opentelemetry.instrumentation.genai.mistralai._sdk.table import LOOPS, METHODS, SESSIONS
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
# What a session needs of its connection; what only one of the two classes has is not said.
SESSION_ROWS: Final = [
    *((row, row.module, row.cls, row.method) for row in SESSIONS),
    *((SESSIONS[at], module, cls, method)
      for at, (module, cls) in enumerate(CONNECTIONS.items())
      for method in ("events", "close", "__aexit__")),
    (SESSIONS[0], "extra.realtime.connection", "RealtimeConnection", "send_audio"),
    (SESSIONS[1], "extra.realtime.speech", "RealtimeSpeechConnection", "send_text"),
    (SESSIONS[1], "extra.realtime.speech", "RealtimeSpeechConnection", "flush"),
]  # fmt: skip


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
    assert_wrapped(f"{sdk.ROOT}.{row.module}", row.cls, method)


@pytest.mark.parametrize(
    ("row", "module", "cls", "method"),
    SESSION_ROWS,
    ids=[".".join(row[1:]) for row in SESSION_ROWS],
)
def test_what_a_session_needs_is_wrapped_and_put_back(
    row: Session, module: str, cls: str, method: str
) -> None:
    if not is_said_to_exist(row):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"mistralai.{module}")
        return
    assert_wrapped(f"mistralai.{module}", cls, method)


def assert_wrapped(module: str, cls: str, method: str) -> None:
    owner: Any = getattr(importlib.import_module(module), cls)
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
