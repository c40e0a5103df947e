# SPDX-License-Identifier: Apache-2.0
"""Reports whether the installed SDK is supported, and whether its methods are patched."""

from __future__ import annotations

import importlib
import logging
import platform
from enum import Enum, auto
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.dependencies import get_dependency_conflicts

from .. import instrument, uninstrument
from .._names import SCOPE
from .._sdk.calls import Method
from .._sdk.table import LOOPS, METHODS, ROOTS, SESSIONS, is_meant
from ..package import _instruments  # pyright: ignore[reportPrivateUsage] -- OpenTelemetry's name
from ..version import __version__

if TYPE_CHECKING:
    from .report import Report

_NEEDED: Final = ("opentelemetry-api", "opentelemetry-instrumentation", "wrapt")
_SUPPORTED: Final = _instruments[0].replace(" ", "")
_OURS: Final = ("mistralai", "mistralai.client")
# The SDK imports websockets for these, which one of its extras installs.
_SESSIONS: Final = frozenset(f"{row.module}.{row.method}" for row in SESSIONS)


class _State(Enum):
    """Names the state of a method."""

    PATCHED = auto()
    UNPATCHED = auto()
    ABSENT = auto()


def installed(distribution: str) -> str | None:
    """Returns the version of a distribution; None if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def check_versions(report: Report) -> None:
    """Reports which versions are installed, and whether they are compatible."""
    report.section("Versions")
    report.good(f"Python {platform.python_version()}")
    report.good(f"opentelemetry-instrumentation-genai-mistralai {__version__}")
    for name in _NEEDED:
        report.good(f"{name} {installed(name) or '(version unknown)'}")
    if (sdk := installed("opentelemetry-sdk")) is not None:
        report.good(f"opentelemetry-sdk {sdk}")
    else:
        report.problem(
            "opentelemetry-sdk is not installed: without it nothing is recorded",
            "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http",
        )
    conflict = get_dependency_conflicts(_instruments)
    if (mistralai := installed("mistralai")) is None:
        report.problem("mistralai is not installed", f"pip install '{_SUPPORTED}'")
    elif conflict is None:
        report.good(f"mistralai {mistralai}, which is supported")
    else:
        report.problem(
            f"mistralai {mistralai} is not supported: it is not instrumented",
            f"pip install '{_SUPPORTED}'",
        )
    if (util := installed("opentelemetry-util-genai")) is not None:
        report.good(f"opentelemetry-util-genai {util}")
    else:
        report.note("opentelemetry-util-genai is not installed; only a completion hook needs it")


def check_patches(report: Report) -> None:
    """Switches instrumentation on, imports the SDK, and reports the state of its methods."""
    report.section("The methods of mistralai")
    failures = _Failures()
    logger = logging.getLogger(SCOPE)
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(failures)
    try:
        instrument()
        _look(report)
        for message in failures.messages:
            report.problem(message, "report this line with the versions above")
    finally:
        uninstrument()
        logger.removeHandler(failures)
        logger.propagate = propagated


def _look(report: Report) -> None:
    for roots in (_OURS, *((root,) for root in ROOTS if root not in _OURS)):
        states = _states(roots)
        named = {state: [name for name, its in states if its is state] for state in _State}
        where = "" if roots == _OURS else f" in {roots[0]}"
        if patched := named[_State.PATCHED]:
            report.good(f"Patched{where}, async twins included: {', '.join(patched)}")
        if unpatched := named[_State.UNPATCHED]:
            report.problem(
                f"There{where} and not patched: {', '.join(unpatched)}",
                f"install a supported version: pip install '{_SUPPORTED}'",
            )
        if roots != _OURS:
            continue
        if not (patched or unpatched):
            report.problem(
                "No method of mistralai was found: it cannot be imported",
                f"pip install '{_SUPPORTED}', and try: python -c 'import mistralai'",
            )
        elif absent := named[_State.ABSENT]:
            sessions = [name for name in absent if name in _SESSIONS]
            if missing := [name for name in absent if name not in _SESSIONS]:
                report.note(
                    "Only in other versions of mistralai, often under another name:"
                    f" {', '.join(missing)}"
                )
            if sessions:
                report.note(
                    f"Not there: {', '.join(sessions)}. Realtime sessions need: pip install"
                    " 'mistralai[realtime]'; transcription came with 1.12, speech with 3.6"
                )


def _states(roots: tuple[str, ...]) -> list[tuple[str, _State]]:
    """Returns each method and its state; an async twin is listed only if its state differs."""
    states: list[tuple[str, _State]] = []
    for row in (*METHODS, *LOOPS, *SESSIONS):
        found = [getattr(module, row.cls, None) for module in _modules(roots, row.module)]
        classes = [cls for cls in found if not isinstance(row, Method) or is_meant(cls, row)]
        own = _state(classes, row.method)
        states.append((f"{row.module}.{row.method}", own))
        twin = _state(classes, f"{row.method}_async") if row in METHODS else own
        if twin is not own:
            states.append((f"{row.module}.{row.method}_async", twin))
    return states


def _state(classes: list[Any], method: str) -> _State:
    methods: list[Any] = [
        vars(cls)[method] for cls in classes if cls is not None and method in vars(cls)
    ]
    if not methods:
        return _State.ABSENT
    return _State.PATCHED if all(map(_is_ours, methods)) else _State.UNPATCHED


def _modules(roots: tuple[str, ...], name: str) -> list[ModuleType]:
    modules: list[ModuleType] = []
    for root in roots:
        try:
            modules.append(importlib.import_module(f"{root}.{name}"))
        except Exception:  # noqa: BLE001, S112 -- this SDK line has no such module
            continue
    return modules


def _is_ours(method: Any) -> bool:
    """Returns whether a wrapper of ours is around a method, even beneath others."""
    while method is not None:
        wrapper = getattr(method, "_self_wrapper", None)
        if type(wrapper).__module__.startswith(SCOPE):
            return True
        method = getattr(method, "__wrapped__", None)
    return False


class _Failures(logging.Handler):
    """Keeps the log lines of instrumentation about methods that it cannot patch."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # Variables with unknown values are reported in their own section.
        if not record.getMessage().startswith("OTEL_"):
            self.messages.append(record.getMessage())
