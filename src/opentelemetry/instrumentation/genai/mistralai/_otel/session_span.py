# SPDX-License-Identifier: Apache-2.0
"""Starts and ends the span of a realtime session, or without one only counts its tokens."""

from __future__ import annotations

from typing import Final

from opentelemetry.context import Context

from .. import _log
from .. import _names as s
from .._recording.ending import Ending
from .client_span import Call
from .ends_once import Plan
from .plans import measurements, plan_of

# Sessions have none of these metrics: one of hours would spoil every percentile.
NOT_MEASURED: Final = frozenset({
    s.METRIC_DURATION, s.METRIC_LATEST_DURATION, s.METRIC_TOKEN_USAGE,
    s.METRIC_LATEST_INPUT_TOKENS,
})  # fmt: skip


class SessionCall(Call):
    """Holds one session, from its handshake to its one end.

    It has a span of its own even inside another library's, which ends before the session may.
    """

    __slots__ = ()

    def start(self) -> None:
        """Starts the span, unless sessions are to have none."""
        self.request.recorded_elsewhere = NOT_MEASURED
        if self.telemetry.options.session_spans:
            super().start()
        else:
            del self.request.attributes

    def plan(self, ending: Ending, ended: int, context: Context) -> Plan:
        """Returns the steps that end the session; the last item runs first."""
        if self.span is not None:
            return plan_of(self, ending, ended, context)
        try:
            return measurements(self.telemetry.instruments, self.request, ending, 0.0, context)
        except Exception as exc:  # noqa: BLE001 -- the session must end even if a meter fails
            _log.report("measure a session", exc)
            return []
