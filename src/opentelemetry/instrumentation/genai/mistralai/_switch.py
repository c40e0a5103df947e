# SPDX-License-Identifier: Apache-2.0
"""Switching on, changing and switching off: what `instrument` and the instrumentor share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any, Final

from . import _guard
from ._calls import Switch
from ._content import ContentMode, mode_from_environment
from ._patching import patch, unpatch

_OPT_IN: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
_lock: Final = RLock()
_LATEST: Final = "gen_ai_latest_experimental"


def is_on() -> bool:
    """Whether calls are recorded."""
    return Switch.telemetry is not None


def switch_on(options: Mapping[str, Any], *, check_versions: bool) -> None:
    """Switches instrumentation on, or changes what is named when it is on. Never raises."""
    try:
        with _lock:
            _switch_on(options, check_versions=check_versions)
    except Exception as exc:  # noqa: BLE001 -- it would stop every later instrumentor
        _guard.report("instrument", exc)


def _switch_on(options: Mapping[str, Any], *, check_versions: bool) -> None:
    if is_on():
        if options:
            Switch.turn_on(options)
        return
    _guard.forget()
    opted_in = [name.strip() for name in os.environ.get(_OPT_IN, "").split(",")]
    defaults = {"capture_content": mode_from_environment(), "latest": _LATEST in opted_in}
    Switch.turn_on({**defaults, **options})
    patch(check_versions=check_versions)


def switch_off() -> None:
    """Lets calls pass, and takes the wrappers out."""
    with _lock:
        if is_on():
            Switch.turn_off()
            unpatch()


def validated(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Checks the arguments of `instrument`, and leaves out those that are None.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: ``capture_content`` names no mode.
    """
    options: dict[str, Any] = {}
    for name, value in arguments.items():
        if name in _CHECKS:
            accepts, expected = _CHECKS[name]
            if value is not None and not accepts(value):
                raise TypeError(f"{name} must be {expected}, not {type(value).__name__}")
            if value is not None:
                options[name] = value
        elif name not in _OF_THE_BASE_CLASS:
            _guard.say_once("instrument() ignores the unknown argument %s", name)
    if "capture_content" in options:
        options["capture_content"] = _mode(options["capture_content"])
    return options


def _mode(value: str) -> ContentMode:
    try:
        return ContentMode(value.lower())
    except ValueError:
        modes = ", ".join(mode.value for mode in ContentMode)
        raise ValueError(f"capture_content must be one of {modes}, not {value!r}") from None


def _can(method: str) -> Callable[[Any], bool]:
    # By what it can do and not by class: tests and vendors have providers of their own.
    return lambda value: callable(getattr(value, method, None))


_OF_THE_BASE_CLASS: Final = ("skip_dep_check", "raise_exception_on_conflict")
_CHECKS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "tracer_provider": (_can("get_tracer"), "a TracerProvider"),
    "meter_provider": (_can("get_meter"), "a MeterProvider"),
    "logger_provider": (_can("get_logger"), "a LoggerProvider"),
    "capture_content": (lambda value: isinstance(value, str), "a ContentMode or its string"),
    "redact": (callable, "callable"),
    "request_hook": (callable, "callable"),
    "response_hook": (callable, "callable"),
    "record_chunk_times": (lambda value: isinstance(value, bool), "a bool"),
}
