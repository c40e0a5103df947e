# SPDX-License-Identifier: Apache-2.0
"""Notices that a stream was dropped, without running a line of Python where that happens.

A finalizer may run inside the garbage collector, inside a lock of OpenTelemetry, and while a signal
waits to be handled. The handler of such a signal runs in the first line of Python that the
collector calls, and what it raises there the interpreter drops: a ``__del__`` of ours swallowed
Ctrl-C. So there is no ``__del__``: a weak reference's callback is made of C functions only. It
notes the call in a deque, and starts a thread unless one is on its way.

The thread is started by ``_thread``, whose function takes no lock, and does nothing but start a
``threading.Thread``, which takes two. In a subinterpreter that one is no daemon: a daemon thread
that outlives its interpreter aborts the process (mod_wsgi, uWSGI). Both names are looked up when
they are used: after ``gevent.monkey.patch_all()`` the thread is a greenlet.
"""

from __future__ import annotations

import _thread
import importlib
import threading
import time
import weakref
from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial
from operator import methodcaller
from typing import Any, Final

from .. import _log

_FLAG: Final = "a thread is on its way"
_native_start: Final = _thread.start_new_thread


class Watch(weakref.ref[Any]):
    """A weak reference to what the caller reads a stream through; it knows the stream's call."""

    __slots__ = ("call", "other")
    call: Any
    other: Any


class Waker:
    """Has dropped calls ended by a thread, which ends when it has nothing more to do.

    Args:
        dropped: the calls, and the watches of calls.
        end_dropped: ends them, and raises nothing.
    """

    def __init__(self, dropped: deque[Any], end_dropped: Callable[[], None]) -> None:
        self._dropped = dropped
        self._end_dropped = end_dropped
        self._thread: threading.Thread | None = None
        # A look-up of the flag, where it is missing, starts the thread: once, and in C.
        self._flag: defaultdict[str, object] = defaultdict(self._starter())
        self._wake = partial(self._flag.__getitem__, _FLAG)
        # Bound once, since each open stream would have its own.
        self._note = dropped.append
        self._waking: Any = type(
            "_Waking", (weakref.ref,), {"__slots__": (), "wake": staticmethod(self._wake)}
        )

    def watch(self, call: Any, used: object) -> None:
        """Notes ``call`` as dropped when ``used`` is collected, while the call keeps its watch."""
        starter: Any = self._flag.default_factory
        if starter is not object and starter.func is not _thread.start_new_thread:
            self._flag.default_factory = self._starter()
        waking = self._waking(used, _WAKE)
        # Made last, because the interpreter calls the newest reference's callback first.
        told = Watch(used, self._note)
        told.call, told.other = call, waking
        call.watch = told

    def wake(self) -> None:
        """Starts the thread, unless it is on its way."""
        try:
            self._wake()
        except RuntimeError:
            # The interpreter is exiting, or is out of threads: the next call ends what was dropped.
            pass

    def stop(self) -> None:
        """Starts no more threads, and waits a second at most for the one that is there."""
        self._flag.default_factory = object
        until = time.monotonic() + 1.0
        while isinstance(self._flag.get(_FLAG), int) and time.monotonic() < until:
            time.sleep(0.001)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, until - time.monotonic()))
            # The thread that started it may have a last step to do, which takes no longer.
            time.sleep(0.001)

    def start(self) -> None:
        """Starts threads again, if they were stopped."""
        if self._flag.default_factory is object:
            self.after_fork()

    def after_fork(self) -> None:
        """Forgets a thread that is the parent's."""
        self._thread = None
        self._flag.default_factory = self._starter()
        self._flag.pop(_FLAG, None)

    def _starter(self) -> Any:
        return partial(_thread.start_new_thread, self._bootstrap, ())

    def _bootstrap(self) -> None:
        try:
            if _thread.start_new_thread is not _native_start:
                # A greenlet, or a native thread among greenlets, for which nobody would switch.
                self._run()
                return
            thread = threading.Thread(
                target=self._run, name="otel-mistralai", daemon=not _in_subinterpreter()
            )
            thread.start()
            self._thread = thread
        except BaseException as exc:  # noqa: BLE001 -- out of threads: the next drop tries again
            self._flag.pop(_FLAG, None)
            # As a greenlet it runs where signals are handled.
            _log.let_signals_pass(exc)

    def _run(self) -> None:
        me = threading.get_ident()
        while True:
            try:
                self._end_dropped()
            finally:
                self._flag.pop(_FLAG, None)
            # One that was dropped meanwhile found the flag, and started nobody.
            if not self._dropped or self._flag.setdefault(_FLAG, me) != me:
                return


def _in_subinterpreter() -> bool:
    """Whether a daemon thread of this interpreter would abort the process when that ends."""
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            found: Any = importlib.import_module(name).get_current()
        except Exception as exc:  # noqa: BLE001 -- a Python without subinterpreters, or of another kind
            _log.let_signals_pass(exc)
            continue
        # An id, or since Python 3.13 an id and where it is from.
        return int(found[0] if hasattr(found, "__getitem__") else found) != 0
    return False


_WAKE: Final[Any] = methodcaller("wake")
