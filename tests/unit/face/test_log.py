# SPDX-License-Identifier: Apache-2.0
"""The telemetry's own failures: one line for each kind; the caller's exceptions stay their own."""

from __future__ import annotations

import gc
import json
import logging
import traceback
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._log import (
    debug,
    forget,
    report,
    say_once,
)
from opentelemetry.instrumentation.genai.mistralai._otel.opt_in import run_hook
from opentelemetry.instrumentation.genai.mistralai._reading.requests import Request
from opentelemetry.instrumentation.genai.mistralai._recording.completions import CompletionRecorder
from opentelemetry.instrumentation.genai.mistralai._recording.conversation import (
    ConversationRecorder,
)
from opentelemetry.instrumentation.genai.mistralai._sdk.streams import leave, observe
from tests.support.fakes import PACKAGE, FakeCall, FakeClock

Lines = list[tuple[str, str, str]]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been reported in this process."""
    monkeypatch.setattr(f"{PACKAGE}._log._reported", set[tuple[str, str]]())


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def lines(log: pytest.LogCaptureFixture) -> Lines:
    return [(record.name, record.levelname, record.getMessage()) for record in log.records]


def raised(exc: Exception) -> Exception:
    try:
        raise exc
    except Exception as caught:  # noqa: BLE001 -- to have a traceback
        return caught


def test_a_report_names_class_and_place_and_repeats_no_text(
    log: pytest.LogCaptureFixture,
) -> None:
    exc = raised(ValueError("the user's words"))
    assert exc.__traceback__ is not None
    report("read an event", exc)
    place = f"{__file__}:{exc.__traceback__.tb_lineno}"
    message = f"telemetry failed (read an event): ValueError at {place}"
    assert lines(log) == [(PACKAGE, "WARNING", message)]
    assert [record.exc_info for record in log.records] == [None]


def test_the_place_is_where_it_was_raised_and_not_where_it_was_caught(
    log: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ValueError, match="Expecting value") as raised:
        json.loads("the user's words")
    report("x", raised.value)
    place = traceback.extract_tb(raised.value.__traceback__)[-1]
    message = f"telemetry failed (x): JSONDecodeError at {place.filename}:{place.lineno}"
    assert lines(log) == [(PACKAGE, "WARNING", message)]
    assert place.filename != __file__


def test_an_exception_that_was_never_raised_has_an_unknown_place(
    log: pytest.LogCaptureFixture,
) -> None:
    report("read an event", ValueError("the user's words"))
    message = "telemetry failed (read an event): ValueError at unknown place"
    assert lines(log) == [(PACKAGE, "WARNING", message)]


def test_each_kind_is_reported_once(log: pytest.LogCaptureFixture) -> None:
    for where in ("read an event", "end a stream"):
        for exc in (ValueError("1"), ValueError("2"), KeyError("3")):
            report(where, exc)
    assert [line[2].partition(" at ")[0] for line in lines(log)] == [
        "telemetry failed (read an event): ValueError",
        "telemetry failed (read an event): KeyError",
        "telemetry failed (end a stream): ValueError",
        "telemetry failed (end a stream): KeyError",
    ]


def test_a_hook_with_ever_new_classes_neither_floods_the_log_nor_fills_the_memory(
    log: pytest.LogCaptureFixture,
) -> None:
    for n in range(300):
        report("request_hook", type(f"Error{n}", (Exception,), {})())
    say_once("one more")
    assert len([record for record in log.records if record.name == PACKAGE]) == 256


def test_a_message_is_said_once_until_it_is_forgotten(log: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        say_once("%s is unknown", "a")
        say_once("%s is unknown", "b")
    forget()
    say_once("%s is unknown", "a")
    assert lines(log) == [
        (PACKAGE, "WARNING", "a is unknown"),
        (PACKAGE, "WARNING", "b is unknown"),
        (PACKAGE, "WARNING", "a is unknown"),
    ]


def test_debug_lines_are_not_counted(log: pytest.LogCaptureFixture) -> None:
    debug("dropped %s", 1)
    debug("dropped %s", 1)
    assert lines(log) == [(PACKAGE, "DEBUG", "dropped 1")] * 2


# Around the caller's stream


def observed(events: Iterator[object], fails: type[Exception] | None = None) -> Any:
    """A stream whose recorder fails at everything, or at nothing."""

    class Recorder:
        ended = False
        watch: object = None

        def see(self, _event: object) -> None:
            """As the real ones do."""

        def tell(self, *_: object) -> None:
            self.ended = fails is None
            if fails is not None:
                raise fails("the user's words")

        exhausted = failed = left = dropped = tell

    recorder: Any = Recorder()
    stream = SimpleNamespace(generator=events)
    observe(stream, recorder, recorder)
    return stream


def test_a_recorder_that_fails_never_fails_the_caller(log: pytest.LogCaptureFixture) -> None:
    stream = observed(iter([1, 2]), ArithmeticError)
    assert list(stream.generator) == [1, 2]
    leave(stream)
    assert [line[2].partition(" at ")[0] for line in lines(log)] == [
        f"telemetry failed ({what}): ArithmeticError" for what in ("end a stream", "leave a stream")
    ]


@pytest.mark.parametrize("kind", [ConversationRecorder, CompletionRecorder])
def test_an_event_that_cannot_be_read_is_the_callers_all_the_same(
    kind: Any, log: pytest.LogCaptureFixture
) -> None:
    call = FakeCall(FakeClock(), Request("chat", {}), clean=str)
    kind(call).see(object())
    wheres = {line[2].partition(" at ")[0] for line in lines(log)}
    assert "telemetry failed (read an event): AttributeError" in wheres
    assert {line[1] for line in lines(log)} == {"WARNING"}


def outcome_of(generator: Any) -> BaseException:
    try:
        try:
            raise LookupError
        except LookupError:
            next(generator)
    except BaseException as exc:  # noqa: BLE001 -- as the caller has it
        return exc
    raise AssertionError


def failing() -> Iterator[object]:
    try:
        raise KeyError
    except KeyError as exc:
        raise ValueError from exc
    yield


@pytest.mark.parametrize("fails", [None, RuntimeError])
def test_an_exception_has_its_cause_context_and_frames_as_without_us(
    fails: type[Exception] | None,
) -> None:
    seen = outcome_of(observed(failing(), fails).generator)
    cause = seen.__cause__
    assert (type(seen), type(cause), seen.__context__) == (ValueError, KeyError, cause)
    assert cause is not None
    assert type(cause.__context__) is LookupError
    assert cause.__context__.__context__ is None
    frames = [frame.name for frame in traceback.extract_tb(seen.__traceback__)]
    assert frames == ["outcome_of", "__next__", "failing"]


class WatchedError(Exception):
    """An exception that can be referred to weakly."""


def raising(exc: Exception) -> Iterator[object]:
    yield 1
    raise exc


def test_no_reference_to_the_callers_exception_is_kept() -> None:
    exc = WatchedError()
    gone = weakref.ref(exc)
    stream = observed(raising(exc))
    assert next(stream.generator) == 1
    with pytest.raises(WatchedError):
        next(stream.generator)
    del exc
    gc.collect()
    assert gone() is None


def test_a_report_keeps_nothing_of_the_callers_frames(log: pytest.LogCaptureFixture) -> None:
    class Stream:
        pass

    def hook(*_: object) -> None:
        raise OSError

    def call() -> weakref.ref[Stream]:
        run_hook("request_hook(span, kwargs)", hook, None, {})
        # As the wrapper around the SDK's method has it, after the hook was called.
        stream = Stream()
        return weakref.ref(stream)

    gc.collect()
    gc.disable()
    try:
        assert [call()() for _ in range(3)] == [None] * 3
    finally:
        gc.enable()
    assert len(lines(log)) == 1
