# SPDX-License-Identifier: Apache-2.0
"""Spans inside a call: a tool that ran, an agent at work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation import set_span_in_context

from . import _semconv as s
from ._settings import AttributeValue

if TYPE_CHECKING:
    from ._telemetry import Telemetry


class ChildSpan:
    """An INTERNAL span; of a tool's the duration is a metric, too."""

    __slots__ = ("_attributes", "_span", "_started", "_telemetry", "context", "is_open")

    def __init__(
        self,
        telemetry: Telemetry,
        name: str,
        attributes: Mapping[str, AttributeValue],
        started: int,
        parent: Context,
    ) -> None:
        """Starts the span at ``started``, ns since the epoch."""
        self._telemetry = telemetry
        self._attributes = attributes
        self._started = started
        self._span = telemetry.tracer.start_span(
            name, parent, SpanKind.INTERNAL, attributes, (), started
        )
        self.context = set_span_in_context(self._span, parent)
        self.is_open = True

    def record_exception(self, exc: BaseException, at: int, *, log: bool) -> None:
        """Records why this is an ERROR, in the log too unless somebody else has done that."""
        self._telemetry.record_exception(self._span, exc, at, self.context, log=log)

    def end(
        self,
        at: int,
        error_type: str | None = None,
        learned: Mapping[str, AttributeValue] | None = None,
    ) -> None:
        """Ends the span.

        Args:
            at: ns since the epoch.
            error_type: what makes the span an ERROR, None if nothing does.
            learned: attributes that were not known at the start.
        """
        self.is_open = False
        span, attributes = self._span, self._attributes
        try:
            if learned:
                span.set_attributes(learned)
            if error_type is not None:
                span.set_status(StatusCode.ERROR, error_type)
                span.set_attribute(s.ERROR_TYPE, error_type)
            # Handoffs have no type, and are no tools that anybody waits for.
            if s.TOOL_TYPE in attributes:
                seconds = (at - self._started) / 1e9
                instruments = self._telemetry.instruments
                instruments.record_tool(attributes, error_type, seconds, self.context)
        finally:
            span.end(at)
