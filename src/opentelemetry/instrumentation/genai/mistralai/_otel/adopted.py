# SPDX-License-Identifier: Apache-2.0
"""Records calls inside another library's inference: on that library's span, with our counters.

An adopted call looks like any other to its recorder. At its end it adds to the host's span the
attributes that the host has not set; it sets no status, no content, and never ends that span.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from opentelemetry.context import Context

from .. import _log
from .. import _names as s
from .._recording.ending import Ending
from .._recording.steps import Step
from .client_span import Call
from .ends_once import Plan
from .hosts import Host, find_host
from .opt_in import hook_action
from .plans import measurements
from .surroundings import Called

if TYPE_CHECKING:
    from .._reading.requests import Request
    from .telemetry import Telemetry


def begin_call(telemetry: Telemetry, request: Request, called: Called, context: Context) -> Call:
    """Begins a call, with a span of its own or in the span that another library has opened."""
    host = find_host(context, request, telemetry)
    if host is None:
        return Call(telemetry, request, called, context)
    request.recorded_elsewhere = host.recorded
    kind = AdoptedCall if host.adopts else CallAgain
    return kind(telemetry, request, called, context, host)


class HostedCall(Call):
    """Holds a call that another library's inference is around."""

    __slots__ = ("_host",)

    def __init__(
        self, telemetry: Telemetry, request: Request, called: Called, parent: Context, host: Host
    ) -> None:
        self._host = host
        super().__init__(telemetry, request, called, parent)


class CallAgain(HostedCall):
    """Records a framework's second request under one framework span: a retry, or another model.

    It has a span of its own, because the host's span describes the first request. It records no
    metric that the framework records itself: see `RECORDED_BY`.
    """

    __slots__ = ()

    def plan(self, ending: Ending, ended: int, context: Context) -> Plan:
        """Returns the actions that end the call; the last item runs first."""
        plan = super().plan(ending, ended, context)
        plan.append(partial(_give_back_seat, self._host, ending))
        return plan


class AdoptedCall(HostedCall):
    """Records a call without a span of its own, on its host's span."""

    __slots__ = ()

    def start(self) -> None:
        """Starts no span, and uses the host's."""
        self.span = self._host.span
        self.recording = self._host.span.is_recording()

    def step(self, step: Step) -> None:
        """Does nothing: only conversations have steps, and these are never adopted."""

    def plan(self, ending: Ending, ended: int, context: Context) -> Plan:
        """Returns the actions that inform the host and count; the last item runs first."""
        plan: Plan = []
        try:
            seconds = (ended - self.started) / 1e9
            plan = measurements(self.telemetry.instruments, self.request, ending, seconds, context)
        except Exception as exc:  # noqa: BLE001 -- the host must be informed even if a meter fails
            _log.report("measure a call", exc)
        if self._host.span.is_recording():
            plan += hook_action(self.telemetry, self._host.span, ending)
        plan.append(partial(self._tell, ending))
        plan.append(partial(_give_back_seat, self._host, ending))
        return plan

    def _tell(self, ending: Ending) -> None:
        attributes = ending.attributes
        if ending.failure is not None and s.ERROR_CODE in ending.failure.attributes:
            attributes[s.ERROR_CODE] = ending.failure.attributes[s.ERROR_CODE]
        self._host.tell(self.request.attributes, attributes)


def _give_back_seat(host: Host, ending: Ending) -> None:
    if host.seat is not None and ending.failure is not None:
        host.seat.give_back()
