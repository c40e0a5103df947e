# SPDX-License-Identifier: Apache-2.0
"""Ends the calls that their callers do not end: dropped ones, and those that are open at exit.

* A dropped stream may be noticed inside the garbage collector, inside OpenTelemetry's own locks: a
  span that is ended there deadlocks (reproduced with OpenTelemetry's metrics). So a dropped call
  goes into a deque. Whichever comes first ends it: a thread of ours, the next call, the next event
  whose time is read, or the exit.
* At exit, `atexit` ends what is still open. Its handlers run last in, first out. Ours is registered
  when a configuration's first call finds a provider, which is after the provider's own: so it runs
  before the provider shuts down. Before Python 3.14, `atexit` never frees an unregistered handler:
  registering at each call would leak.
* After a fork the child has the parent's open calls in its memory, but they are the parent's:
  `after_fork` empties the child's table, so nothing in the child can end them.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections import deque
from typing import Any, Final

from .. import _log
from .dropped import Waker, Watch
from .ends_once import EndsOnce
from .open_span import OpenSpan


class OpenCalls(EndsOnce):
    """Holds the open calls, and those that were dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped: deque[Any] = deque()
        """Holds dropped calls, or the watches that reported them; true if there are any."""
        self._waker = Waker(self.dropped, self._end_dropped)
        # `watch` has a call ended when the object through which its caller reads is collected.
        self.watch = self._waker.watch

    def end_all_at_exit(self) -> None:
        """Registers `end_all`, so that it runs before every exit handler registered so far."""
        self._waker.start()
        atexit.unregister(self.end_all)
        atexit.register(self.end_all)

    def drop(self, call: OpenSpan) -> None:
        """Hands over a call that must not be ended here.

        It is safe inside the garbage collector: it uses no lock, no logging, no OpenTelemetry.
        """
        self.dropped.append(call)
        self._waker.wake()

    def end_dropped(self) -> None:
        """Ends the dropped calls, in the thread of a call.

        Raises:
            BaseException: what a signal's handler raised meanwhile: it must reach the caller.
        """
        while self.dropped:
            call = self._take()
            try:
                if call is not None:
                    self._end(call)
            except BaseException:
                self._end_quietly(call)
                raise

    def _end_dropped(self) -> None:
        """Ends the dropped calls in our own thread, whatever is raised meanwhile."""
        while self.dropped:
            self._end_quietly(self._take())

    def _take(self) -> OpenSpan | None:
        try:
            item = self.dropped.popleft()
        except IndexError:
            # Another thread has taken the last one.
            return None
        call: OpenSpan = item.call if isinstance(item, Watch) else item
        return call

    def end_all(self) -> None:
        """Ends every open call at exit, after the thread has ended the dropped ones."""
        self._waker.stop()
        for call in list(self._open):
            self._end_quietly(call)
        self.dropped.clear()

    def _end(self, call: OpenSpan) -> None:
        """Ends a call, and logs what its hooks raise."""
        if call not in self._open:
            return
        try:
            if call in self._plans:
                self.resume(call)
            else:
                call.dropped()
        except (Exception, SystemExit) as exc:  # noqa: BLE001 -- other calls must end, too
            _log.report("end an open call", exc)
            if call in self._open:
                call.give_up()

    def _end_quietly(self, call: OpenSpan | None) -> None:
        """Ends a call, and lets nothing out that a hook, a log handler or a signal raises."""
        for _ in range(3):
            try:
                if call is not None:
                    self._end(call)
                return
            except BaseException as exc:  # noqa: BLE001 -- the next try goes on where this one stopped
                with contextlib.suppress(BaseException):
                    _log.report("end an open call", exc)

    def after_fork(self) -> None:
        """Empties the table in the child, and forgets the parent's thread."""
        self._open.clear()
        self._plans.clear()
        self.dropped.clear()
        self._waker.after_fork()


open_calls: Final = OpenCalls()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=open_calls.after_fork)
