# SPDX-License-Identifier: Apache-2.0
"""Switching on, changing and switching off: what `instrument` and the instrumentor share.

There is no lock: one that was made at import is the native one after a late
``gevent.monkey.patch_all()``, and whoever waits for it stops all greenlets. Of two threads that
switch at once the last one wins, and `patching` puts each wrapper in once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _log
from ._options import changed
from ._otel.telemetry import Switch
from ._sdk.patching import patch, unpatch


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
        _switch_on(changes, check_versions=check_versions)
    except Exception as exc:  # noqa: BLE001 -- it would stop every later instrumentor
        _log.report("instrument", exc)


def _switch_on(changes: Mapping[str, Any], *, check_versions: bool) -> None:
    telemetry = Switch.telemetry
    if telemetry is not None:
        if changes:
            Switch.turn_on({"options": changed(telemetry.options, changes)})
        return
    _log.forget()
    Switch.turn_on({"options": changed(None, changes)})
    patch(check_versions=check_versions)


def switch_off() -> None:
    """Lets calls pass, and takes the wrappers out."""
    if is_on():
        Switch.turn_off()
        unpatch()
