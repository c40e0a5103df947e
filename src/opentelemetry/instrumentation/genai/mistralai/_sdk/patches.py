# SPDX-License-Identifier: Apache-2.0
"""One wrapper in the place of one of the SDK's functions, beneath those of other libraries."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple
from weakref import ref

import wrapt

from .own_spans import QuietTrace, QuietTracer

# Makes what replaces a function of the SDK.
Make = Callable[[Any], Any]
# Where the decorator `deprecated` is.
_DECORATORS: Final = ("typing_extensions", "warnings", "_py_warnings")


class _Warning(NamedTuple):
    """What the decorator `deprecated` says, and of what function."""

    message: str
    category: type[Warning]
    stacklevel: int
    function: Any


class Patch:
    """A name in a class or a module, and what stands in its place while we are on.

    A weak reference: a wrapper has the function, the function its module, and that its classes.
    """

    __slots__ = ("_make", "_owner", "name")

    def __init__(self, owner: Any, name: str, make: Make) -> None:
        self._owner: ref[Any] = ref(owner)
        self.name = name
        self._make = make

    @property
    def owner(self) -> Any:
        """The class or module, None if nobody has it any more."""
        return self._owner()

    def put_in(self) -> None:
        """Puts ours next to the SDK's function, beneath the wrapt wrappers of others.

        Around theirs we would be handed what they make of the SDK's stream, and their ``unwrap``,
        which takes away whatever is outermost, would take ours. One that calls the SDK's function
        by a reference of its own, past what it wraps, is not seen. Where ours is still there, it
        is switched on again by that instrumentation is.
        """
        owner = self.owner
        if owner is None or self.name not in owner.__dict__:
            return
        outer, inner = None, owner.__dict__[self.name]
        while not _is_ours(whole := _whole(inner)):
            if not _is_wrapper(whole):
                ours = self._make(inner)
                if outer is None:
                    setattr(owner, self.name, ours)
                else:
                    outer.__wrapped__ = ours
                return
            outer, inner = whole, whole.__wrapped__

    def take_out(self) -> None:
        """Takes ours out where it is outermost; beneath another it stays, and lets calls pass."""
        owner = self.owner
        if owner is not None and self.name in owner.__dict__:
            outermost = _whole(owner.__dict__[self.name])
            if _is_ours(outermost):
                setattr(owner, self.name, outermost.__wrapped__)


def wrapped_by(wrapper: Callable[..., Any], *describe: Callable[[], Any]) -> Make:
    """Makes a wrapt wrapper that calls ``wrapper``, with what describes the method first.

    Args:
        wrapper: as wrapt calls it, with that before the rest.
        describe: asked each time that the wrapper is made anew.
    """

    def make(original: Any) -> Any:
        own = [ask() for ask in describe]
        warning = _deprecation_of(original)
        if warning is not None:
            return wrapt.FunctionWrapper(original, _Ours(_warn_first, warning, wrapper, *own))
        return wrapt.FunctionWrapper(original, _Ours(wrapper, *own))

    return make


def _warn_first(warning: _Warning, wrapper: Callable[..., Any], *rest: Any) -> Any:
    """Warns of a deprecated method in its decorator's stead, and passes the decorator by.

    The decorator blames whoever calls it. That would be us, and Python's default filter shows a
    DeprecationWarning only where the user's own main program is to blame.
    """
    *own, _decorated, instance, args, kwargs = rest
    warnings.warn(warning.message, warning.category, stacklevel=warning.stacklevel + 1)
    method = warning.function
    if instance is not None:
        method = method.__get__(instance, type(instance))
    return wrapper(*own, method, instance, args, kwargs)


def _deprecation_of(function: Any) -> _Warning | None:
    """How ``warnings.deprecated``, or that of typing_extensions, decorates a function."""
    module = getattr(function, "__globals__", {}).get("__name__")
    beneath = getattr(function, "__wrapped__", None)
    if module not in _DECORATORS or beneath is None or not hasattr(function, "__deprecated__"):
        return None
    cells = zip(function.__code__.co_freevars, function.__closure__, strict=True)
    given = {name: cell.cell_contents for name, cell in cells}
    try:
        return _Warning(function.__deprecated__, given["category"], given["stacklevel"], beneath)
    except KeyError:
        return None


class _Ours(partial[Any]):
    """What one of our wrappers calls, to tell it from another library's.

    Not a class of wrappers: wrapt binds those 2 us slower than its own.
    """


def _whole(value: Any) -> Any:
    # OpenTelemetry's unwrap leaves the bound form of the wrapper beneath in the class.
    return value._self_parent if isinstance(value, wrapt.BoundFunctionWrapper) else value  # noqa: SLF001 -- wrapt's only name for it


def _is_ours(wrapper: Any) -> bool:
    # Not isinstance(): a proxy says that it is what it wraps.
    if type(wrapper) in (QuietTrace, QuietTracer):
        return True
    return isinstance(getattr(wrapper, "_self_wrapper", None), _Ours)


def _is_wrapper(value: object) -> bool:
    return isinstance(value, (wrapt.FunctionWrapper, wrapt.BoundFunctionWrapper))
