# SPDX-License-Identifier: Apache-2.0
"""Calls inside somebody else's inference: the facts go to their span, the counts stay ours.

An adopted call looks like any other to its recorder. Of what it knows at the end it adds to the
host what the host does not say itself; it sets no status, no content, and never ends their span.
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
from .context import Called
from .hosts import Host, find_host
from .open_calls import Plan
from .plans import hook_step

if TYPE_CHECKING:
    from .._reading.requests import Request
    from .telemetry import Telemetry


def open_call(telemetry: Telemetry, request: Request, called: Called, context: Context) -> Call:
    """Makes a call: with a span of its own, or in the span that somebody else has opened."""
    host = find_host(context, request, telemetry)
    if host is None:
        return Call(telemetry, request, called, context)
    request.recorded_elsewhere = host.recorded
    kind = AdoptedCall if host.adopts else CallAgain
    return kind(telemetry, request, called, context, host)


class CallAgain(Call):
    """A framework's second request under one span of its own: a retry, or another model.

    It has a span, since the host's one tells of the first request; but the tokens of the request
    that answers are the framework's to count.
    """

    __slots__ = ("_host",)

    def __init__(
        self, telemetry: Telemetry, request: Request, called: Called, parent: Context, host: Host
    ) -> None:
        self._host = host
        super().__init__(telemetry, request, called, parent)

    def plan(self, ending: Ending, ended: int, context: Context) -> Plan:
        """What is to be done at the end; the last item comes first."""
        plan = super().plan(ending, ended, context)
        plan.append(partial(_give_back_seat, self._host, ending))
        return plan


class AdoptedCall(CallAgain):
    """A call without a span of its own, from its begin to its one end."""

    __slots__ = ()

    def start(self) -> None:
        """Starts no span: the host's is there."""
        self.span = self._host.span
        self.recording = self._host.span.is_recording()

    def step(self, step: Step) -> None:
        """Makes nothing: only conversations have steps inside, and these are never adopted."""

    def plan(self, ending: Ending, ended: int, context: Context) -> Plan:
        """What is to be told to the host, and counted; the last item comes first."""
        steps: Plan = []
        try:
            seconds = (ended - self.started) / 1e9
            steps += reversed(
                self.telemetry.instruments.of_call(self.request, ending, seconds, context)
            )
        except Exception as exc:  # noqa: BLE001 -- somebody's meter; the host is told all the same
            _log.report("measure a call", exc)
        if self._host.span.is_recording():
            steps += hook_step(self.telemetry, self._host.span, ending)
        steps.append(partial(self._tell, ending))
        steps.append(partial(_give_back_seat, self._host, ending))
        return steps

    def _tell(self, ending: Ending) -> None:
        attributes = ending.attributes
        if ending.failure is not None and s.ERROR_CODE in ending.failure.attributes:
            attributes[s.ERROR_CODE] = ending.failure.attributes[s.ERROR_CODE]
        self._host.tell(self.request.attributes, attributes)


def _give_back_seat(host: Host, ending: Ending) -> None:
    if host.seat is not None and ending.failure is not None:
        host.seat.give_back()
