# SPDX-License-Identifier: Apache-2.0
"""Ends each call once, whatever interrupts the end, and whichever thread goes on with it.

A *plan* ends a call: it lists the actions that are still to be done, the span's end last. The
thread whose plan is stored first ends the call. Each action is taken out before it runs, so that
none runs twice. There is no lock, because one operation of a dict or a list does what must happen
once: a lock from before a late ``gevent.monkey.patch_all()`` would hang whole workers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from .. import _log
from .open_span import OpenSpan

Plan = list[Callable[[], object]]


class EndsOnce:
    """Holds the open calls, and the plans of those that are being ended."""

    def __init__(self) -> None:
        self._open: dict[OpenSpan, None] = {}
        # `add` registers an open call, so that it is ended at exit if nothing else ends it.
        self.add: Callable[[OpenSpan], None] = self._open.setdefault
        self._plans: dict[OpenSpan, Plan] = {}

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
            plan: the actions to run; it is empty afterwards.
            context: the call's context, which is current meanwhile.

        Returns:
            False if the call had ended, or belongs to another process: then no action runs.

        Raises:
            BaseException: what interrupted an action; those after it run all the same.
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


def carry_out(plan: Plan, context: Context | None = None) -> None:
    """Runs each action of a plan, the last one first; one that fails stops no other.

    Args:
        plan: the actions to run; each is taken out.
        context: becomes the current context, because log processors and hooks read that one. It
            stays current: the caller runs this function in a copy of its own context.

    Raises:
        BaseException: what interrupted an action, after the others have run.
    """
    try:
        if context is not None:
            otel_context.attach(context)
        while plan:
            try:
                # One line must do both: an interrupt between two lines would lose an action.
                plan.pop()()
            except Exception as exc:  # noqa: BLE001 -- the other actions must run, too
                _log.report("end a call", exc)
    finally:
        # An interrupt, or a hook that wants to exit, must not leave the span open.
        if plan:
            carry_out(plan)
