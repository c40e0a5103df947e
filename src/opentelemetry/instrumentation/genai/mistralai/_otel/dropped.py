# SPDX-License-Identifier: Apache-2.0
"""Notices that a stream was dropped, without running a line of Python where that happens.

A finalizer may run inside the garbage collector, inside a lock of OpenTelemetry, and while a signal
waits to be handled. The handler of such a signal runs in the first line of Python that the
collector calls, and the interpreter discards what it raises there: a ``__del__`` of ours swallowed
Ctrl-C. So a stream has no ``__del__``: a weak reference's callback consists of C functions only. It
puts the call into a deque, and starts a thread unless one is starting or running.

``_thread`` starts the first thread, because its function takes no lock; that thread only starts a
``threading.Thread``, which takes two. In a subinterpreter that thread is no daemon: a daemon thread
that outlives its interpreter aborts the process (mod_wsgi, uWSGI). ``start_new_thread`` and
``Thread`` are looked up when they are used: ``gevent.monkey.patch_all()`` makes greenlets of them.
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
    """Refers weakly to the object through which the caller reads, and holds the stream's call."""

    __slots__ = ("call", "other")
    call: Any
    other: Any


class Waker:
    """Ends dropped calls in a thread, which itself ends when it has nothing more to do.

    Args:
        dropped: the dropped calls, and the watches of dropped calls.
        end_dropped: the function that ends them, and raises nothing.
    """

    def __init__(self, dropped: deque[Any], end_dropped: Callable[[], None]) -> None:
        self._dropped = dropped
        self._end_dropped = end_dropped
        self._thread: threading.Thread | None = None
        # Looking up a missing flag calls the default factory, which starts the thread once, in C. A
        # Python function here would run signal handlers inside the collector.
        self._flag: defaultdict[str, object] = defaultdict(self._starter())
        self._wake = partial(self._flag.__getitem__, _FLAG)
        # All open streams share one bound method; binding it in `watch` would cost memory for each.
        self._note = dropped.append
        self._waking: Any = type(
            "_Waking", (weakref.ref,), {"__slots__": (), "wake": staticmethod(self._wake)}
        )

    def watch(self, call: Any, used: object) -> None:
        """Has ``call`` noted as dropped when ``used`` is collected, unless it has ended before."""
        starter: Any = self._flag.default_factory
        if starter is not object and starter.func is not _thread.start_new_thread:
            self._flag.default_factory = self._starter()
        waking = self._waking(used, _WAKE)
        # The interpreter calls the newest reference's callback first: were `told` made before
        # `waking`, the thread would start before the call is noted.
        told = Watch(used, self._note)
        told.call, told.other = call, waking
        call.watch = told

    def wake(self) -> None:
        """Starts the thread, unless it is starting or running."""
        try:
            self._wake()
        except RuntimeError:
            # The interpreter is exiting, or is out of threads: the next call ends the dropped one.
            pass

    def stop(self) -> None:
        """Starts no more threads, and waits a second at most for the running one."""
        self._flag.default_factory = object
        until = time.monotonic() + 1.0
        while isinstance(self._flag.get(_FLAG), int) and time.monotonic() < until:
            time.sleep(0.001)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, until - time.monotonic()))
            # The thread that started it may still be running its last line: this waits for that.
            time.sleep(0.001)

    def start(self) -> None:
        """Allows threads to start again, if `stop` has forbidden it."""
        if self._flag.default_factory is object:
            self.after_fork()

    def after_fork(self) -> None:
        """Forgets the parent's thread, which a fork does not copy."""
        self._thread = None
        self._flag.default_factory = self._starter()
        self._flag.pop(_FLAG, None)

    def _starter(self) -> Any:
        return partial(_thread.start_new_thread, self._bootstrap, ())

    def _bootstrap(self) -> None:
        try:
            if _thread.start_new_thread is not _native_start:
                # gevent or eventlet has patched `_thread`: nothing would switch to a further thread
                # started from here.
                self._run()
                return
            thread = threading.Thread(
                target=self._run, name="otel-mistralai", daemon=not _in_subinterpreter()
            )
            thread.start()
            self._thread = thread
        except BaseException as exc:  # noqa: BLE001 -- without threads, the next drop tries again
            self._flag.pop(_FLAG, None)
            # A greenlet runs in the main thread, where signals are handled: what their handlers
            # raise must not be swallowed.
            _log.let_signals_pass(exc)

    def _run(self) -> None:
        me = threading.get_ident()
        while True:
            try:
                self._end_dropped()
            finally:
                self._flag.pop(_FLAG, None)
            # A call that was dropped meanwhile found the flag and started no thread: without this
            # check it would stay open.
            if not self._dropped or self._flag.setdefault(_FLAG, me) != me:
                return


def _in_subinterpreter() -> bool:
    """Returns whether this is a subinterpreter, where a daemon thread may abort the process."""
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            found: Any = importlib.import_module(name).get_current()
        except Exception as exc:  # noqa: BLE001 -- this Python has no subinterpreters
            _log.let_signals_pass(exc)
            continue
        # `get_current` returns an id, since Python 3.13 an id and its origin.
        return int(found[0] if hasattr(found, "__getitem__") else found) != 0
    return False


_WAKE: Final[Any] = methodcaller("wake")
