# SPDX-License-Identifier: Apache-2.0
"""instrument() itself: when it may come, what it refuses, which providers, what it never does."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from opentelemetry import context
from opentelemetry.instrumentation.utils import suppress_instrumentation

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import (
    MistralAIInstrumentor,
    instrument,
    uninstrument,
)
from opentelemetry.instrumentation.genai.mistralai import _log as _guard
from tests.support import sdk
from tests.support.conversations import Run, read_sync
from tests.support.programs import dedented, run
from tests.support.recording import Recording

PACKAGE: Final = "opentelemetry.instrumentation.genai.mistralai"
_ROOT: Final = Path(__file__).parents[3]


@pytest.fixture
def first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been logged yet in this process."""
    monkeypatch.setattr(_guard, "_reported", set[tuple[str, str]]())


# When

IMPORTS: Final = {
    "instrument first": ["instrument()", "from {root} import Mistral"],
    "mistralai first": ["from {root} import Mistral", "instrument()"],
    "client first": ["from {root} import Mistral", "make()", "instrument()"],
    "used first": ["from {root} import Mistral", "make().beta.conversations", "instrument()"],
}


@pytest.mark.parametrize("lines", IMPORTS.values(), ids=IMPORTS)
def test_the_order_of_imports_does_not_matter(emulator: Emulator, lines: list[str]) -> None:
    program = f"""
import sys
import threading
from opentelemetry import trace
from tests.support.programs import exporting
from {PACKAGE} import instrument
exporting("global")
assert not [name for name in sys.modules if name.split(".")[0] == "mistralai"]
clients = []
def make():
    client = Mistral(api_key="key", server_url=sys.argv[1])
    clients.append(client)
    return client
{chr(10).join(lines).format(root=sdk.ROOT)}
assert "{sdk.CONVERSATIONS}" in sys.modules or "instrument" not in {lines[-1]!r} or len({lines}) < 4
client = clients[0] if clients else make()
list(client.beta.conversations.start_stream(inputs="Hello?", model="m"))
"""
    done = fresh(program, emulator.url)
    assert done.stdout.count('"outcome": "completed"') == 1


def test_instrument_does_not_import_mistralai() -> None:
    program = f"""
import sys
import threading
from {PACKAGE} import MistralAIInstrumentor, instrument, uninstrument
instrument()
uninstrument()
MistralAIInstrumentor().instrument()
MistralAIInstrumentor().uninstrument()
assert not [name for name in sys.modules if name.split(".")[0] == "mistralai"]
import {sdk.CONVERSATIONS}
from {sdk.CONVERSATIONS} import Conversations
assert type(vars(Conversations)["start_stream"]).__name__ == "function"
"""
    assert fresh(program).stdout == ""


def test_instrument_imports_nothing_that_only_the_sdk_needs() -> None:
    program = f"""
import sys
import opentelemetry.trace, opentelemetry.metrics, opentelemetry._logs, opentelemetry.propagate
before = set(sys.modules)
from {PACKAGE} import instrument, uninstrument
instrument()
uninstrument()
loaded = {{name for name in set(sys.modules) - before if not name.startswith("{PACKAGE}")}}
# wrapt brings asyncio and ssl, and costs twice as much as all of ours.
costly = {{"wrapt", "asyncio", "ssl", "importlib.metadata", "mistralai", "pydantic", "httpx"}}
print(sorted(loaded & costly), len(loaded) < 30 or sorted(loaded))
"""
    assert fresh(program).stdout == "[] True\n"


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("None", ["patch"]),
        ("types.ModuleType('wrapt')", ["patch"]),
        ("types.SimpleNamespace(ObjectProxy=object)", ["unpatch", "patch"]),
    ],
    ids=["missing", "empty", "half"],
)
def test_a_broken_wrapt_is_told_once_and_the_calls_are_made(
    emulator: Emulator, broken: str, told: list[str]
) -> None:
    program = f"""
import sys
import threading
import types
from {PACKAGE} import instrument, uninstrument
sys.modules["wrapt"] = {broken}
instrument()
from {sdk.ROOT} import Mistral
client = Mistral(api_key="key", server_url=sys.argv[1])
print(len(list(client.beta.conversations.start_stream(inputs="Hello?", model="m"))) > 2)
print(client.chat.complete(model="m", messages=[{{"role": "user", "content": "Hello?"}}]).object)
uninstrument()
"""
    lines = "".join(rf"telemetry failed \({each} mistralai\): \w+Error at \S+\n" for each in told)
    assert fresh(program, emulator.url, says=lines).stdout == "True\nchat.completion\n"


def fresh(program: str, *arguments: str, says: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a program in a new interpreter; it must succeed, and say only what fits on stderr."""
    done = subprocess.run(  # noqa: S603 -- a program of ours
        [sys.executable, "-c", program, *arguments],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(says, done.stderr), done.stderr
    return done


def test_the_entry_point_loads_the_instrumentor() -> None:
    (entry,) = entry_points(group="opentelemetry_instrumentor", name="genai-mistralai")
    assert entry.load() is MistralAIInstrumentor


def test_the_instrumentor_and_the_functions_are_one_switch(
    client: Any, run: Run, recording: Recording
) -> None:
    MistralAIInstrumentor().uninstrument()
    run(client, "agent")
    assert recording.started == 0
    MistralAIInstrumentor().instrument(**recording.providers)
    run(client, "agent")
    assert recording.started == 1
    uninstrument()
    run(client, "agent")
    assert recording.started == 1


# What it refuses, and what it never does

WRONG: Final = [
    (TypeError, "tracer_provider", object()),
    (TypeError, "meter_provider", "global"),
    (TypeError, "logger_provider", 1),
    (TypeError, "capture_content", True),
    (TypeError, "redact", "***"),
    (TypeError, "request_hook", "hook"),
    (TypeError, "response_hook", ()),
    (TypeError, "record_chunk_times", 1),
    (TypeError, "session_spans", "no"),
    (ValueError, "capture_content", "everything"),
]


@pytest.mark.parametrize(("error", "name", "value"), WRONG)
@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
def test_a_bad_argument_is_named_and_changes_nothing(
    client: Any,
    run: Run,
    recording: Recording,
    error: type[Exception],
    name: str,
    value: object,
    *,
    on: bool,
) -> None:
    if not on:
        uninstrument()
    calls: list[Callable[..., None]] = [instrument, MistralAIInstrumentor().instrument]
    for call in calls:
        with pytest.raises(error, match=f"^{name} must be "):
            call(**{name: value})
    run(client, "agent")
    assert recording.started == len(recording.finished()) == (1 if on else 0)


def test_an_unknown_argument_is_a_typeerror_or_for_the_instrumentor_a_log_line(
    recording: Recording, first_time: None, no_log_records: list[logging.LogRecord]
) -> None:
    assert first_time is None
    assert recording.started == 0
    unchecked: Any = instrument
    with pytest.raises(TypeError, match="tracer_provder"):
        unchecked(tracer_provder=None)
    assert no_log_records == []
    MistralAIInstrumentor().instrument(tracer_provder=None, skip_dep_check=True)
    (record,) = no_log_records
    assert "tracer_provder" in record.getMessage()
    no_log_records.clear()


def test_what_cannot_be_patched_is_logged_and_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
    recording: Recording,
    first_time: None,
    no_log_records: list[logging.LogRecord],
) -> None:
    class Sealed(type):
        def __setattr__(cls, name: str, value: object) -> None:
            if name == "append_stream":
                raise TypeError("sealed")
            super().__setattr__(name, value)

    class Conversations(metaclass=Sealed):
        def start_stream(self) -> None:
            """Can be patched."""

        def append_stream(self) -> None:
            """Cannot."""

    assert first_time is None
    uninstrument()
    module: Any = ModuleType(sdk.CONVERSATIONS)
    module.Conversations = Conversations
    before = dict(vars(Conversations))
    monkeypatch.setitem(sys.modules, sdk.CONVERSATIONS, module)
    for switch_on in (instrument, MistralAIInstrumentor().instrument):
        switch_on(**recording.providers)
        assert dict(vars(Conversations)) == before
        uninstrument()
        (record,) = no_log_records
        assert "sealed" not in record.getMessage()
        assert "TypeError" in record.getMessage()
        no_log_records.clear()


@pytest.mark.parametrize(
    "absent",
    [
        suppress_instrumentation,
        lambda: _Under("suppress_language_model_instrumentation"),
    ],
    ids=["suppress_instrumentation", "suppress_language_model_instrumentation"],
)
def test_inside_a_suppressed_context_nothing_is_recorded(
    client: Any, run: Run, recording: Recording, absent: Callable[[], Any]
) -> None:
    with absent():
        run(client, "agent")
    assert recording.started == 0
    assert recording.metrics() == {}
    run(client, "agent")
    assert recording.the_span().name == "chat mistral-medium-latest"


class _Under:
    def __init__(self, key: str) -> None:
        self._token = context.attach(context.set_value(key, True))  # noqa: FBT003 -- OpenTelemetry

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        context.detach(self._token)


def test_threads_that_switch_at_once_leave_each_call_recorded_once(client: Any) -> None:
    made = Recording()
    together = threading.Barrier(6)

    def switch() -> None:
        together.wait()
        for _ in range(10):
            instrument(**made.providers)
            uninstrument()
        instrument(**made.providers)

    threads = [threading.Thread(target=switch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        # What the last of them did may be undone by the one before: once more, alone.
        instrument(**made.providers)
        read_sync(client, "web_search")
        assert [span.name for span in made.spans()] == [
            "execute_tool web_search",
            "chat mistral-medium-latest",
        ]
    finally:
        uninstrument()
    read_sync(client, "agent")
    assert made.started == 2


def test_no_primitive_that_a_late_gevent_patch_replaces_is_kept_from_the_import() -> None:
    # In a process of its own, in which nothing has been recorded.
    code = """
import gc, importlib, pkgutil, queue, sys, threading, time
import opentelemetry.instrumentation.genai.mistralai as ours
for found in pkgutil.iter_modules(ours.__path__, ours.__name__ + "."):
    if not found.name.endswith("__main__"):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as exc:
            # Of an extra, which is not there for each SDK.
            assert exc.name.startswith("opentelemetry.util"), exc
locks = tuple(type(make()) for make in (threading.Lock, threading.RLock, threading.Event))
kept = (*locks, threading.Condition, threading.Thread, queue.SimpleQueue, queue.Queue)
makers = (time.sleep, threading.Lock, threading.RLock, threading.Event, threading.Thread,
          queue.SimpleQueue, queue.Queue)
def unsafe(value, depth=3):
    if isinstance(value, kept) or any(value is maker for maker in makers):
        return True
    own = type(value).__module__.startswith(ours.__name__)
    return own and depth and any(unsafe(part, depth - 1) for part in vars(value).values())
held = [
    (name, attribute) for name, module in list(sys.modules.items())
    if name.startswith(ours.__name__) and module is not None
    for attribute, value in list(vars(module).items())
    if not isinstance(value, type) and hasattr(value, "__dict__") and unsafe(value)
    or isinstance(value, kept) or any(value is maker for maker in makers)
]
assert held == [], held
assert not [each for each in gc.callbacks if ours.__name__ in str(getattr(each, "__module__", ""))]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)  # noqa: S603 -- ours


def test_a_provider_that_is_set_after_a_call_gets_the_next(emulator: Emulator) -> None:
    source = "instrument(); list(start()); exporting('global'); list(start())"
    ran = run(source, emulator.url)
    assert (ran.stderr, ran.code) == ("", 0)
    assert [(span["outcome"], span["to"]) for span in ran.spans()] == [("completed", "global")]


@pytest.mark.parametrize("named", [True, False])
def test_a_provider_that_the_environment_names_is_there_at_the_first_call(
    emulator: Emulator, *, named: bool
) -> None:
    # The meter's: newer SDKs ask for the tracer's themselves.
    environment = {"OTEL_PYTHON_METER_PROVIDER": "sdk_meter_provider"} if named else {}
    source = """
        from opentelemetry.metrics import _internal
        instrument()
        list(start())
        emit(_internal._METER_PROVIDER is not None)
    """
    ran = run(dedented(source), emulator.url, **environment)
    assert (ran.stderr, ran.code, ran.said()[0]) == ("", 0, named)
