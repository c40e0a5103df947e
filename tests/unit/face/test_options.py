# SPDX-License-Identifier: Apache-2.0
"""The arguments of `instrument`: what each may be, what None means, what a variable decides."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator
from dataclasses import fields
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest

from opentelemetry.instrumentation.genai.mistralai import (
    UNCHANGED,
    ContentMode,
    instrument,
)
from opentelemetry.instrumentation.genai.mistralai import (
    _options as options,  # pyright: ignore[reportPrivateUsage] -- the module under test
)
from opentelemetry.instrumentation.genai.mistralai._otel.configuration import Options
from tests.support.fakes import PACKAGE

METRIC_NAMES = "OTEL_INSTRUMENTATION_GENAI_MISTRALAI_METRIC_NAMES"
INSIDE = "OTEL_INSTRUMENTATION_GENAI_MISTRALAI_INSIDE_INFERENCE"
SESSIONS = "OTEL_INSTRUMENTATION_GENAI_MISTRALAI_SESSION_SPANS"
EMIT = "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
ADOPTED = "calls inside another library's inference span are adopted by it"
SIGNATURES = {
    "redact": "redact(text)",
    "request_hook": "request_hook(span, kwargs)",
    "response_hook": "response_hook(span, result)",
    "completion_hook": (
        "completion_hook.on_completion(*, inputs, outputs, system_instruction, tool_definitions,"
        " span, log_record)"
    ),
}


@pytest.fixture(autouse=True)
def log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> pytest.LogCaptureFixture:
    """Nothing has been logged yet, and no variable is set."""
    monkeypatch.setattr(f"{PACKAGE}._log._reported", set[tuple[str, str]]())
    for variable in (METRIC_NAMES, INSIDE, SESSIONS, EMIT, CAPTURE):
        monkeypatch.delenv(variable, raising=False)
    caplog.set_level(logging.DEBUG)
    return caplog


def test_options_arguments_and_checks_are_the_same_names() -> None:
    of_options = [field.name for field in fields(Options)]
    arguments = inspect.signature(instrument).parameters
    assert {*arguments, "emit_event"} == set(of_options)
    assert vars(options)["_CHECKS"].keys() == arguments.keys()
    assert {parameter.default for parameter in arguments.values()} == {UNCHANGED}
    assert repr(UNCHANGED) == "UNCHANGED"
    documented = inspect.getdoc(instrument) or ""
    assert all(f"    {name}: " in documented for name in arguments)


# Functions


async def _coroutine(*_args: Any, **_kwargs: Any) -> None:
    """Would never be awaited."""


async def _generator(*_args: Any, **_kwargs: Any) -> AsyncIterator[None]:
    yield None


class _Asynchronous:
    async def __call__(self, *args: Any, **kwargs: Any) -> None:
        """As above."""

    async def method(self, *args: Any, **kwargs: Any) -> None:
        """As above."""

    async def generator(self, *_args: Any, **_kwargs: Any) -> AsyncIterator[None]:
        yield None


ASYNC: dict[str, Any] = {
    "function": _coroutine,
    "generator": _generator,
    "partial": partial(_coroutine, 1),
    "partial of a partial": partial(partial(_generator), key=1),
    "object": _Asynchronous(),
    "partial of an object": partial(_Asynchronous(), 1),
    "method": _Asynchronous().method,
    "generator method": _Asynchronous().generator,
    "lambda in a class": type("Own", (), {"__call__": partial(_coroutine, 1)})(),
}


def as_argument(name: str, function: Any) -> Any:
    """The function as a hook, or as the method of a completion hook."""
    return Mock(spec_set=["on_completion"], on_completion=function) if "comp" in name else function


@pytest.mark.parametrize("function", ASYNC.values(), ids=ASYNC)
@pytest.mark.parametrize("name", SIGNATURES)
def test_what_is_async_is_refused_with_the_right_signature(name: str, function: Any) -> None:
    with pytest.raises(TypeError) as refused:
        options.checked({name: as_argument(name, function)})
    assert str(refused.value) == (f"{name} must be called as {SIGNATURES[name]} and not be async")


def _nothing() -> str:
    return ""


def _keyword(*, other: str) -> str:
    return other


def _three(one: str, two: str, three: str) -> str:
    return one + two + three


def _two(one: object, two: object = None) -> object:
    return one or two


def _any(*args: object) -> object:
    return args


class _Made:
    def __init__(self, one: str, two: str, three: str) -> None:
        """Takes as many as no hook is given."""


WRONG: dict[str, Any] = {
    "none": _nothing,
    "keyword only": _keyword,
    "one too many": _three,
    "bound": partial(_two, 1, 2),
    "class": _Made,
}


@pytest.mark.parametrize("function", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("name", SIGNATURES)
def test_what_takes_other_parameters_is_refused_with_the_right_signature(
    name: str, function: Any
) -> None:
    with pytest.raises(TypeError) as refused:
        options.checked({name: as_argument(name, function)})
    assert str(refused.value).startswith(f"{name} must accept the call {SIGNATURES[name]}: ")


RIGHT: list[tuple[str, Any]] = [
    ("redact", str.upper), ("redact", str), ("redact", _two), ("redact", Mock()),
    ("request_hook", print), ("request_hook", _two), ("request_hook", _any),
    ("response_hook", partial(print, "x")), ("response_hook", max),
    ("response_hook", Mock(spec=print)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "function"), RIGHT)
def test_what_can_be_called_passes_also_without_a_signature_that_can_be_read(
    name: str, function: Any
) -> None:
    assert options.checked({name: function}) == {name: function}


class _Hook:
    def on_completion(self, *, inputs: Any, outputs: Any, **_rest: Any) -> None:
        """Takes all that it is given."""


def test_a_completion_hook_is_an_object() -> None:
    hook = _Hook()
    assert options.checked({"completion_hook": hook}) == {"completion_hook": hook}
    for wrong in (_Hook, print, "upload", object()):
        with pytest.raises(TypeError, match=r"^completion_hook must "):
            options.checked({"completion_hook": wrong})


# Values


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("metric_names", "latest", "latest"), ("metric_names", "V1.41", "v1.41"),
        ("inside_inference", "record", "record"), ("inside_inference", "Adopt", "adopt"),
        ("capture_content", "Span_Only", ContentMode.SPAN_ONLY),
        ("capture_content", ContentMode.EVENT_ONLY, ContentMode.EVENT_ONLY),
        ("record_chunk_times", True, True), ("session_spans", False, False),
    ],
)  # fmt: skip
def test_a_value_may_have_any_case(name: str, value: Any, kept: Any) -> None:
    assert options.checked({name: value}) == {name: kept}


@pytest.mark.parametrize(
    ("name", "value", "error", "named"),
    [
        ("metric_names", "newest", ValueError, "v1.41, latest"),
        ("metric_names", 1.41, TypeError, "string"),
        ("inside_inference", "ignore", ValueError, "adopt, record"),
        ("inside_inference", True, TypeError, "string"),
        ("capture_content", "true", ValueError, "no_content, span_only"),
        ("record_chunk_times", "yes", TypeError, "bool"),
        ("session_spans", "false", TypeError, "bool"),
    ],
)
def test_another_value_is_refused_with_those_that_are_allowed(
    name: str, value: Any, error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=f"^{name} must be .*{named}"):
        options.checked({name: value})


def test_unchanged_is_left_out_and_none_is_kept() -> None:
    given = {"redact": UNCHANGED, "request_hook": None, "metric_names": "latest"}
    assert options.checked(given) == {"request_hook": None, "metric_names": "latest"}


# Changes, and the environment


def test_none_goes_back_to_the_default_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "redact": str.upper, "request_hook": print, "response_hook": print,
        "completion_hook": _Hook(), "tracer_provider": Mock(), "meter_provider": Mock(),
        "logger_provider": Mock(), "record_chunk_times": True, "metric_names": "latest",
        "inside_inference": "record", "capture_content": ContentMode.SPAN_ONLY,
        "session_spans": False,
    }  # fmt: skip
    all_given = options.changed(None, options.checked(given))
    assert {name: getattr(all_given, name) for name in given} == given
    assert options.changed(all_given, {}) == all_given
    assert options.changed(all_given, dict.fromkeys(given)) == Options()
    monkeypatch.setenv(CAPTURE, "event_only")
    monkeypatch.setenv(METRIC_NAMES, " Latest ")
    monkeypatch.setenv(INSIDE, "RECORD")
    monkeypatch.setenv(SESSIONS, "False")
    assert options.changed(all_given, dict.fromkeys(given)) == Options(
        capture_content=ContentMode.EVENT_ONLY, metric_names="latest", inside_inference="record",
        session_spans=False,
    )  # fmt: skip


def test_a_session_is_a_span_unless_the_variable_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    for value, kept in (("", True), ("true", True), (" FALSE ", False), ("no", True)):
        monkeypatch.setenv(SESSIONS, value)
        assert options.changed(None, {}).session_spans is kept
    assert [record.getMessage() for record in log.records] == [
        f"{SESSIONS}=no is none of true, false: a realtime session is a span"
    ]


def test_the_environment_is_read_when_switching_on_and_then_only_where_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(METRIC_NAMES, "latest")
    first = options.changed(None, {})
    assert first == Options(metric_names="latest")
    monkeypatch.setenv(METRIC_NAMES, "v1.41")
    monkeypatch.setenv(CAPTURE, "span_only")
    later = options.changed(first, {"record_chunk_times": True, "capture_content": None})
    assert later == Options(
        metric_names="latest", record_chunk_times=True, capture_content=ContentMode.SPAN_ONLY
    )
    assert options.changed(None, {"metric_names": "latest"}).metric_names == "latest"


@pytest.mark.parametrize(
    ("variable", "allowed", "consequence"),
    [
        (METRIC_NAMES, "v1.41, latest", "metrics have the names of v1.41"),
        (
            INSIDE,
            "adopt, record",
            "calls inside another library's inference span are adopted by it",
        ),
        (EMIT, "true, false", "the event follows the capture of content"),
        (
            CAPTURE,
            "no_content, span_only, event_only, span_and_event",
            "content is not captured",
        ),
    ],
)
@pytest.mark.parametrize("value", ["yes", "1", "x" * 1000])
def test_an_unknown_value_in_a_variable_is_one_warning_and_the_default(
    monkeypatch: pytest.MonkeyPatch,
    log: pytest.LogCaptureFixture,
    variable: str,
    allowed: str,
    consequence: str,
    value: str,
) -> None:
    monkeypatch.setenv(variable, value)
    assert [options.changed(None, {}) for _ in range(2)] == [Options()] * 2
    assert [(record.levelname, record.getMessage()) for record in log.records] == [
        ("WARNING", f"{variable}={value[:64]} is none of {allowed}: {consequence}")
    ]


@pytest.mark.parametrize(
    ("value", "emits"), [("true", True), ("False ", False), ("", None), (" ", None)]
)
def test_whether_an_event_is_emitted_is_the_environments_to_say(
    monkeypatch: pytest.MonkeyPatch, value: str, emits: bool | None
) -> None:
    monkeypatch.setenv(EMIT, value)
    assert options.changed(None, {}).emit_event is emits
