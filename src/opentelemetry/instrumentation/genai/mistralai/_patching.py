# SPDX-License-Identifier: Apache-2.0
"""Puts wrappers around the SDK's methods with wrapt, and takes them out again.

The SDK is not imported by us (it costs 0.4 to 0.9 s): import hooks wait for its modules. A hook
cannot be removed, so each is registered once in a process and asks whether we are active. A module
is patched whole or not at all; what an SDK version lacks is skipped without a word.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from threading import RLock
from types import ModuleType
from typing import Any, Final

import wrapt

from . import _guard
from ._calls import wrap_async_call, wrap_async_exit, wrap_call, wrap_exit
from ._local_tools import wrap_tool
from ._native import QuietTrace, QuietTracer, wrap_before_request, wrap_traced_request
from ._open_calls import open_calls
from ._streams import stream_classes
from ._surface import LOOPS, ROOTS, SURFACES
from .package import _instruments  # pyright: ignore[reportPrivateUsage] -- OpenTelemetry's name

_Make = Callable[[Any], Any]
# Of a patch: the class or module, the name in it, and the wrapper's replacement.
_Patch = tuple[Any, str, Any]

_STREAMS: Final = "utils.eventstreaming"
_TRACING: Final = "_hooks.tracing"
_CONVERSATIONS: Final = "conversations"
_LOOPS: Final = "extra.run.context"
_TOOLS: Final = "extra.run.tools"
_lock: Final = RLock()
_patched: Final[dict[str, list[_Patch]]] = {}
_hooked: Final[set[str]] = set()
_active = False
_check_versions = False
_supported: bool | None = None


def patch(*, check_versions: bool) -> None:
    """Wraps the SDK's methods, in modules that are loaded now and in those that will be.

    Args:
        check_versions: whether to leave an unsupported SDK alone, with a log line.
    """
    global _active, _check_versions, _supported
    of_surfaces = [surface.module for surface in SURFACES]
    modules = dict.fromkeys([_STREAMS, *of_surfaces, _TRACING, _LOOPS, _TOOLS])
    names = [f"{root}.{module}" for root in ROOTS for module in modules]
    for name in names:
        if name in sys.modules:
            # Waits for another thread that is in the middle of importing it. Not under the lock,
            # which that thread will want.
            importlib.import_module(name)
    with _lock:
        _active, _check_versions, _supported = True, check_versions, None
        for name in names:
            if name not in _hooked:
                _hooked.add(name)
                wrapt.register_post_import_hook(_on_import, name)
            elif name in sys.modules:
                _on_import(sys.modules[name])


def unpatch() -> None:
    """Takes our wrappers out, also from under another library's wrapt wrapper.

    Under any other kind of wrapper, and in a bound method that was saved earlier, ours stays and
    passes every call through.
    """
    global _active  # noqa: PLW0603 -- as above
    with _lock:
        _active = False
        for name in list(_patched):
            # Streams that are open are still to be told of a ``with`` block's end.
            if not (name.endswith(_STREAMS) and open_calls.any()):
                _undo(_patched.pop(name))


def _on_import(module: ModuleType) -> None:
    with _lock:
        if not _active or module.__name__ in _patched:
            return
        patches: list[_Patch] = []
        try:
            if _check_versions and not _is_supported():
                return
            for owner, name, make in _targets(module):
                patches.append((owner, name, _put_in(owner, name, make)))
        except Exception as exc:  # noqa: BLE001 -- it would break the user's import
            _undo(patches)
            _guard.report(f"patch {module.__name__}", exc)
        else:
            _patched[module.__name__] = patches


def _is_supported() -> bool:
    # Not at instrument(), where it would cost as much as all the rest; here mistralai costs more.
    # Once for all of its modules: it reads the metadata of packages from their files.
    global _supported  # noqa: PLW0603 -- as above
    if _supported is None:
        from opentelemetry.instrumentation.dependencies import get_dependency_conflicts

        conflict = get_dependency_conflicts(_instruments)
        if conflict is not None:
            _guard.say_once("mistralai is not instrumented: %s", conflict)
        _supported = conflict is None
    return _supported


def _targets(module: ModuleType) -> Iterator[tuple[Any, str, _Make]]:
    """What of a module is to be replaced, and how its replacement is made."""
    for owner, name, make in _candidates(module):
        if owner is not None and name in vars(owner):
            yield owner, name, make


def _candidates(module: ModuleType) -> Iterator[tuple[Any, str, _Make]]:
    name = module.__name__
    if name.endswith(f".{_STREAMS}"):
        stream = getattr(module, "EventStream", None)
        async_stream = getattr(module, "EventStreamAsync", None)
        stream_classes.update(cls for cls in (stream, async_stream) if cls is not None)
        yield stream, "__exit__", _wrapped_by(wrap_exit)
        yield stream, "close", _wrapped_by(wrap_exit)
        yield async_stream, "__aexit__", _wrapped_by(wrap_async_exit)
        yield async_stream, "close", _wrapped_by(wrap_async_exit)
    elif name.endswith(f".{_TRACING}"):
        hook = getattr(module, "TracingHook", None)
        yield hook, "before_request", _wrapped_by(wrap_before_request)
        yield module, "get_traced_request_and_span", _wrapped_by(wrap_traced_request)
    elif name.endswith(f".{_LOOPS}"):
        yield module, "create_function_result", _wrapped_by(wrap_tool)
    elif name.endswith(f".{_TOOLS}"):
        yield module, "trace", QuietTrace
    elif name.endswith(f".{_CONVERSATIONS}"):
        yield module, "tracer", QuietTracer
    for surface in SURFACES:
        if name.endswith(f".{surface.module}"):
            cls = getattr(module, surface.cls, None)
            # A copy, by which `_context` knows these wrappers from older ones.
            own = surface._replace()
            yield cls, own.method, _wrapped_by(wrap_call, own)
            yield cls, f"{own.method}_async", _wrapped_by(wrap_async_call, own)
    for loop in LOOPS:
        if name.endswith(f".{loop.module}"):
            cls = getattr(module, loop.cls, None)
            yield cls, loop.method, _wrapped_by(wrap_async_call, loop)


def _wrapped_by(wrapper: Callable[..., Any], *args: Any) -> _Make:
    return lambda original: wrapt.FunctionWrapper(original, _Ours(wrapper, *args))


class _Ours(partial[Any]):
    """What one of our wrappers calls, to tell it from another library's.

    Not a class of wrappers: wrapt binds those 2 us slower than its own.
    """


def _undo(patches: list[_Patch]) -> None:
    for owner, name, ours in patches:
        try:
            _take_out(owner, name, ours)
        except Exception as exc:  # noqa: BLE001 -- what stays passes through; the rest must go too
            _guard.report(f"unpatch {name}", exc)


def _put_in(owner: Any, name: str, make: _Make) -> Any:
    """Puts ours next to the SDK's function, beneath the wrapt wrappers of others.

    Around theirs we would be handed what they make of the SDK's stream, and their ``unwrap``, which
    takes away whatever is outermost, would take ours. One that calls the SDK's function by a
    reference of its own, past what it wraps, is not seen.
    """
    _splice_out(owner, name, _is_ours)
    outer, inner = None, owner.__dict__[name]
    while _is_wrapper(inner):
        outer = _whole(inner)
        inner = outer.__wrapped__
    ours = make(inner)
    if outer is None:
        setattr(owner, name, ours)
    else:
        outer.__wrapped__ = ours
    return ours


def _take_out(owner: Any, name: str, ours: Any) -> None:
    _splice_out(owner, name, lambda wrapper: wrapper is ours)


def _splice_out(owner: Any, name: str, unwanted: Callable[[Any], bool]) -> None:
    """Takes wrappers out of a method, also from under others."""
    while unwanted(outermost := _whole(owner.__dict__[name])):
        setattr(owner, name, outermost.__wrapped__)
    outer = outermost
    while _is_wrapper(outer):
        inner = _whole(outer.__wrapped__)
        if unwanted(inner):
            outer.__wrapped__ = inner.__wrapped__
        else:
            outer = inner


def _whole(value: Any) -> Any:
    # OpenTelemetry's unwrap leaves the bound form of the wrapper beneath in the class.
    return value._self_parent if isinstance(value, wrapt.BoundFunctionWrapper) else value  # noqa: SLF001 -- wrapt's only name for it


def _is_ours(wrapper: Any) -> bool:
    return isinstance(getattr(wrapper, "_self_wrapper", None), _Ours)


def _is_wrapper(value: object) -> bool:
    return isinstance(value, (wrapt.FunctionWrapper, wrapt.BoundFunctionWrapper))
