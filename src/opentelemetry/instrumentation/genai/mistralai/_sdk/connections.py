# SPDX-License-Identifier: Apache-2.0
"""Observes the connections of realtime sessions, each of which its caller keeps as it is.

A connection gets no attribute: the wrappers of its class look up here whether it is recorded. What
its ``events`` returns is an async generator, as without us, that passes on those of the SDK's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from .. import _log
from .._otel.open_calls import open_calls
from .coroutines import Unawaited, bound, is_coroutine, named_like
from .session_observer import SessionObserver

if TYPE_CHECKING:
    from types import ModuleType

    from .._otel.open_span import OpenSpan
    from .._recording.sessions import SessionRecorder

_Anything = Callable[..., Any]
_Args = tuple[Any, ...]
_Arguments = Mapping[str, Any]

# Each module that defines a class of connections, and that class.
CONNECTIONS: Final[Mapping[str, str]] = {
    "extra.realtime.connection": "RealtimeConnection",
    "extra.realtime.speech": "RealtimeSpeechConnection",
}
# Patching fills this set with weak references, as `stream_classes`.
_connection_classes: Final[set[ref[type]]] = set()
# The observer of each recorded connection that the caller has not dropped. The callback that
# removes an entry is a function of C: a finalizer in Python would lose signals.
_observers: Final[dict[ref[Any], SessionObserver]] = {}


def observe_connection(
    connection: object, recorder: SessionRecorder, call: OpenSpan, *, hears: bool
) -> None:
    """Has a connection's events seen; the caller keeps the same object.

    Args:
        connection: the SDK's connection.
        recorder: receives each event, and how the session ends.
        call: the call to end when the connection is dropped.
        hears: whether the recorder receives what is sent, too.
    """
    open_calls.watch(call, connection)
    observer = SessionObserver(recorder, call, hears=hears)
    _observers[ref(connection, _observers.pop)] = observer


def is_connection(result: object) -> bool:
    """Returns whether this is a connection of the SDK, or of a subclass."""
    known = _connection_classes.copy()
    return isinstance(result, tuple(kind for each in known if (kind := each()) is not None))


def _observer_of(connection: object) -> SessionObserver | None:
    try:
        return _observers.get(ref(connection))
    except TypeError:
        # Another library calls our wrapper with something else.
        return None


def _noted(note: Callable[..., bool | None], *args: object) -> bool:
    """Has an observer note something; returns what it returned."""
    try:
        return bool(note(*args))
    except Exception as exc:  # noqa: BLE001 -- the caller's connection must go on
        _log.report("follow a session", exc)
        return False


def _wrap_events(wrapped: _Anything, instance: object, args: _Args, kwargs: _Arguments) -> Any:
    """Wraps ``events``, which ``__aiter__`` calls, too."""
    generator: Any = wrapped(*args, **kwargs)
    connection, _ = bound(instance, args)
    observer = _observer_of(connection)
    if observer is None or not isinstance(generator, AsyncGeneratorType):
        return generator
    ours: Any = observer.events(generator, connection)
    ours.__name__, ours.__qualname__ = generator.__name__, generator.__qualname__
    return ours


def _wrap_close(wrapped: _Anything, instance: object, args: _Args, kwargs: _Arguments) -> Any:
    """Wraps ``close``; the session ends at the await."""
    connection, _ = bound(instance, args)
    coroutine = wrapped(*args, **kwargs)
    observer = _observer_of(connection)
    if observer is None or _noted(observer.is_closed_by_sdk, connection):
        return coroutine
    return _left(observer, coroutine, None)


def _wrap_exit(wrapped: _Anything, instance: object, args: _Args, kwargs: _Arguments) -> Any:
    """Wraps ``__aexit__``; the session ends at the await."""
    connection, given = bound(instance, args)
    coroutine = wrapped(*args, **kwargs)
    observer = _observer_of(connection)
    return coroutine if observer is None else _left(observer, coroutine, (*given, None)[0])


def _left(observer: SessionObserver, coroutine: Any, kind: Any) -> Any:
    if is_coroutine(coroutine):
        return named_like(coroutine, _leaving(observer, Unawaited(coroutine), kind))
    observer.leave(kind)
    return coroutine


async def _leaving(observer: SessionObserver, unawaited: Unawaited, kind: Any) -> Any:
    coroutine = unawaited.started()
    observer.leave(kind)
    return await coroutine


def _wrap_send(wrapped: _Anything, instance: object, args: _Args, kwargs: _Arguments) -> Any:
    """Wraps the methods that send sound or text."""
    connection, given = bound(instance, args)
    observer = _observer_of(connection)
    if observer is not None and observer.hears:
        _noted(observer.sent, (*given, *kwargs.values()))
    return wrapped(*args, **kwargs)


_WRAPPERS: Final[Mapping[str, Callable[..., Any]]] = {
    "events": _wrap_events,
    "close": _wrap_close,
    "__aexit__": _wrap_exit,
    "send_audio": _wrap_send,
    "send_text": _wrap_send,
    "flush": _wrap_send,
}


def connection_targets(module: ModuleType) -> Iterator[tuple[Any, str, _Anything]]:
    """Yields each method of connections that a module defines, and the wrapper for it."""
    for suffix, name in CONNECTIONS.items():
        cls = getattr(module, name, None) if module.__name__.endswith(f".{suffix}") else None
        if cls is not None:
            # The callback removes the reference of a class that was freed: the set would grow.
            _connection_classes.add(ref(cls, _connection_classes.discard))
            for method, wrapper in _WRAPPERS.items():
                yield cls, method, wrapper
