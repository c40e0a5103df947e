# SPDX-License-Identifier: Apache-2.0
"""The SDK's coroutines, inside of which ours run."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    _Coroutine = CoroutineType[Any, Any, Any]


def is_coroutine(value: object) -> TypeGuard[_Coroutine]:
    """Whether this is a coroutine, that is to be awaited."""
    return isinstance(value, CoroutineType)


def named_like(original: _Coroutine, ours: Any) -> Any:
    """Gives our coroutine the SDK's name, which the interpreter tells if it is never awaited."""
    ours.__name__, ours.__qualname__ = original.__name__, original.__qualname__
    return ours


class _Started:
    """Holds the SDK's coroutine, which the caller has begun to await."""

    __slots__ = ("coroutine",)

    def __init__(self, coroutine: _Coroutine) -> None:
        self.coroutine = coroutine


class Unawaited(_Started):
    """Holds the SDK's coroutine while ours waits to be awaited.

    If ours never is, the interpreter warns once, for ours; closing the SDK's keeps it from warning
    a second time about what the caller did once.
    """

    __slots__ = ()

    def started(self) -> _Coroutine:
        """Gives the coroutine, of which the caller now takes care."""
        # Without a finalizer: a signal that arrives while one runs is lost.
        self.__class__ = _Started  # type: ignore[assignment]
        return self.coroutine

    def __del__(self) -> None:
        # An interrupt may have come before there was one.
        coroutine = getattr(self, "coroutine", None)
        if coroutine is not None:
            coroutine.close()
