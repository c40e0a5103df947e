# SPDX-License-Identifier: Apache-2.0
"""Calls inside somebody else's inference: the facts go to their span, the counts stay ours.

An adopted call looks like any other to its recorder. Of what it knows at the end it adds to the
host what the host does not say itself; it sets no status, no content, and never ends their span.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic_ns
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from . import _guard
from . import _semconv as s
from ._clock import both_clocks
from ._context import CALL, Called, give_back
from ._errors import failure_of, is_cancellation
from ._hosts import Host, find_host
from ._open_calls import Abandoned, open_calls
from ._recording import Child, Ending
from ._spans import Call

if TYPE_CHECKING:
    from ._content import Content
    from ._requests import Request
    from ._settings import AttributeValue
    from ._telemetry import Telemetry


def open_call(
    telemetry: Telemetry, request: Request, called: Called, context: Context
) -> Call | AdoptedCall:
    """Begins a call: with a span of its own, or in the span that somebody else has opened."""
    host = find_host(context, request, telemetry)
    if host is None:
        return Call(telemetry, request, called, context)
    request.recorded_elsewhere = host.recorded
    if host.adopts:
        return AdoptedCall(telemetry, request, called, context, host)
    return CallAgain(telemetry, request, called, context, host)


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

    def end(self, ending: Ending, at: int | None = None) -> bool:
        """Ends the span, unless it has ended or is another process's."""
        ended = super().end(ending, at)
        if ended:
            _give_back_seat(self._host, ending)
        return ended


class AdoptedCall:
    """A call without a span of its own, from its begin to its one end."""

    __slots__ = (
        "_context", "_host", "_telemetry", "_token", "called", "clock_offset", "content",
        "final_operation", "native_hook", "record_chunk_times", "recorder", "request", "started",
    )  # fmt: skip

    def __init__(
        self, telemetry: Telemetry, request: Request, called: Called, context: Context, host: Host
    ) -> None:
        """Begins the call; ``called`` is the SDK object, and what describes its method."""
        self._telemetry = telemetry
        self._context = context
        self._host = host
        self.request = request
        self.called: Called | None = called
        self.started, ticks = both_clocks()
        self.clock_offset = self.started - ticks
        self.content: Content | None = None
        self.record_chunk_times = telemetry.record_chunk_times
        self.final_operation = request.operation
        self.native_hook: object = None
        self.recorder: Abandoned | None = None
        self._token: Any = None
        open_calls.add(self)

    def enter(self, parent: Context, kwargs: Mapping[str, Any]) -> None:
        """Calls the user's hook; the host's span stays current while the SDK's own code runs."""
        # A view, so that a hook cannot change what is sent.
        self._run_hook("request_hook", self._telemetry.request_hook, MappingProxyType(kwargs))
        self._token = otel_context.attach(Context({**parent, CALL: self}))

    @property
    def clean(self) -> None:
        """Content is the host's to record: it has asked its own user whether it may."""
        return

    @property
    def content_on_spans(self) -> bool:
        """Whether spans may carry content."""
        return False

    @property
    def is_open(self) -> bool:
        """Whether the call has not ended, and is this process's to end."""
        return self in open_calls

    @property
    def reference(self) -> None:
        """What a later turn may link to: nothing, a conversation is never adopted."""
        return

    def now(self) -> int:
        """Local time, ns since the epoch; within a call it never runs backwards."""
        return self.clock_offset + monotonic_ns()

    def leave(self) -> None:
        """Gives the caller's context back."""
        token, self._token = self._token, None
        self.called = None
        give_back(token)

    def correct(self, operation: str, span_name: str) -> None:  # noqa: ARG002 -- OpenCall's
        """The response says what the request could not; the host's span keeps its name."""
        self.final_operation = operation

    def begin_child(
        self,
        name: str,  # noqa: ARG002 -- OpenCall's
        attributes: Mapping[str, AttributeValue],  # noqa: ARG002
        started: int,  # noqa: ARG002
        parent: Child | None,  # noqa: ARG002
    ) -> Child | None:
        """Starts nothing: only conversations have steps inside, and these are never adopted."""
        return None

    def record_chunk(self, response_model: str | None, seconds: float) -> None:
        """Records the time between two output chunks."""
        ending = Ending()
        ending.response_model = response_model
        self._telemetry.instruments.record_chunk(self, ending, seconds, self._context)

    def count_late(self, ending: Ending) -> None:
        """Counts usage that was reported after the end."""
        self._telemetry.instruments.count_usage(self, ending, self._context)

    def abandon(self) -> None:
        """Ends a call that everybody forgot."""
        if self.recorder is not None:
            self.recorder.abandon()
        else:
            self.end(Ending())

    def give_up(self) -> None:
        """Ends a call of which no more can be told."""
        self.end(Ending())

    def fail(self, exc: BaseException) -> None:
        """Ends a call that raised before it had a result."""
        if isinstance(exc, GeneratorExit):
            open_calls.drop(self)
        elif is_cancellation(type(exc)):
            self.end(Ending())
        else:
            self.end(Ending(failure=failure_of(exc)))

    def end(self, ending: Ending, at: int | None = None) -> bool:
        """Tells the host, and counts, unless that has been done or is another process's to do."""
        if not open_calls.claim(self):
            return False
        # It refers to this call, and would keep it until the collector comes.
        self.recorder = None
        ended = self.now() if at is None else at
        hook, instruments = self._telemetry.response_hook, self._telemetry.instruments
        duration = (ended - self.started) / 1e9
        _give_back_seat(self._host, ending)
        try:
            _alone("tell a host", lambda: self._tell(ending))
            self._run_hook("response_hook", hook, ending.closing)
        finally:
            _alone("count", lambda: instruments.record_end(self, ending, duration, self._context))
        return True

    def _tell(self, ending: Ending) -> None:
        attributes = ending.attributes
        if ending.failure is not None and s.ERROR_CODE in ending.failure.attributes:
            attributes[s.ERROR_CODE] = ending.failure.attributes[s.ERROR_CODE]
        self._host.tell(self.request.attributes, attributes)

    def _run_hook(self, name: str, hook: Callable[[Any, Any], None] | None, said: object) -> None:
        span = self._host.span
        if hook is not None and span.is_recording():
            _alone(name, lambda: hook(span, said))


def _give_back_seat(host: Host, ending: Ending) -> None:
    if host.seat is not None and ending.failure is not None:
        host.seat.give_back()


def _alone(what: str, step: Callable[[], object]) -> None:
    """Does one step of an end; whatever it raises, the next step is done."""
    try:
        step()
    except Exception as exc:  # noqa: BLE001 -- somebody's span, hook or provider
        _guard.report(what, exc)
