# SPDX-License-Identifier: Apache-2.0
"""Makes spans around code that runs in this process: agent loops and the tools in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from opentelemetry.context import Context

from .. import _log
from .._reading.errors import Failure, failure_of, is_cancellation
from .child_spans import ChildSpan
from .metrics import Measurement
from .open_calls import open_calls
from .surroundings import all_clocks, ticks

if TYPE_CHECKING:
    from .._reading.fields import AttributeValue
    from .telemetry import Telemetry


class LocalSpan:
    """Holds a span around code that runs in this process.

    Attributes:
        context: the context in which the span is the current one.
        logs: whether an exception that ends the span is recorded as a log event, too.
        watch: the weak reference that reports when the caller dropped the stream.
    """

    logs: ClassVar[bool]
    __slots__ = ("_last", "_span", "_started", "_ticks", "context", "telemetry", "watch")

    def __init__(
        self,
        telemetry: Telemetry,
        name: str,
        attributes: dict[str, AttributeValue],
        parent: Context,
    ) -> None:
        self.telemetry = telemetry
        self.watch: object = None
        self.context = parent
        self._started, self._ticks, _ = all_clocks()
        self._last = self._started
        self._span = ChildSpan(telemetry, name, attributes, self._started, parent)
        open_calls.add(self)
        try:
            self._span.start()
        except BaseException:
            self.give_up()
            raise
        self.context = self._span.context

    def now(self) -> int:
        """Returns the local time, ns since the epoch; it never runs backwards."""
        return self._started + (ticks() - self._ticks) // 1000 * 1000

    def fail(self, exc: BaseException) -> None:
        """Ends the span with an exception; a cancellation or a deferred tool call is no error."""
        if isinstance(exc, GeneratorExit):
            # The coroutine was dropped, perhaps inside the garbage collector, where ending the
            # span could deadlock.
            self._last = self.now()
            open_calls.drop(self)
        elif is_cancellation(type(exc)) or _is_control_flow(exc):
            self.end(self.now(), None)
        else:
            self.end(self.now(), failure_of(exc))

    def give_up(self) -> None:
        """Ends the span without what `learned` and `measurements` would add."""
        if not open_calls.end(self, self._span.plan(self.now()), self.context):
            open_calls.resume(self)

    def dropped(self) -> None:
        """Ends the span at the last time that is known of it."""
        self.end(self._last, None)

    @property
    def under_way(self) -> bool:
        """Returns whether the span is open and belongs to this process."""
        return self in open_calls

    def end(self, at: int, failure: Failure | None) -> None:
        """Ends the span, unless it has ended, at ``at``, ns since the epoch."""
        if not self.under_way:
            return
        error_type, exception = (failure.type, failure.exception) if failure else (None, None)
        plan = self._span.plan(at, error_type, self.learned(), exception, log=self.logs)
        try:
            measurements = self.measurements((at - self._started) / 1e9, error_type)
        except Exception as exc:  # noqa: BLE001 -- the span must end even if a meter fails
            _log.report("measure a loop", exc)
        else:
            plan[1:1] = reversed(measurements)
        open_calls.end(self, plan, self.context)

    def measurements(self, _seconds: float, _error_type: str | None) -> list[Measurement]:
        """Returns the measurements that the span's own plan does not contain."""
        return []

    def learned(self) -> Mapping[str, AttributeValue]:
        """Returns the attributes that were not known at the start."""
        raise NotImplementedError


def _is_control_flow(exc: BaseException) -> bool:
    """Returns whether an exception only stops the loop so that its user can be asked."""
    return any(kind.__name__ == "DeferredToolCallsException" for kind in type(exc).__mro__)
