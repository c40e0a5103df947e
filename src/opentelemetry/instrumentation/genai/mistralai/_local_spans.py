# SPDX-License-Identifier: Apache-2.0
"""Spans around code that runs in this process: agent loops and the tools in them."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic_ns
from typing import TYPE_CHECKING, ClassVar

from opentelemetry.context import Context

from ._child_spans import ChildSpan
from ._clock import both_clocks
from ._errors import Failure, failure_of, is_cancellation
from ._open_calls import open_calls

if TYPE_CHECKING:
    from ._settings import AttributeValue
    from ._telemetry import Telemetry


class LocalSpan:
    """A span around code that runs in this process.

    Attributes:
        context: in which the span is the current one.
        logs: whether an exception that ends it is to be in the log, too.
    """

    logs: ClassVar[bool]
    __slots__ = ("_last", "_span", "_started", "_ticks", "context", "telemetry")

    def __init__(
        self,
        telemetry: Telemetry,
        name: str,
        attributes: dict[str, AttributeValue],
        parent: Context,
    ) -> None:
        self.telemetry = telemetry
        self._started, self._ticks = both_clocks()
        self._last = self._started
        self._span = ChildSpan(telemetry, name, attributes, self._started, parent)
        self.context = self._span.context
        open_calls.add(self)

    def now(self) -> int:
        """Local time, ns since the epoch; it never runs backwards."""
        return self._started + monotonic_ns() - self._ticks

    def fail(self, exc: BaseException) -> None:
        """Ends the span by an exception, which need not be an error."""
        if isinstance(exc, GeneratorExit):
            # A coroutine that is dropped; perhaps inside the garbage collector.
            self._last = self.now()
            open_calls.drop(self)
        elif is_cancellation(type(exc)) or _is_control_flow(exc):
            self.end(self.now(), None)
        else:
            self.end(self.now(), failure_of(exc))

    def give_up(self) -> None:
        """Ends a span of which no more can be told."""
        self.end(self.now(), None)

    def abandon(self) -> None:
        """Ends the span when something last happened in it."""
        self.end(self._last, None)

    @property
    def under_way(self) -> bool:
        """Whether the span has not ended, and is this process's."""
        return self in open_calls

    def end(self, at: int, failure: Failure | None) -> None:
        """Ends the span, unless it has ended, at ``at``, ns since the epoch."""
        if not open_calls.claim(self):
            return
        error_type = failure.type if failure else None
        try:
            if failure is not None and failure.exception is not None:
                self._span.record_exception(failure.exception, at, log=self.logs)
            self.measure((at - self._started) / 1e9, error_type)
        finally:
            self._span.end(at, error_type, self.learned())

    def measure(self, seconds: float, error_type: str | None) -> None:
        """Records metrics that its span does not record itself."""

    def learned(self) -> Mapping[str, AttributeValue]:
        """Attributes that were not known at the start."""
        raise NotImplementedError


def _is_control_flow(exc: BaseException) -> bool:
    """Whether the loop only stops to have its user asked."""
    return any(kind.__name__ == "DeferredToolCallsException" for kind in type(exc).__mro__)
