# SPDX-License-Identifier: Apache-2.0
"""Puts one wrapper around one of the SDK's functions, beneath the wrappers of other libraries.

For a deprecated function it issues the warning in place of the decorator's, which would name a line
of ours and not the user's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple
from weakref import ref

import wrapt

from .quiet_tracers import QuietTrace, QuietTracer

# A `Make` takes a function of the SDK and returns its replacement.
Make = Callable[[Any], Any]
# These modules define the decorator `deprecated`.
_DECORATORS: Final = ("typing_extensions", "warnings", "_py_warnings")


class _Warning(NamedTuple):
    """Holds the arguments of the decorator `deprecated`, and the function that it decorates."""

    message: str
    category: type[Warning]
    stacklevel: int
    function: Any


class Patch:
    """Replaces a name in a class or a module while instrumentation is on.

    It refers to the owner weakly: the owner's wrapper leads to the function, its module and all
    classes there, so a strong reference would keep a reloaded module's old classes alive.
    """

    __slots__ = ("_make", "_owner", "name")

    def __init__(self, owner: Any, name: str, make: Make) -> None:
        self._owner: ref[Any] = ref(owner)
        self.name = name
        self._make = make

    @property
    def owner(self) -> Any:
        """Returns the class or module, None if it has been freed."""
        return self._owner()

    def put_in(self) -> None:
        """Puts our wrapper next to the SDK's function, beneath the wrapt wrappers of others.

        Around theirs we would get their proxy instead of the SDK's stream, and their ``unwrap``,
        which removes the outermost wrapper, would remove ours. A wrapper that calls the SDK's
        function by a reference of its own bypasses ours: its calls are not recorded. A wrapper of
        ours that is still there needs nothing: it records again once instrumentation is on.
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
        """Removes our wrapper if it is outermost; beneath another it stays, and lets calls pass."""
        owner = self.owner
        if owner is not None and self.name in owner.__dict__:
            outermost = _whole(owner.__dict__[self.name])
            if _is_ours(outermost):
                setattr(owner, self.name, outermost.__wrapped__)


def wrapped_by(wrapper: Callable[..., Any], *describe: Callable[[], Any]) -> Make:
    """Returns a `Make` of wrapt wrappers that call ``wrapper``.

    Args:
        wrapper: takes the results of ``describe``, then the arguments of a wrapt wrapper.
        describe: functions that return the method's description, called for each new wrapper.
    """

    def make(original: Any) -> Any:
        own = [ask() for ask in describe]
        warning = _deprecation_of(original)
        if warning is not None:
            return wrapt.FunctionWrapper(original, _Ours(_warn_first, warning, wrapper, *own))
        return wrapt.FunctionWrapper(original, _Ours(wrapper, *own))

    return make


def _warn_first(warning: _Warning, wrapper: Callable[..., Any], *rest: Any) -> Any:
    """Issues a deprecated method's warning in place of its decorator, and skips the decorator.

    The decorator's warning names the caller's line. That line would be ours, and Python's default
    filter shows a DeprecationWarning only if the line is in the user's own main program.
    """
    *own, _decorated, instance, args, kwargs = rest
    warnings.warn(warning.message, warning.category, stacklevel=warning.stacklevel + 1)
    method = warning.function
    if instance is not None:
        method = method.__get__(instance, type(instance))
    return wrapper(*own, method, instance, args, kwargs)


def _deprecation_of(function: Any) -> _Warning | None:
    """Reads the arguments of ``warnings.deprecated``, or typing_extensions', off a function."""
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
    """Marks the function that one of our wrappers calls, to tell it from another library's.

    A wrapper class of our own would mark it, too, but wrapt binds such a class 2 us slower.
    """


def _whole(value: Any) -> Any:
    # OpenTelemetry's unwrap leaves the bound form of the wrapper beneath in the class. wrapt
    # calls by way of its parent: a wrapper that is put into the bound form would never be called.
    return value._self_parent if isinstance(value, wrapt.BoundFunctionWrapper) else value  # noqa: SLF001 -- wrapt has no public name for it


def _is_ours(wrapper: Any) -> bool:
    # isinstance() would be wrong here: a proxy claims the class of the object that it wraps.
    if type(wrapper) in (QuietTrace, QuietTracer):
        return True
    return isinstance(getattr(wrapper, "_self_wrapper", None), _Ours)


def _is_wrapper(value: object) -> bool:
    return isinstance(value, (wrapt.FunctionWrapper, wrapt.BoundFunctionWrapper))
