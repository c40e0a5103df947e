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
import inspect
import sys
from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import Any, Final
from weakref import ref

from .. import _log
from .._otel.open_calls import open_calls
from .batches import wrap_get_job, wrap_output_line
from .calls import Method, wrap_async_call, wrap_call
from .connections import CONNECTIONS, connection_targets
from .imports import ImportWatch
from .loops import Loop
from .own_spans import wrap_after_success, wrap_before_request, wrap_traced_request
from .patches import Make, Patch, quiet_trace, quiet_tracer, wrapped_by
from .realtime import Session
from .streams import stream_classes, wrap_async_exit, wrap_exit
from .table import BATCHES, JOBS, LOOPS, METHODS, ROOTS, SESSIONS
from .tools import wrap_tool
from .versions import conflict

_STREAMS: Final = {
    "utils.eventstreaming": ("EventStream", "EventStreamAsync"),
    "utils.jsonl": ("JsonLStream", "JsonLStreamAsync"),
}
_TRACING: Final = "_hooks.tracing"
_CONVERSATIONS: Final = "conversations"
_LOOPS: Final = "extra.run.context"
_TOOLS: Final = "extra.run.tools"
_BATCHES: Final = "extra.batch.client"
_MODULES: Final = dict.fromkeys([
    *_STREAMS, *(method.module for method in METHODS), _TRACING, _LOOPS, _TOOLS, _BATCHES,
    *CONNECTIONS, *(session.module for session in SESSIONS),
])  # fmt: skip
# The wrappers of these modules tell open streams and sessions that they end.
_NEEDED_TO_END: Final = (*_STREAMS, *CONNECTIONS)
_NAMES: Final = [f"{root}.{module}" for root in ROOTS for module in _MODULES]


# A module's patches include those of the classes that it had before it was reloaded.
_patches: Final[dict[str, list[Patch]]] = {}
# Each row of the table has one copy here; `is_unwanted` tells our wrappers from older ones by it. A
# method and its async twin share a copy, because one may be called inside the other.
_copies: Final[dict[Method | Loop | Session, Method | Loop | Session]] = {}
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
    if not (_active and _has_wrapt()):
        return
    name = module.__name__
    known = [patch for patch in _patches.get(name, ()) if patch.owner is not None]
    try:
        if _check_versions and not _is_supported(name):
            return
        have = {(id(patch.owner), patch.name) for patch in known}
        for owner, attribute, make in _targets(module):
            if (id(owner), attribute) not in have:
                known.append(Patch(owner, attribute, make))
        _patches[name] = known
        for patch in known:
            patch.put_in()
    except Exception as exc:  # noqa: BLE001 -- raising would break the user's import
        _undo(known)
        _patches.pop(name, None)
        _log.report(f"patch {name}", exc)
    if not _active:
        _undo(known)


def _has_wrapt() -> bool:
    # Asked here, a broken installation of it is one log line, and not one for each method.
    try:
        importlib.import_module("wrapt")
    except ImportError as exc:
        _log.say_once("mistralai is not instrumented: %s", exc)
        return False
    return True


def _is_supported(module: str) -> bool:
    # The check reads packages' metadata from files. At instrument() it would cost as much as all
    # the rest; at the SDK's import, which costs more, it runs once for all modules of a client.
    root = next(root for root in reversed(ROOTS) if module.startswith(f"{root}."))
    if root not in _supported:
        if (found := conflict(root)) is not None:
            _log.say_once("mistralai is not instrumented: %s", found)
        _supported[root] = found is None
    return _supported[root]


def _targets(module: ModuleType) -> Iterator[tuple[Any, str, Make]]:
    """Yields the owner and name of each function to replace in a module, and its `Make`."""
    for owner, name, make in _candidates(module):
        if owner is not None and name in vars(owner):
            yield owner, name, make


def _candidates(module: ModuleType) -> Iterator[tuple[Any, str, Make]]:
    name = module.__name__
    if (streams := _streams_of(name)) is not None:
        stream, async_stream = (getattr(module, each, None) for each in streams)
        kinds = (cls for cls in (stream, async_stream) if cls is not None)
        # The callback removes the reference of a class that was freed: the set would grow.
        stream_classes.update(ref(cls, stream_classes.discard) for cls in kinds)
        yield stream, "__exit__", wrapped_by(wrap_exit)
        yield stream, "close", wrapped_by(wrap_exit)
        yield async_stream, "__aexit__", wrapped_by(wrap_async_exit)
        yield async_stream, "close", wrapped_by(wrap_async_exit)
    elif name.endswith(f".{_TRACING}"):
        hook = getattr(module, "TracingHook", None)
        yield hook, "before_request", wrapped_by(wrap_before_request)
        yield hook, "after_success", wrapped_by(wrap_after_success)
        yield module, "get_traced_request_and_span", wrapped_by(wrap_traced_request)
    elif name.endswith(f".{_LOOPS}"):
        yield module, "create_function_result", wrapped_by(wrap_tool)
    elif name.endswith(f".{_TOOLS}"):
        yield module, "trace", quiet_trace
    elif name.endswith(f".{_BATCHES}"):
        yield module, "_parse_output_obj", wrapped_by(wrap_output_line)
    elif name.endswith(f".{_CONVERSATIONS}"):
        yield module, "tracer", quiet_tracer
    yield from _rows(name, module)


def _rows(name: str, module: ModuleType) -> Iterator[tuple[Any, str, Make]]:
    for method in METHODS:
        if name.endswith(f".{method.module}"):
            cls = getattr(module, method.cls, None)
            if not is_meant(cls, method):
                continue
            own = partial(_own, method)
            yield cls, method.method, wrapped_by(wrap_call, own)
            yield cls, f"{method.method}_async", wrapped_by(wrap_async_call, own)
    for row in (*LOOPS, *BATCHES, *SESSIONS):
        if name.endswith(f".{row.module}"):
            cls = getattr(module, row.cls, None)
            yield cls, row.method, wrapped_by(wrap_async_call, partial(_own, row))
    for suffix, class_name in JOBS:
        cls = getattr(module, class_name, None) if name.endswith(f".{suffix}") else None
        if _takes(cls, "inline"):
            yield cls, "get", wrapped_by(wrap_get_job)
            yield cls, "get_async", wrapped_by(wrap_get_job)
    yield from connection_targets(module)


def is_meant(cls: Any, method: Method) -> bool:
    """Returns whether a class has the row's method, and no other one of that name.

    Args:
        cls: the class, or None if this SDK has none.
        method: the row, whose ``takes`` is an argument that the other one lacks.
    """
    return method.takes is None or _takes(cls, method.takes, method.method)


def _takes(cls: Any, argument: str, method: str = "get") -> bool:
    function: Any = getattr(cls, method, None)
    code: Any = getattr(inspect.unwrap(function), "__code__", None)
    return code is not None and argument in code.co_varnames


def _streams_of(module: str) -> tuple[str, str] | None:
    """Returns the names of the two classes of streams in a module, None if there are none."""
    found = (names for part, names in _STREAMS.items() if module.endswith(f".{part}"))
    return next(found, None)


def _own(row: Method | Loop | Session) -> Method | Loop | Session:
    return _copies.setdefault(row, row._replace())


def _undo(patches: list[Patch]) -> None:
    for patch in patches:
        try:
            patch.take_out()
        except Exception as exc:  # noqa: BLE001 -- the other wrappers must go, too
            _log.report(f"unpatch {patch.name}", exc)


_watch: Final = ImportWatch(_NAMES, _on_import)
