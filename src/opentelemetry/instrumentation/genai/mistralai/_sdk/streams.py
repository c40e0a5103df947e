# SPDX-License-Identifier: Apache-2.0
"""The observer that sits between the SDK's decoder and the SDK's stream.

In every supported SDK line ``EventStream.__next__`` is ``next(self.generator)``, and
``EventStreamAsync.__anext__`` awaits ``self.generator.__anext__()``. An observer in the place of
that attribute sees each event first, while the caller keeps the SDK's own stream object. It is a
class and not a generator function, because a generator that was never started runs no ``finally``.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final
from weakref import ref

from .. import _log
from .._otel.open_calls import OpenSpan, open_calls
from .._otel.reentrancy import may_hold_a_lock
from .._reading.errors import is_cancellation
from .._recording.ending import Outcome
from .._recording.recorder import Recorder

# Filled when the SDK's module with these classes is patched.
# References, because a module that is reloaded makes new ones; in a plain set, because asking a
# WeakSet costs ten times as much.
stream_classes: Final[set[ref[type]]] = set()


def is_stream(result: object) -> bool:
    """Whether this is one of the SDK's streams, a subclass of one, or another library's proxy."""
    if ref(type(result)) in stream_classes:
        return True
    # A copy: a class that is collected meanwhile takes its reference out.
    known = stream_classes.copy()
    return isinstance(result, tuple(kind for each in known if (kind := each()) is not None))


def observe(stream: Any, recorder: Recorder, call: OpenSpan) -> None:
    """Puts an observer into one of the SDK's streams, which stays what it is for the caller.

    Args:
        stream: the SDK's.
        recorder: is told of each event, and how the stream ends.
        call: is ended when the stream is dropped.
    """
    generator = stream.generator
    kind = StreamObserver if hasattr(generator, "__next__") else AsyncStreamObserver
    observer = kind(generator, recorder, call)
    open_calls.watch(call, observer)
    stream.generator = observer


class _Observer:
    """What the sync and the async observer share: everything but the step itself."""

    __slots__ = ("__weakref__", "_call", "_generator", "_recorder")

    def __init__(self, generator: Any, recorder: Recorder, call: OpenSpan) -> None:
        self._generator = generator
        self._recorder = recorder
        self._call = call

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Whoever copies or pickles a stream is told that a generator cannot be, as without us.
        return self._generator.__reduce_ex__(protocol)

    def leave(self, kind: type[BaseException] | None) -> None:
        """The caller closed the stream, or left its ``with`` block by this kind of exception."""
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
            # Who keeps the stream for ever would keep the span open until the exit.
            open_calls.drop(self._call)
            _log.report("leave a stream", exc)

    def _interrupted(self, exc: BaseException) -> None:
        """The generator raised, which is also how it ends."""
        try:
            if self._recorder.ended:
                return
            if isinstance(exc, (StopIteration, StopAsyncIteration)):
                self._recorder.exhausted()
            elif is_alive(self._generator):
                # "generator already executing": two threads read one stream, and it goes on.
                return
            elif isinstance(exc, GeneratorExit):
                open_calls.drop(self._call)
            elif is_cancellation(type(exc)):
                self._recorder.left(Outcome.CANCELLED)
            else:
                self._recorder.failed(exc)
        except Exception as failure:  # noqa: BLE001 -- the caller gets its own exception, not ours
            open_calls.drop(self._call)
            _log.report("end a stream", failure)


class StreamObserver(_Observer):
    """In the place of the generator inside an ``EventStream``."""

    __slots__ = ()

    def __iter__(self) -> StreamObserver:
        """Is an iterator, as the generator is."""
        return self

    def __next__(self) -> Any:
        """The next event, seen by the recorder first."""
        try:
            event = next(self._generator)
        except BaseException as exc:
            self._interrupted(exc)
            raise
        self._recorder.see(event)
        return event

    def close(self) -> None:
        """Closes the generator; the caller does not want more."""
        self.leave(None)
        self._generator.close()


class AsyncStreamObserver(_Observer):
    """In the place of the async generator inside an ``EventStreamAsync``."""

    __slots__ = ()

    def __aiter__(self) -> AsyncStreamObserver:
        """Is an async iterator, as the generator is."""
        return self

    async def __anext__(self) -> Any:
        """The next event, seen by the recorder first."""
        try:
            event = await self._generator.__anext__()
        except BaseException as exc:
            self._interrupted(exc)
            raise
        self._recorder.see(event)
        return event

    def aclose(self) -> Awaitable[None]:
        """Closes the generator; the caller does not want more."""
        self.leave(None)
        closing: Awaitable[None] = self._generator.aclose()
        return closing


def is_alive(generator: Any) -> bool:
    """Whether a generator, sync or async, has not come to its end."""
    frame = getattr(generator, "gi_frame", None) or getattr(generator, "ag_frame", None)
    return frame is not None


def leave(stream: object, exit_args: tuple[Any, ...] = ()) -> None:
    """Tells the observer in a stream, if there is one, that the caller is done with it."""
    observer = getattr(stream, "generator", None)
    if isinstance(observer, _Observer):
        observer.leave(exit_args[0] if exit_args else None)
