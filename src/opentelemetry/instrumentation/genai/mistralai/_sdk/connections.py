# SPDX-License-Identifier: Apache-2.0
"""Observes the connections of realtime sessions, each of which its caller keeps as it is.

A connection gets no attribute: the wrappers of its class look up here whether it is recorded. What
its ``events`` returns is an async generator, as without us, that passes on those of the SDK's.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from .. import _log
from .._otel.open_calls import open_calls
from .._reading.errors import is_cancellation
from .coroutines import Unawaited, bound, is_coroutine, named_like
from .patches import Make, wrapped_by
from .streams import AsyncStreamObserver

if TYPE_CHECKING:
    from types import ModuleType

    from .._otel.ends_once import OpenSpan
    from .._recording.sessions import SessionRecorder

_Anything = Callable[..., Any]
_Args = tuple[Any, ...]
_Arguments = Mapping[str, Any]

# Each module that defines a class of connections, and that class.
CONNECTIONS: Final[Mapping[str, str]] = {
    "extra.realtime.connection": "RealtimeConnection",
    "extra.realtime.speech": "RealtimeSpeechConnection",
}
# These are raised where the caller leaves the loop, or is interrupted.
_LEAVING: Final = (GeneratorExit, KeyboardInterrupt, SystemExit)
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


class SessionObserver(AsyncStreamObserver):
    """Sees what happens to one connection; it does not refer to it, so that it can be dropped."""

    __slots__ = (
        "_began_with",
        "_reading",
        "_session",
        "_stopped",
        "_swallowed",
        "_thrown",
        "hears",
    )

    def __init__(self, recorder: SessionRecorder, call: OpenSpan, *, hears: bool) -> None:
        super().__init__(None, recorder, call)
        self._session = recorder
        # The SDK's generators that have begun to read: nearly always one.
        self._reading: list[Any] = []
        self.hears = hears
        # How often the reading task had been cancelled when it began to read.
        self._began_with: int | None = None
        # Whether the SDK closed the websocket, and whether that was open.
        self._stopped = self._swallowed = False
        # Whether the caller threw a cancellation into the generator.
        self._thrown = False

    async def events(
        self,
        generator: Any,
        connection: object,  # noqa: ARG002 -- see below
    ) -> AsyncGenerator[Any]:
        """Yields what the SDK's generator yields, after the recorder has seen it.

        Args:
            generator: the SDK's generator.
            connection: is kept until this ends. The generator may be all that refers to it: then it
                would look dropped before this knows why the generator ended.
        """
        self._reading.append(generator)
        self._began_with = _cancellations()
        see, step = self._recorder.see, _unhooked(generator)
        while True:
            try:
                event = await step
            except BaseException as exc:
                # The step's traceback leads to this frame: without this line a dropped generator
                # would live until the garbage collector runs.
                del step
                self._generator = generator
                self._interrupted(exc)
                self._reading.remove(generator)
                if isinstance(exc, StopAsyncIteration):
                    return
                raise
            try:
                see(event)
                yield event
            except BaseException as exc:
                if not isinstance(exc, _LEAVING):
                    # The caller has thrown it in: the SDK's generator decides what becomes of it.
                    self._thrown = is_cancellation(type(exc))
                    step = generator.athrow(exc)
                    continue
                try:
                    await generator.aclose()
                finally:
                    # Before the first message has come, the SDK leaves the websocket open, and the
                    # caller may go on with another generator.
                    if self._stopped:
                        self.leave(None)
                raise
            step = generator.__anext__()

    def is_closed_by_sdk(self, connection: object) -> bool:
        """Returns whether the SDK's own generator calls ``close`` now, and notes that it does.

        It does so whatever ended the reading. Only the generator's own end tells what it was, which
        comes when the websocket has been closed.
        """
        # While it waits, for a message or for the end of the closing, it awaits something.
        if not any(each.ag_running and each.ag_await is None for each in self._reading):
            return False
        self._session.stop()
        self._stopped, self._swallowed = True, _is_open(connection)
        return True

    def sent(self, given: Iterable[object]) -> None:
        """Notes the arguments of a method that sends."""
        for each in given:
            self._session.on_sent(each)

    def _interrupted(self, exc: BaseException) -> None:
        if isinstance(exc, StopAsyncIteration) and self._was_cancelled():
            # The SDK has swallowed it: to the caller it looks as if all had been said.
            exc = KeyboardInterrupt()
        super()._interrupted(exc)

    def _was_cancelled(self) -> bool:
        cancelled = _cancellations()
        if self._thrown:
            return True
        if cancelled is None or self._began_with is None:
            # Python 3.10 does not count. There, the SDK closes a websocket that is open, and raises
            # nothing, only when it was cancelled.
            return self._swallowed
        return cancelled > self._began_with


def _unhooked(generator: Any) -> Any:
    """Returns the first step of the SDK's generator, of which the event loop is not told.

    The loop closes each generator that it knows when that is dropped, or when the loop ends. It
    knows ours, which closes the SDK's: it would close that one twice, and log an error.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return generator.__anext__()
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _cancellations() -> int | None:
    """Returns how often the current task has been asked to cancel; None if nobody counts that."""
    from asyncio import current_task

    try:
        task: Any = current_task()
    except RuntimeError:
        return None
    return task.cancelling() if hasattr(task, "cancelling") else None


def _is_open(connection: object) -> bool:
    protocol = getattr(getattr(connection, "_websocket", None), "protocol", None)
    return getattr(getattr(protocol, "state", None), "name", None) == "OPEN"


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


def connection_targets(module: ModuleType) -> Iterator[tuple[Any, str, Make]]:
    """Yields each method of connections that a module defines, and its `Make`."""
    for suffix, name in CONNECTIONS.items():
        cls = getattr(module, name, None) if module.__name__.endswith(f".{suffix}") else None
        if cls is not None:
            # The callback removes the reference of a class that was freed: the set would grow.
            _connection_classes.add(ref(cls, _connection_classes.discard))
            for method, wrapper in _WRAPPERS.items():
                yield cls, method, wrapped_by(wrapper)
