# SPDX-License-Identifier: Apache-2.0
"""Makes the INTERNAL spans: steps on the server, agent loops and local tools."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode

from .. import _log
from .. import _names as s
from .._reading.fields import AttributeValue
from .._recording.steps import Step
from .ends_once import Plan, carry_out
from .surroundings import SPAN

if TYPE_CHECKING:
    from .telemetry import Telemetry


class ChildSpan:
    """Holds an INTERNAL span; the duration of a tool's span is a metric, too.

    Attributes:
        context: the context in which the span is the current one, once it has started.
    """

    __slots__ = (
        "_attributes", "_name", "_plan", "_siblings", "_span", "_started", "_telemetry", "context",
    )  # fmt: skip

    def __init__(
        self,
        telemetry: Telemetry,
        name: str,
        attributes: Mapping[str, AttributeValue],
        started: int,
        parent: Context,
        siblings: list[ChildSpan] | None = None,
    ) -> None:
        """Describes a span from ``started`` on, ns since the epoch; `start` makes it.

        The span is in ``siblings`` while it is open: if an interrupt hits its start or its end, the
        end of the span around it ends it.
        """
        self._telemetry = telemetry
        self._name = name
        self._attributes = attributes
        self._started = started
        self.context = parent
        self._span: Any = None
        self._plan: Plan | None = None
        self._siblings = siblings
        if siblings is not None:
            siblings.append(self)

    def start(self) -> None:
        """Starts the span."""
        # An interrupt between start and assignment would leave the span open: keep one statement.
        self._span = self._telemetry.tracer.start_span(
            self._name, self.context, SpanKind.INTERNAL, self._attributes, (), self._started
        )
        self.context = Context({**self.context, SPAN: self._span})

    @property
    def is_open(self) -> bool:
        """Returns whether the span has started and not ended."""
        return self._span is not None and self._plan is None

    def plan(
        self,
        at: int,
        error_type: str | None = None,
        learned: Mapping[str, AttributeValue] | None = None,
        exception: BaseException | None = None,
        *,
        log: bool = False,
    ) -> Plan:
        """Returns the actions that end the span; the last item runs first.

        Args:
            at: the end, ns since the epoch.
            error_type: why the span is an ERROR, None if it is not.
            learned: attributes that were not known at the start.
            exception: the exception to record, if any.
            log: whether the exception is recorded as a log event, too.
        """
        span, attributes, telemetry = self._span, self._attributes, self._telemetry
        if span is None:
            return []
        # All recorded times are whole microseconds: see `all_clocks`.
        at = max(at - at % 1000, self._started)
        plan: Plan = [partial(span.end, at)]
        # A handoff has no tool type, and its duration must not count as a tool's.
        if s.TOOL_TYPE in attributes:
            seconds = (at - self._started) / 1e9
            try:
                instruments = telemetry.instruments
                plan.append(instruments.of_tool(attributes, error_type, seconds, self.context))
            except Exception as exc:  # noqa: BLE001 -- the span must end even if a meter fails
                _log.report("measure a tool", exc)
        if exception is not None:
            inside = max(self._started, at - 1000)
            plan.append(
                partial(telemetry.record_exception, span, exception, inside, self.context, log=log)
            )
        if error_type is not None:
            plan.append(partial(span.set_attribute, s.ERROR_TYPE, error_type))
            plan.append(partial(span.set_status, StatusCode.ERROR, error_type))
        if learned:
            plan.append(partial(span.set_attributes, learned))
        return plan

    def end(self, at: int, error_type: str | None = None) -> None:
        """Ends the span at ``at``, ns since the epoch, or finishes an interrupted end."""
        if self._plan is None:
            self._plan = self.plan(at, error_type)
        carry_out(self._plan)
        if self._siblings is not None and self in self._siblings:
            self._siblings.remove(self)


class Parent(Protocol):
    """Describes an open call, as the spans inside it see it."""

    telemetry: Telemetry
    children: list[ChildSpan] | None

    @property
    def context(self) -> Context:
        """Returns the caller's context at the call's start, with the span in it."""
        ...


def record_step(call: Parent, step: Step) -> None:
    """Starts the span of a step inside a call, and ends it if the step has ended.

    An agent's work comes twice: its span has to exist before those of its tools.
    """
    try:
        span: ChildSpan | None = step.span
        if span is None:
            outer: ChildSpan | None = step.inside.span if step.inside is not None else None
            inside = outer.context if outer is not None and outer.is_open else call.context
            if call.children is None:
                call.children = []
            started = step.started - step.started % 1000
            span = step.span = ChildSpan(
                call.telemetry, step.name, step.attributes, started, inside, call.children
            )
            span.start()
        if step.ended is not None:
            span.end(step.ended, step.error_type)
    except Exception as exc:  # noqa: BLE001 -- the call's own span must go on
        _log.report("record a step", exc)
