# SPDX-License-Identifier: Apache-2.0
"""Holds the calls whose spans are open in this process, and ends each of them once.

* A *plan* ends a call: it lists what is still to be done, the span's end last. The thread that
  installs the plan has ended the call. Each step is taken out before it runs, so that none runs
  twice, whatever interrupts it and whichever thread goes on with the rest.
* A dropped stream may be noticed inside the garbage collector, inside OpenTelemetry's own locks: a
  span that is ended there deadlocks (reproduced with the metrics SDK). So a dropped call goes into
  a deque. A thread that lives only for this ends it, or the next call, the next event that is more
  than a further chunk of a message, or the exit, whichever comes first.
* At exit, `atexit` ends what is still open. Its handlers run last in, first out, so ours is
  registered when a configuration's first call finds a provider: after the provider's, hence before
  that shuts down. Before Python 3.14, `atexit` never frees an unregistered handler: registering at
  each call would leak.
* After a fork the child has the parent's open calls in its memory, but they are the parent's:
  `after_fork` empties the child's table, so nothing in the child can end them.

This module has no lock and needs none: each step that must happen once is one operation of a dict
or a list. A lock that was made before a late ``gevent.monkey.patch_all()`` would hang whole
workers.
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
    """Describes an object that can end the span of a dropped call."""

    def dropped(self) -> None:
        """Ends the span, unless it has ended."""


class OpenSpan(Abandoned, Protocol):
    """Describes a call, a loop or a local tool whose span is open.

    Attributes:
        context: the caller's context at the start, with the span in it.
        watch: the weak reference that reports a dropped stream, while it is kept; see `dropped`.
    """

    watch: object

    @property
    def context(self) -> Context:
        """Returns the caller's context at the start, with the span in it."""
        ...

    def give_up(self) -> None:
        """Ends the span without asking its recorder: that has failed."""


class OpenCalls:
    """Holds the open calls, and the plans of those that are being ended."""

    def __init__(self) -> None:
        self._open: dict[OpenSpan, None] = {}
        # `add` registers an open call, so that it is ended at exit if nothing else ends it.
        self.add: Callable[[OpenSpan], None] = self._open.setdefault
        self._plans: dict[OpenSpan, Plan] = {}
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

    def any(self) -> bool:
        """Returns whether any call is open."""
        return bool(self._open)

    def __contains__(self, call: OpenSpan) -> bool:
        """Returns whether a call is open, is not being ended, and belongs to this process."""
        return call in self._open and call not in self._plans

    def end(self, call: OpenSpan, plan: Plan, context: Context) -> bool:
        """Ends a call by this plan, whose last item runs first.

        Args:
            call: the call to end.
            plan: the steps to run; it is empty afterwards.
            context: the call's context, which is current meanwhile.

        Returns:
            False if the call had ended, or belongs to another process: then no step runs.

        Raises:
            BaseException: what interrupted a step; the steps after it run all the same.
        """
        if call not in self._open or self._plans.setdefault(call, plan) is not plan:
            return False
        if call not in self._open:
            # Another thread ended it between the two look-ups.
            self._plans.pop(call, None)
            return False
        call.watch = None
        try:
            # Without the copy an interrupt could leave the call's context current for the caller.
            copy_context().run(carry_out, plan, context)
        finally:
            if not plan:
                self._open.pop(call, None)
                self._plans.pop(call, None)
        return True

    def resume(self, call: OpenSpan) -> None:
        """Finishes the end of a call that was interrupted."""
        plan = self._plans.get(call)
        if plan is not None:
            copy_context().run(carry_out, plan, call.context)
        self._open.pop(call, None)
        self._plans.pop(call, None)

    def drop(self, call: OpenSpan) -> None:
        """Hands over a call that may not be ended here.

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


def carry_out(plan: Plan, context: Context | None = None) -> None:
    """Runs each step of a plan, the last one first; a step that fails stops no other step.

    Args:
        plan: the steps to run; each is taken out.
        context: becomes the current context, because log processors and hooks read the current one
            and not the one that they are given. The caller runs this function in a copy.

    Raises:
        BaseException: what interrupted a step, after the others have run.
    """
    try:
        if context is not None:
            otel_context.attach(context)
        while plan:
            try:
                # One line must do both: an interrupt between two lines would lose a step.
                plan.pop()()
            except Exception as exc:  # noqa: BLE001 -- the other steps must run, too
                _log.report("end a call", exc)
    finally:
        # An interrupt, or a hook that wants to exit, must not leave the span open.
        if plan:
            carry_out(plan)


open_calls: Final = OpenCalls()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=open_calls.after_fork)
