# SPDX-License-Identifier: Apache-2.0
"""Puts wrappers around the SDK's methods with wrapt, and takes them out again.

This package does not import the SDK (that costs 0.4 to 0.9 s): `imports` reports when its modules
are imported. A module is patched whole or not at all, and again when it is reloaded; a method that
an SDK version lacks is skipped silently. Only weak references are kept to classes that a reload has
replaced: code that still uses them is recorded as before, and otherwise they are freed.

There is no lock, because a late gevent patch could leave it held. A patching thread first notes
what it is about to patch, and looks afterwards whether instrumentation is still on; an unpatching
thread first switches it off, and then looks at what is patched. So one of the two takes each
wrapper out.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final

from .. import _log
from .._otel.open_calls import open_calls
from .connections import CONNECTIONS
from .imports import ImportWatch
from .table import MODULES, ROOTS, STREAMS
from .versions import conflict

if TYPE_CHECKING:
    from .patches import Patch
    from .table import AnyRow

# The wrappers of these modules tell open streams and sessions that they end.
_NEEDED_TO_END: Final = (*STREAMS, *CONNECTIONS)
_NAMES: Final = [f"{root}.{module}" for root in ROOTS for module in MODULES]


# A module's patches include those of the classes that it had before it was reloaded.
_patches: Final[dict[str, list[Patch]]] = {}
# Each row of the table has one copy here; `is_unwanted` tells our wrappers from older ones by it. A
# method and its async twin share a copy, because one may be called inside the other.
_copies: Final[dict[AnyRow, AnyRow]] = {}
_active = False
_check_versions = False
# Each root is checked by itself, because the SDK's other clients have versions of their own.
_supported: Final[dict[str, bool]] = {}


def patch(*, check_versions: bool) -> None:
    """Wraps the SDK's methods, in modules that are loaded now or imported later.

    Args:
        check_versions: whether to leave an unsupported SDK alone, with a log line.
    """
    global _active, _check_versions
    _active, _check_versions = True, check_versions
    _supported.clear()
    _copies.clear()
    _watch.begin()
    for name in _NAMES:
        if name in sys.modules:
            # This waits for a thread that is importing the module: half of it would be patched.
            importlib.import_module(name)
            _on_import(sys.modules[name])


def unpatch() -> None:
    """Takes our wrappers out where they are outermost.

    Beneath another library's wrapper, and in a bound method that was saved earlier, ours stays and
    passes every call through; the next `patch` finds it there.
    """
    global _active  # noqa: PLW0603 -- the switch is one for the process
    _active = False
    _watch.end()
    for name, patches in list(_patches.items()):
        # Open streams still need the wrapper of `__exit__`: without it they would not learn that
        # their ``with`` block ends.
        if not (name.endswith(_NEEDED_TO_END) and open_calls.any()):
            _undo(patches)


def _on_import(module: ModuleType) -> None:
    """Patches a module that has been imported, and its classes from before a reload."""
    if not _active:
        return
    name = module.__name__
    known = [patch for patch in _patches.get(name, ()) if patch.owner is not None]
    try:
        if _check_versions and not _is_supported(name):
            return
        # Not before the SDK is imported: see there.
        from .targets import patches_of

        have = {(id(patch.owner), patch.name) for patch in known}
        found = patches_of(module, _own)
        known += [patch for patch in found if (id(patch.owner), patch.name) not in have]
        _patches[name] = known
        for patch in known:
            patch.put_in()
    except Exception as exc:  # noqa: BLE001 -- raising would break the user's import
        _undo(known)
        _patches.pop(name, None)
        # Without the module's name: what is wrong with wrapt is wrong with each of 40 modules.
        _log.report("patch mistralai", exc)
    if not _active:
        _undo(known)


def _is_supported(module: str) -> bool:
    # The check reads packages' metadata from files. At instrument() it would cost as much as all
    # the rest; at the SDK's import, which costs more, it runs once for all modules of a client.
    root = next(root for root in reversed(ROOTS) if module.startswith(f"{root}."))
    if root not in _supported:
        if (found := conflict(root)) is not None:
            _log.say_once("mistralai is not instrumented: %s", found)
        _supported[root] = found is None
    return _supported[root]


def _own(row: AnyRow) -> AnyRow:
    return _copies.setdefault(row, row._replace())


def _undo(patches: list[Patch]) -> None:
    for patch in patches:
        try:
            patch.take_out()
        except Exception as exc:  # noqa: BLE001 -- the other wrappers must go, too
            _log.report("unpatch mistralai", exc)


_watch: Final = ImportWatch(_NAMES, _on_import)
