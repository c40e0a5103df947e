# SPDX-License-Identifier: Apache-2.0
"""Switching on, changing and switching off: what `instrument` and the instrumentor share."""

from __future__ import annotations

from collections.abc import Mapping
from threading import RLock
from typing import Any, Final

from . import _guard
from ._calls import Switch
from ._options import changed
from ._patching import patch, unpatch

_lock: Final = RLock()


def is_on() -> bool:
    """Whether calls are recorded."""
    return Switch.telemetry is not None


def switch_on(changes: Mapping[str, Any], *, check_versions: bool) -> None:
    """Switches instrumentation on, or changes what is named when it is on. Never raises.

    Args:
        changes: arguments that `_options.checked` has checked.
        check_versions: whether to leave an unsupported SDK alone, with a log line.
    """
    try:
        with _lock:
            _switch_on(changes, check_versions=check_versions)
    except Exception as exc:  # noqa: BLE001 -- it would stop every later instrumentor
        _guard.report("instrument", exc)


def _switch_on(changes: Mapping[str, Any], *, check_versions: bool) -> None:
    telemetry = Switch.telemetry
    if telemetry is not None:
        if changes:
            Switch.turn_on({"options": changed(telemetry.options, changes)})
        return
    _guard.forget()
    Switch.turn_on({"options": changed(None, changes)})
    patch(check_versions=check_versions)


def switch_off() -> None:
    """Lets calls pass, and takes the wrappers out."""
    with _lock:
        if is_on():
            Switch.turn_off()
            unpatch()
