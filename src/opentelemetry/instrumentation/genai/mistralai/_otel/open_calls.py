# SPDX-License-Identifier: Apache-2.0
"""The calls whose spans are open in this process: each is ended once, also when nobody does.

* A call is ended by a *plan*: a list of what is still to be done, the span's end last. Whoever
  installs the plan has ended the call. Each step is taken out before it runs, so that none runs
  twice, whatever interrupts it and whichever thread goes on with the rest.
* A dropped stream may be noticed inside the garbage collector, inside OpenTelemetry's own locks: a
  span that is ended there deadlocks (reproduced with the metrics SDK). So a dropped call goes into
  a deque, and is ended by a thread that lives for no longer than that, by the next call, by the
  next event that is more than a piece of a message, or at exit, whichever comes first.
* At exit, `atexit` ends what is still open. Its handlers run last in, first out, so ours is
  registered when a configuration's first call finds a provider: after the provider's, hence before
  that shuts down. Not at each call: before Python 3.14 an unregistered handler's place is never
  freed, so registering at each call would leak.
* After a fork the child has the parent's open calls in its memory, but they are the parent's:
  its table is emptied, so nothing in the child can end them.

There is no lock here and none is needed: each step that must happen once is one operation of a
dict or a list. A lock that was made before a late ``gevent.monkey.patch_all()`` hangs
whole workers.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Final, Protocol

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from .. import _log
from .dropped import Waker, Watch

Plan = list[Callable[[], object]]


class Abandoned(Protocol):
    """What knows how to end a span that everybody forgot."""

    def dropped(self) -> None:
        """Ends the span, unless it has ended."""


class OpenSpan(Abandoned, Protocol):
    """A call, a loop or a local tool whose span is open.

    Attributes:
        context: the caller's when it started, with the span in it.
        watch: is kept for as long as the span is open; see `dropped`.
    """

    watch: object

    @property
    def context(self) -> Context:
        """As above."""
        ...

    def give_up(self) -> None:
        """Ends the span with what little is known."""


class OpenCalls:
    """A table of open calls, and the plans of those that are being ended."""

    def __init__(self) -> None:
        self._open: dict[OpenSpan, None] = {}
        # Notes an open call, so that it is ended at exit if nothing else ends it.
        self.add: Callable[[OpenSpan], None] = self._open.setdefault
        self._plans: dict[OpenSpan, Plan] = {}
        self.dropped: deque[Any] = deque()
        """Calls that everybody forgot, or the watches that tell so; true if there are any."""
        self._waker = Waker(self.dropped, self._end_dropped)
        # Ends a call when that through which the caller reads its stream is collected.
        self.watch = self._waker.watch

    def end_all_at_exit(self) -> None:
        """Registers for the interpreter's exit, before whatever is registered now."""
        self._waker.start()
        atexit.unregister(self.end_all)
        atexit.register(self.end_all)

    def any(self) -> bool:
        """Whether a call is open."""
        return bool(self._open)

    def __contains__(self, call: OpenSpan) -> bool:
        """Whether a call is open and not about to end, and this process's."""
        return call in self._open and call not in self._plans

    def end(self, call: OpenSpan, plan: Plan, context: Context) -> bool:
        """Ends a call by this plan, of which the last item is done first.

        Args:
            call: whose plan it is.
            plan: what is to be done; it is empty afterwards.
            context: the call's, which is current meanwhile.

        Returns:
            False if the call had ended, or is another process's: then nothing of the plan is done.

        Raises:
            BaseException: what interrupted a step; the steps after it are done all the same.
        """
        if call not in self._open or self._plans.setdefault(call, plan) is not plan:
            return False
        if call not in self._open:
            # Another thread ended it between the two look-ups.
            self._plans.pop(call, None)
            return False
        call.watch = None
        try:
            # In a copy of the context, so that no interrupt can leave the call's in the caller's.
            copy_context().run(carry_out, plan, context)
        finally:
            if not plan:
                self._open.pop(call, None)
                self._plans.pop(call, None)
        return True

    def resume(self, call: OpenSpan) -> None:
        """Goes on with the end of a call that was interrupted."""
        plan = self._plans.get(call)
        if plan is not None:
            copy_context().run(carry_out, plan, call.context)
        self._open.pop(call, None)
        self._plans.pop(call, None)

    def drop(self, call: OpenSpan) -> None:
        """Hands over a call that may not be ended here.

        Safe inside the garbage collector: no lock, no logging, nothing of OpenTelemetry.
        """
        self.dropped.append(call)
        self._waker.wake()

    def end_dropped(self) -> None:
        """Ends what was dropped, in the thread of a call.

        Raises:
            BaseException: what a signal's handler raised meanwhile, which is the caller's.
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
        """Ends what was dropped, in a thread of ours, which nothing may stop."""
        while self.dropped:
            self._end_quietly(self._take())

    def _take(self) -> OpenSpan | None:
        try:
            item = self.dropped.popleft()
        except IndexError:
            # Another thread was faster.
            return None
        call: OpenSpan = item.call if isinstance(item, Watch) else item
        return call

    def end_all(self) -> None:
        """Ends every open call, at exit, after the thread is done with those that were dropped."""
        self._waker.stop()
        for call in list(self._open):
            self._end_quietly(call)
        self.dropped.clear()

    def _end(self, call: OpenSpan) -> None:
        """Ends a call; whatever its hooks raise is logged."""
        if call not in self._open:
            return
        try:
            if call in self._plans:
                self.resume(call)
            else:
                call.dropped()
        except (Exception, SystemExit) as exc:  # noqa: BLE001 -- hooks may do anything; others wait
            _log.report("end an open call", exc)
            if call in self._open:
                call.give_up()

    def _end_quietly(self, call: OpenSpan | None) -> None:
        """Ends a call, whatever is raised meanwhile, by a hook, a log handler or a signal."""
        for _ in range(3):
            try:
                if call is not None:
                    self._end(call)
                return
            except BaseException as exc:  # noqa: BLE001 -- a second try goes on where this stopped
                with contextlib.suppress(BaseException):
                    _log.report("end an open call", exc)

    def after_fork(self) -> None:
        """Makes the table the child's own: empty, and without the parent's thread."""
        self._open.clear()
        self._plans.clear()
        self.dropped.clear()
        self._waker.after_fork()


def carry_out(plan: Plan, context: Context | None = None) -> None:
    """Does each step of a plan, the last one first; one that fails costs only itself.

    Args:
        plan: what is to be done; each step is taken out.
        context: is made the current one, in a copy that whoever calls this has made: log processors
            and hooks look at the current context, and not at the one that they are given.

    Raises:
        BaseException: what interrupted a step, after the others were done.
    """
    try:
        if context is not None:
            otel_context.attach(context)
        while plan:
            try:
                # On one line: an interrupt comes before a step is taken out, or inside of it.
                plan.pop()()
            except Exception as exc:  # noqa: BLE001 -- somebody's provider, or the user's hook
                _log.report("end a call", exc)
    finally:
        # An interrupt, or a hook that wants to exit, must not leave the span open.
        if plan:
            carry_out(plan)


open_calls: Final = OpenCalls()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=open_calls.after_fork)
