# SPDX-License-Identifier: Apache-2.0
"""Every row of the table is a method of the SDK, is wrapped, and is put back; none is missing."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import wrapt

from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from opentelemetry.instrumentation.genai.mistralai._sdk.connections import CONNECTIONS
from opentelemetry.instrumentation.genai.mistralai._sdk.realtime import Session
from opentelemetry.instrumentation.genai.mistralai._sdk.table import LOOPS, METHODS, SESSIONS
from tests.support import sdk
from tests.support.methods import is_said_to_exist

# Methods that take a model or an agent and are no row, and why.
OTHERS: Final = {
    "chat.Chat.parse": "calls complete",
    "chat.Chat.parse_stream": "calls stream",
    "responses.Responses.count_input_tokens": "counts, and nothing is generated",
    "jobs.Jobs.create": "a batch, which runs later and elsewhere",
    "jobs.Jobs.list": "batches: management",
    "models_.Models.list": "management",
    "audio_sessions.AudioSessions.create": "opens a voice session (LiveKit), which talks elsewhere",
    "audio_sessions.AudioSessions.init": "as create",
}
# These manage agents; only create, which the conventions know, is a row.
MANAGES: Final = re.compile(
    r"(audio|beta)_agents\.\w+\.(get|list|update|delete|create_version_alias)"
)
ASKS: Final = {"model", "agent_id", "response_format", "run_ctx"}


def rows() -> Iterator[tuple[str, str, str]]:
    """Module, class and method of all that is to be wrapped, with async twins."""
    for row in METHODS:
        yield row.module, row.cls, row.method
        yield row.module, row.cls, f"{row.method}_async"
    for loop in LOOPS:
        yield loop.module, loop.cls, loop.method


ROWS: Final = list(rows())
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


def exists(module: str) -> bool:
    """Whether this version of the SDK is said to have a module."""
    return any(is_said_to_exist(row) for row in (*METHODS, *LOOPS) if row.module == module)


@pytest.mark.parametrize(("module", "cls", "method"), ROWS, ids=[".".join(row) for row in ROWS])
def test_a_row_is_a_method_that_is_wrapped_and_put_back(module: str, cls: str, method: str) -> None:
    if not exists(module):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"{sdk.ROOT}.{module}")
        return
    assert_wrapped(f"{sdk.ROOT}.{module}", cls, method)


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
    assert len(set(ROWS)) == len(ROWS)


def reachable(part: Any, found: dict[int, Any]) -> dict[int, Any]:
    """Everything of the SDK that a client leads to, the client included."""
    if id(part) not in found:
        found[id(part)] = part
        base = importlib.import_module(f"{sdk.ROOT}.basesdk").BaseSDK
        names: list[str] = [*getattr(part, "_sub_sdk_map", ()), *part.__dict__]
        for child in (getattr(part, name) for name in names):
            if isinstance(child, base):
                reachable(child, found)
    return found


def asking() -> Iterator[str]:
    """Every public method that takes a model, an agent, a format of the answer, or a loop."""
    with sdk.Mistral(api_key="key") as client:
        classes: set[Any] = {part.__class__ for part in reachable(client, {}).values()}
    for cls in classes:
        for name, method in inspect.getmembers(cls, inspect.isroutine):
            if not name.startswith("_") and inspect.signature(method).parameters.keys() & ASKS:
                yield f"{cls.__module__.removeprefix(f'{sdk.ROOT}.')}.{cls.__qualname__}.{name}"


@pytest.mark.skipif(sdk.VERSION < (3, 7), reason="the table is of the newest SDK")
def test_every_method_that_takes_a_model_is_in_the_table_or_has_a_reason_not_to_be() -> None:
    found = set(asking())
    assert len(found) > 40
    covered = {".".join(row) for row in ROWS}
    missing = {name for name in found - covered if name.removesuffix("_async") not in OTHERS}
    assert {name for name in missing if not MANAGES.match(name)} == set()
    # The reasons are for methods that there are.
    assert OTHERS.keys() <= {name.removesuffix("_async") for name in found}
    # What the API is asked by conversation alone takes neither model nor agent.
    silent = {name for name in covered - found if exists(name.partition(".")[0])}
    turns = {f"conversations.Conversations.{turn}{kind}{twin}" for turn in ("append", "restart")
             for kind in ("", "_stream") for twin in ("", "_async")}  # fmt: skip
    assert silent == turns
