# SPDX-License-Identifier: Apache-2.0
"""Switches instrumentation on and off, and changes it, for `instrument` and the instrumentor.

There is no lock: one that was made at import is still the native one after a late
``gevent.monkey.patch_all()``, and a greenlet that waits for it stops all greenlets. If two threads
switch at once, the last one wins, and `patching` puts each wrapper in once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _log
from ._options import changed
from ._otel.telemetry import Switch
from ._sdk.patching import patch, unpatch


def is_on() -> bool:
    """Returns whether calls are recorded."""
    return Switch.telemetry is not None


def switch_on(changes: Mapping[str, Any], *, check_versions: bool) -> None:
    """Switches instrumentation on, or changes the given arguments if it is on; it never raises.

    Args:
        changes: the arguments, as `_options.checked` returned them.
        check_versions: whether to leave an unsupported SDK alone, with a log line.
    """
    try:
        _switch_on(changes, check_versions=check_versions)
    except Exception as exc:  # noqa: BLE001 -- raising would stop every later instrumentor
        _log.report("instrument", exc)


def _switch_on(changes: Mapping[str, Any], *, check_versions: bool) -> None:
    telemetry = Switch.telemetry
    if telemetry is not None:
        if changes:
            Switch.turn_on(changed(telemetry.options, changes))
        return
    _log.forget()
    Switch.turn_on(changed(None, changes))
    patch(check_versions=check_versions)


def switch_off() -> None:
    """Lets calls pass, and takes the wrappers out."""
    if is_on():
        Switch.turn_off()
        unpatch()
