# SPDX-License-Identifier: Apache-2.0
"""Sees what happens to one realtime connection: its events, its end, and why its reading ended."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterable
from typing import TYPE_CHECKING, Any, Final

from .._reading.errors import is_cancellation
from .streams import AsyncStreamObserver

if TYPE_CHECKING:
    from types import FrameType

    from .._otel.open_span import OpenSpan
    from .._recording.sessions import SessionRecorder

# These are raised where the caller leaves the loop, or is interrupted.
_LEAVING: Final = (GeneratorExit, KeyboardInterrupt, SystemExit)


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
                self._raised(exc)
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
        if not _is_called_by(self._reading):
            return False
        self._session.stop()
        self._stopped, self._swallowed = True, _is_open(connection)
        return True

    def sent(self, given: Iterable[object]) -> None:
        """Notes the arguments of a method that sends."""
        for each in given:
            self._session.on_sent(each)

    def _raised(self, exc: BaseException) -> None:
        if isinstance(exc, StopAsyncIteration) and self._was_cancelled():
            # The SDK has swallowed it: to the caller it looks as if all had been said.
            exc = KeyboardInterrupt()
        super()._raised(exc)

    def _was_cancelled(self) -> bool:
        cancelled = _cancellations()
        if self._thrown:
            return True
        if cancelled is None or self._began_with is None:
            # Python 3.10 does not count. There, the SDK closes a websocket that is open, and raises
            # nothing, only when it was cancelled.
            return self._swallowed
        return cancelled > self._began_with


def _is_called_by(generators: list[Any]) -> bool:
    """Returns whether the code of one of these generators runs now, and has called this.

    ``ag_await`` would tell it, too. But CPython 3.11 and 3.12 crash if it is read while the
    generator runs: they take a counter beside its bytecode for an instruction.
    """
    frames = [each.ag_frame for each in generators]
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] -- as `logging` does
    while frame is not None:
        if any(frame is each for each in frames):
            return True
        frame = frame.f_back
    return False


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
