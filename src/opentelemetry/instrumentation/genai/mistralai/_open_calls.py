# SPDX-License-Identifier: Apache-2.0
"""The calls whose spans are open in this process: each is ended once, also when nobody does.

* A stream that is dropped is noticed in ``__del__``, and a coroutine that is dropped by a
  GeneratorExit in it. Both may run inside the garbage collector, inside OpenTelemetry's own locks:
  a span that is ended there deadlocks (reproduced with the metrics SDK). So `drop` only puts the
  call into a ``queue.SimpleQueue``, whose ``put`` is reentrant; a daemon thread ends the span.
  So it is with a stream that is closed by a generator around it, when that is collected: it has no
  sign of its own (``yield from`` calls ``close()``), so the collector tells us that it runs.
* At exit, `atexit` ends what is still open. Its handlers run last in, first out, so ours is
  registered when a configuration's first call finds a provider: after the provider's, hence before
  that shuts down. Not at each call: before 3.14 an unregistered handler's place is never freed.
* After a fork the child has the parent's open calls in its memory, but they are the parent's:
  its table is emptied, so nothing in the child can claim them.
"""

from __future__ import annotations

import atexit
import gc
import os
from queue import SimpleQueue
from threading import Event, RLock, Thread, get_ident
from typing import Final, Protocol

from . import _guard


class Abandoned(Protocol):
    """What knows how to end a span that everybody forgot."""

    def abandon(self) -> None:
        """Ends the span, unless it has ended."""


class _Last:
    def __init__(self) -> None:
        self.reached = Event()

    def abandon(self) -> None:
        self.reached.set()


class OpenCalls:
    """A table of open calls; who takes a call out of it is the one who may end its span."""

    def __init__(self) -> None:
        self._open: dict[Abandoned, bool] = {}
        self._dropped: SimpleQueue[Abandoned] = SimpleQueue()
        self._collector: int | None = None
        self._thread: Thread | None = None
        self._lock = RLock()

    def end_all_at_exit(self) -> None:
        """Registers for the interpreter's exit, before whatever is registered now."""
        atexit.unregister(self.end_all)
        atexit.register(self.end_all)

    def add(self, call: Abandoned) -> None:
        """Notes an open call, which is told when it was dropped, or the interpreter exits."""
        self._open[call] = True
        if self._thread is None:
            self._start_thread()

    @property
    def collecting(self) -> bool:
        """Whether this is called by a finalizer, inside the garbage collector."""
        return self._collector is not None and self._collector == get_ident()

    def on_collection(self, phase: str, _info: object) -> None:
        """Is told by the garbage collector when it starts and stops, in the thread it runs in."""
        self._collector = get_ident() if phase == "start" else None

    def any(self) -> bool:
        """Whether a call is open."""
        return bool(self._open)

    def __contains__(self, call: Abandoned) -> bool:
        """Whether a call is open, and this process's."""
        return call in self._open

    def claim(self, call: Abandoned) -> bool:
        """Takes a call out; True for one caller only, and never in a forked child."""
        # One dict operation, so that two threads cannot both get it and none needs a lock.
        return self._open.pop(call, False)

    def drop(self, forgotten: Abandoned) -> None:
        """Hands a call that nobody refers to any more to the thread.

        Safe inside the garbage collector: no lock, no logging, nothing of OpenTelemetry.
        """
        self._dropped.put(forgotten)

    def end_all(self) -> None:
        """Ends every open call, at exit, and waits for the one that the thread is about to end."""
        for forgotten in list(self._open):
            _end(forgotten)
        if self._thread is not None and self._thread.is_alive():
            # The thread takes turns: when it comes to this, it is done with what it had claimed,
            # which the provider would otherwise not see any more before it shuts down.
            last = _Last()
            self._dropped.put(last)
            last.reached.wait(timeout=1)

    def _start_thread(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            if self.on_collection not in gc.callbacks:
                gc.callbacks.append(self.on_collection)
            self._thread = Thread(target=self._end_dropped, name="otel-mistralai", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as exc:
                # The interpreter is exiting, or is out of threads: atexit still ends what is open.
                self._thread = None
                _guard.report("start a thread", exc)

    def _end_dropped(self) -> None:
        dropped = self._dropped
        while True:
            _end(dropped.get())

    def after_fork(self) -> None:
        """Makes the table the child's own: empty, without a thread, with fresh locks."""
        self._open.clear()
        self._dropped = SimpleQueue()
        self._thread = None
        self._lock = RLock()


def _end(forgotten: Abandoned) -> None:
    try:
        forgotten.abandon()
    except BaseException as exc:  # noqa: BLE001 -- a hook that exits must not stop the others' end
        _guard.report("end an open call", exc)


open_calls: Final = OpenCalls()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=open_calls.after_fork)
