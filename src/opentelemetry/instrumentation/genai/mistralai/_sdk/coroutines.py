# SPDX-License-Identifier: Apache-2.0
"""Holds the SDK's coroutine until the caller awaits ours; finds the object of an unbound call."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    _Coroutine = CoroutineType[Any, Any, Any]


def is_coroutine(value: object) -> TypeGuard[_Coroutine]:
    """Returns whether this is a coroutine."""
    return isinstance(value, CoroutineType)


def named_like(original: _Coroutine, ours: Any) -> Any:
    """Gives our coroutine the SDK's name: the interpreter's warning shows it if never awaited."""
    ours.__name__, ours.__qualname__ = original.__name__, original.__qualname__
    return ours


class _Started:
    """Holds the SDK's coroutine, which the caller has begun to await."""

    __slots__ = ("coroutine",)

    def __init__(self, coroutine: _Coroutine) -> None:
        self.coroutine = coroutine


class Unawaited(_Started):
    """Holds the SDK's coroutine while ours waits to be awaited.

    If ours is never awaited, the interpreter warns once, for ours; closing the SDK's keeps it from
    warning a second time about the same mistake. A signal that arrives in a finalizer is lost:
    `started` takes this one away, so it never runs for a coroutine that was awaited.
    """

    __slots__ = ()

    def started(self) -> _Coroutine:
        """Returns the coroutine, which the caller now awaits or closes."""
        # `_Started` has no finalizer, which could swallow Ctrl-C.
        self.__class__ = _Started  # type: ignore[assignment]
        return self.coroutine

    def __del__(self) -> None:
        # An interrupt in `__init__` may have left the attribute unset.
        coroutine = getattr(self, "coroutine", None)
        if coroutine is not None:
            coroutine.close()


def bound(instance: object, args: tuple[Any, ...]) -> tuple[object, tuple[Any, ...]]:
    """Returns the object whose method is called, and the other arguments."""
    # Another library may call our wrapper out of the class's __dict__: then wrapt binds nothing.
    return (args[0], args[1:]) if instance is None and args else (instance, args)
