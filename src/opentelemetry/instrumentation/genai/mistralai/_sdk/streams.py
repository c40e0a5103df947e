# SPDX-License-Identifier: Apache-2.0
"""Observes the SDK's streams: an observer replaces the generator inside the stream.

In every supported SDK line ``EventStream.__next__`` is ``next(self.generator)``, and
``EventStreamAsync.__anext__`` awaits ``self.generator.__anext__()``. An observer in that attribute
sees each event first, while the caller keeps the SDK's own stream object. It is a class and not a
generator function, because a generator that was never started runs no ``finally``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from weakref import ref

from .. import _log
from .._otel.open_calls import open_calls
from .._otel.open_span import OpenSpan
from .._otel.reentrancy import may_hold_a_lock
from .._reading.errors import is_cancellation
from .._recording.ending import Outcome
from .._recording.recorder import Recorder
from .coroutines import Unawaited, bound, is_coroutine, named_like

_Anything = Callable[..., Any]
_Args = tuple[Any, ...]
_Arguments = Mapping[str, Any]
# Patching the SDK's module fills this set. It holds weak references, because a reloaded module
# makes new classes and the old ones must go; a WeakSet's look-up costs ten times as much.
stream_classes: Final[set[ref[type]]] = set()


def is_stream(result: object) -> bool:
    """Returns whether this is a stream of the SDK, of a subclass, or another library's proxy."""
    # A class that is collected meanwhile removes its reference: iterating the set itself would
    # raise then.
    known = stream_classes.copy()
    return isinstance(result, tuple(kind for each in known if (kind := each()) is not None))


def observe(stream: Any, recorder: Recorder, call: OpenSpan) -> None:
    """Puts an observer into one of the SDK's streams; the caller keeps the same stream object.

    Args:
        stream: the SDK's stream.
        recorder: receives each event, and how the stream ends.
        call: the call to end when the stream is dropped.
    """
    generator = stream.generator
    kind = StreamObserver if hasattr(generator, "__next__") else AsyncStreamObserver
    observer = kind(generator, recorder, call)
    open_calls.watch(call, observer)
    stream.generator = observer


class _Observer:
    """Implements what the sync and the async observer share: everything except the next event."""

    __slots__ = ("__weakref__", "_call", "_generator", "_recorder")

    def __init__(self, generator: Any, recorder: Recorder, call: OpenSpan) -> None:
        self._generator = generator
        self._recorder = recorder
        self._call = call

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Copying or pickling a stream must raise the generator's own error, as without us.
        return self._generator.__reduce_ex__(protocol)

    def leave(self, kind: type[BaseException] | None) -> None:
        """Reports that the caller closed the stream, or left its ``with`` block by ``kind``."""
        try:
            if self._recorder.ended:
                return
            if may_hold_a_lock():
                self._recorder.leave_later()
                open_calls.drop(self._call)
                return
            cancelled = kind is not None and is_cancellation(kind)
            self._recorder.left(Outcome.CANCELLED if cancelled else Outcome.CLOSED)
        except Exception as exc:  # noqa: BLE001 -- telemetry must not fail the caller's close
            # A caller that keeps the stream would keep the span open until the exit.
            open_calls.drop(self._call)
            _log.report("leave a stream", exc)

    def _raised(self, exc: BaseException) -> None:
        """Reports what the generator raised: an error, or its normal end."""
        try:
            if self._recorder.ended:
                return
            if isinstance(exc, (StopIteration, StopAsyncIteration)):
                self._recorder.exhausted()
            elif is_alive(self._generator):
                # Two threads read one stream: "generator already executing" is no end of it.
                return
            elif isinstance(exc, GeneratorExit):
                open_calls.drop(self._call)
            elif is_cancellation(type(exc)):
                self._recorder.left(Outcome.CANCELLED)
            else:
                self._recorder.failed(exc)
        except Exception as failure:  # noqa: BLE001 -- the caller must get its own exception
            open_calls.drop(self._call)
            _log.report("end a stream", failure)


class StreamObserver(_Observer):
    """Replaces the generator inside an ``EventStream``."""

    __slots__ = ()

    def __iter__(self) -> StreamObserver:
        """Returns itself: it is an iterator, as the generator is."""
        return self

    def __next__(self) -> Any:
        """Returns the next event, after the recorder has seen it."""
        try:
            event = next(self._generator)
        except BaseException as exc:
            if not self._recorder.ended:
                self._raised(exc)
            raise
        self._recorder.see(event)
        return event

    def close(self) -> None:
        """Closes the generator, and reports that the caller left."""
        self.leave(None)
        self._generator.close()


class AsyncStreamObserver(_Observer):
    """Replaces the async generator inside an ``EventStreamAsync``."""

    __slots__ = ()

    def __aiter__(self) -> AsyncStreamObserver:
        """Returns itself: it is an async iterator, as the generator is."""
        return self

    async def __anext__(self) -> Any:
        """Returns the next event, after the recorder has seen it."""
        try:
            event = await self._generator.__anext__()
        except BaseException as exc:
            if not self._recorder.ended:
                self._raised(exc)
            raise
        self._recorder.see(event)
        return event

    def aclose(self) -> Awaitable[None]:
        """Closes the generator, and reports that the caller left."""
        self.leave(None)
        closing: Awaitable[None] = self._generator.aclose()
        return closing


def is_alive(generator: Any) -> bool:
    """Returns whether a generator, sync or async, has not ended."""
    frame = getattr(generator, "gi_frame", None) or getattr(generator, "ag_frame", None)
    return frame is not None


def leave(stream: object, exit_args: tuple[Any, ...] = ()) -> None:
    """Reports to the observer in a stream, if there is one, that the caller left."""
    observer = getattr(stream, "generator", None)
    if isinstance(observer, _Observer):
        observer.leave(exit_args[0] if exit_args else None)


def wrap_exit(wrapped: _Anything, instance: object, args: _Args, kwargs: _Arguments) -> Any:
    """Wraps ``__exit__`` and ``close`` of ``EventStream``; only the first has arguments."""
    leave(*bound(instance, args))
    return wrapped(*args, **kwargs)


def wrap_async_exit(wrapped: _Anything, instance: object, args: _Args, kwargs: _Arguments) -> Any:
    """Wraps ``__aexit__`` and ``close`` of ``EventStreamAsync``; the stream ends at the await."""
    coroutine = wrapped(*args, **kwargs)
    if is_coroutine(coroutine):
        return named_like(coroutine, _leaving(Unawaited(coroutine), instance, args))
    leave(*bound(instance, args))
    return coroutine


async def _leaving(unawaited: Unawaited, instance: object, args: _Args) -> Any:
    coroutine = unawaited.started()
    leave(*bound(instance, args))
    return await coroutine
