# SPDX-License-Identifier: Apache-2.0
"""Checks the arguments of `instrument`, and fills in missing ones from the environment.

Each argument is checked here and nowhere else, before anything is patched. An argument that is
`UNCHANGED` keeps its earlier value; None goes back to the environment, or to the default.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import Any, Final, cast, get_args

from . import _environment, _log
from ._content.mode import ContentMode, mode_from_environment
from ._otel.completion_hook import hook_from_environment
from ._otel.configuration import InsideInference, MetricNames, Options


class Unchanged(Enum):
    """Gives `UNCHANGED` a type, for annotations."""

    UNCHANGED = "unchanged"

    def __repr__(self) -> str:
        return self.name


UNCHANGED: Final = Unchanged.UNCHANGED


def changed(options: Options | None, changes: Mapping[str, Any]) -> Options:
    """Returns the options with checked arguments applied.

    Args:
        options: the options so far; None when instrumentation is being switched on. The
            environment is read only then, and for an argument that is None.
        changes: what `checked` returned.
    """
    values = {
        name: getattr(_DEFAULTS, name) if value is None else value
        for name, value in changes.items()
    }
    for name, read in _FROM_ENVIRONMENT.items():
        if changes.get(name) is None and (options is None or name in changes):
            values[name] = read()
    return replace(options or _DEFAULTS, **values)


def checked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Checks the arguments of `instrument`, and leaves out those that are `UNCHANGED`.

    Raises:
        TypeError: an argument has the wrong type, or a hook could not be called.
        ValueError: an argument has none of the values that it may have.
    """
    changes: dict[str, Any] = {}
    for name, value in arguments.items():
        if name in _CHECKS:
            if value is not UNCHANGED:
                changes[name] = None if value is None else _CHECKS[name](name, value)
        elif name not in _OF_THE_BASE_CLASS:
            _log.say_once("instrument() ignores the unknown argument %s", name)
    return changes


def _provider(method: str, kind: str, name: str, value: Any) -> Any:
    # A check of the class would refuse the providers of tests and vendors.
    if not callable(getattr(value, method, None)):
        raise TypeError(f"{name} must be a {kind}, not {type(value).__name__}")
    return value


def _function(parameters: str, name: str, value: Any) -> Any:
    if not callable(value):
        raise TypeError(f"{name} must be callable, not {type(value).__name__}")
    names = parameters.split(", ")
    _check_call(name, f"{name}({parameters})", value, *names)
    return value


def _completion_hook(name: str, value: Any) -> Any:
    called = getattr(value, "on_completion", None)
    if not callable(called):
        raise TypeError(f"{name} must be an object with on_completion, not {type(value).__name__}")
    _check_call(name, f"{name}.on_completion(*, {', '.join(_ON_COMPLETION)})", called,
                **dict.fromkeys(_ON_COMPLETION))  # fmt: skip
    return value


def _check_call(name: str, signature: str, function: Any, *args: Any, **kwargs: Any) -> None:
    """Refuses a function that would fail at each call: async, or with other parameters."""
    if _is_async(function):
        raise TypeError(f"{name} must be called as {signature} and not be async")
    try:
        accepted = inspect.signature(function)
    except (TypeError, ValueError):
        # Built-in functions need not have a signature that can be read.
        return
    try:
        accepted.bind(*args, **kwargs)
    except TypeError as exc:
        raise TypeError(f"{name} must accept the call {signature}: {exc}") from None


def _is_async(function: Any) -> bool:
    while isinstance(function, partial):
        function = function.func
    called: Any = getattr(cast("type[object]", type(function)), "__call__", None)  # noqa: B004 -- the method itself is needed
    return any(
        inspect.iscoroutinefunction(made) or inspect.isasyncgenfunction(made)
        for made in (function, called)
    )


def _bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    return value


def _one_of(allowed: tuple[str, ...], name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    # lower() of a ContentMode is its value; str() of one differs between versions of Python.
    if (known := value.lower()) not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return known


def _mode(name: str, value: Any) -> ContentMode:
    return ContentMode(_one_of(tuple(mode.value for mode in ContentMode), name, value))


def _emit_event() -> bool | None:
    said = _environment.choice(
        _environment.EMIT_EVENT, ("true", "false"), "", "the event follows the capture of content"
    )
    return None if not said else said == "true"


def _session_spans() -> bool:
    said = _environment.choice(
        _environment.SESSION_SPANS, ("true", "false"), "true", "a realtime session is a span"
    )
    return said == "true"


_DEFAULTS: Final = Options()
_METRIC_NAMES: Final = get_args(MetricNames)
_INSIDE: Final = get_args(InsideInference)
_ON_COMPLETION: Final = (
    "inputs", "outputs", "system_instruction", "tool_definitions", "span", "log_record",
)  # fmt: skip
_OF_THE_BASE_CLASS: Final = ("skip_dep_check", "raise_exception_on_conflict")
_CHECKS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "tracer_provider": partial(_provider, "get_tracer", "TracerProvider"),
    "meter_provider": partial(_provider, "get_meter", "MeterProvider"),
    "logger_provider": partial(_provider, "get_logger", "LoggerProvider"),
    "capture_content": _mode,
    "redact": partial(_function, "text"),
    "request_hook": partial(_function, "span, kwargs"),
    "response_hook": partial(_function, "span, result"),
    "completion_hook": _completion_hook,
    "record_chunk_times": _bool,
    "metric_names": partial(_one_of, _METRIC_NAMES),
    "inside_inference": partial(_one_of, _INSIDE),
    "session_spans": _bool,
}
_FROM_ENVIRONMENT: Final[Mapping[str, Callable[[], Any]]] = {
    "capture_content": mode_from_environment,
    "completion_hook": hook_from_environment,
    "emit_event": _emit_event,
    "metric_names": partial(
        _environment.choice, _environment.METRIC_NAMES, _METRIC_NAMES, _DEFAULTS.metric_names,
        "metrics have the names of v1.41",
    ),
    "inside_inference": partial(
        _environment.choice, _environment.INSIDE_INFERENCE, _INSIDE, _DEFAULTS.inside_inference,
        "calls inside another library's inference span are adopted by it",
    ),
    "session_spans": _session_spans,
}  # fmt: skip
