# SPDX-License-Identifier: Apache-2.0
"""One client span, and the context that it is current in.

A span starts with all that is known, in one mapping, because samplers see only that, and ends once:
attributes, then counters, then the end itself. Everything that is recorded later is recorded in the
context that the caller was in at the start, plus the span: whoever reads the stream may be in
another user's. With `telemetry` and `metrics` this is all that uses OpenTelemetry's API.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind

from .. import _log
from .. import _names as s
from .._content.mode import Content
from .._content.structure import Clean
from .._reading.errors import failure_of, is_cancellation
from .._reading.requests import Request
from .._recording.ending import Ending
from .._recording.steps import Step
from .._recording.turns import last_turns
from .child_spans import ChildSpan
from .clocks import ONE_MOMENT, all_clocks, ticks
from .context import CALL, SPAN, Called, detach
from .open_calls import Abandoned, open_calls
from .plans import plan_of, run_hook

if TYPE_CHECKING:
    from .telemetry import Telemetry


class Call:
    """One client span, from its start to its one end.

    Attributes:
        called: the SDK object whose method was called, and what describes the method; None when it
            has returned.
        children: the steps whose spans are open.
        content: what the user says, if that is recorded.
        native_hook: the SDK's tracing hook, while that asks for a span.
        recorder: ends the call, should everybody forget it.
        watch: tells when the caller dropped the stream.
    """

    __slots__ = (
        "_offset", "_parent", "_token", "called", "children", "clean", "clock_offset", "content",
        "native_hook", "recorder", "recording", "request", "span", "started", "telemetry", "watch",
    )  # fmt: skip

    def __init__(
        self, telemetry: Telemetry, request: Request, called: Called, parent: Context
    ) -> None:
        """Notes a call, so that it is ended at exit if nothing else ends it; `start` follows."""
        self.telemetry = telemetry
        self.request = request
        self.called: Called | None = called
        self.native_hook: object = None
        self._parent = parent
        self.span: Span | None = None
        self.recording = False
        self.clean: Clean | None = None
        self._token: Any = None
        self.children: list[ChildSpan] | None = None
        self.content: Content | None = None
        self.recorder: Abandoned | None = None
        self.watch: object = None
        if open_calls.dropped:
            open_calls.end_dropped()
        # Durations are measured on a clock that nobody sets back, so that within a call time never
        # runs backwards; arrivals of events on one that is quicker to read.
        self.started, at, arrival = all_clocks()
        # What makes local time of either clock: the same number, while they are the same clock.
        self._offset = self.clock_offset = self.started - at
        if not 0 <= arrival - at < ONE_MOMENT:
            self.clock_offset = self.started - arrival
        open_calls.add(self)

    def start(self) -> None:
        """Starts the span."""
        telemetry, request, previous = self.telemetry, self.request, self.request.previous
        links = (Link(previous),) if isinstance(previous, SpanContext) else ()
        # On one line: between start and assignment an interrupt would leave it open for ever.
        self.span = span = telemetry.tracer.start_span(
            request.span_name, self._parent, SpanKind.CLIENT, request.attributes, links,
            self.started,
        )  # fmt: skip
        self.recording = span.is_recording()
        if telemetry.always_reads or (telemetry.content_on_spans and self.recording):
            self.clean = telemetry.clean_whole
        if not telemetry.emits_details:
            # The span has its own copy; what metrics need of them is kept beside.
            del request.attributes
        if self.recording and not telemetry.has_recorded:
            telemetry.on_first_span()

    def attach(self, kwargs: Mapping[str, Any]) -> None:
        """Calls the user's hook, and makes the span current while the SDK's own code runs."""
        hook = self.telemetry.request_hook
        if self.recording and hook is not None:
            # A view, so that a hook cannot change what is sent.
            run_hook("request_hook(span, kwargs)", hook, self.span, MappingProxyType(kwargs))
        context = {**self._parent, CALL: self}
        if self.span is not None:
            context[SPAN] = self.span
        self._token = otel_context.attach(Context(context))

    @property
    def context(self) -> Context:
        """The caller's, when the call was made, with the span in it.

        Made anew each time, since an open call is to be small.
        """
        return self._parent if self.span is None else Context({**self._parent, SPAN: self.span})

    @property
    def record_chunk_times(self) -> bool:
        """Whether each output chunk's time is to be recorded."""
        return self.telemetry.record_chunk_times

    @property
    def content_on_spans(self) -> bool:
        """Whether spans may carry content."""
        return self.telemetry.content_on_spans

    def now(self) -> int:
        """Local time, ns since the epoch; within a call it never runs backwards."""
        return ticks() + self._offset

    def at(self, arrived: int) -> int:
        """When an event arrived, ns since the epoch.

        Args:
            arrived: by ``time.monotonic_ns()``, which tests with frozen time replace: what it says
                lies between the start and now, or is not believed.
        """
        if open_calls.dropped:
            open_calls.end_dropped()
        moment, now = arrived + self.clock_offset, ticks() + self._offset
        return moment if self.started <= moment <= now else now

    def detach(self) -> None:
        """Gives the caller's context back."""
        if self._token is not None:
            # A task that was started meanwhile has this call in its context; it may outlive these.
            self.called = None
            detach(self._token)
            self._token = None

    def step(self, step: Step) -> None:
        """Makes a span of a step inside this call, when it is told of, and ends it when it ends.

        An agent's work is told of twice: its span has to be there before those of its tools.
        """
        if self not in open_calls or self.span is None:
            # It has ended, or is the parent's of a forked process.
            return
        try:
            span: ChildSpan | None = step.span
            if span is None:
                outer: ChildSpan | None = step.inside.span if step.inside is not None else None
                inside = outer.context if outer is not None and outer.is_open else self.context
                if self.children is None:
                    self.children = []
                started = step.started - step.started % 1000
                span = step.span = ChildSpan(
                    self.telemetry, step.name, step.attributes, started, inside, self.children
                )
                span.start()
            if step.ended is not None:
                span.end(step.ended, step.error_type)
        except Exception as exc:  # noqa: BLE001 -- somebody's provider; the call's own span goes on
            _log.report("record a step", exc)

    def dropped(self) -> None:
        """Ends a call that everybody forgot; before it had a result that is no error."""
        if self.recorder is not None:
            self.recorder.dropped()
        else:
            self.end(Ending())

    def give_up(self) -> None:
        """Ends a call of which no more can be told."""
        if not self.end(Ending()):
            open_calls.resume(self)

    def fail(self, exc: BaseException) -> None:
        """Ends a call that raised before it had a result."""
        if isinstance(exc, GeneratorExit):
            open_calls.drop(self)
        elif is_cancellation(type(exc)):
            self.end(Ending())
        else:
            ending = Ending(failure=failure_of(exc))
            if self.request.in_conversation:
                ending.attributes[s.RESPONSE_FINISH_REASONS] = ["error"]
            self.end(ending)

    def end(self, ending: Ending, at: int | None = None) -> bool:
        """Ends the span, unless it has ended or is another process's.

        Args:
            ending: what is known now.
            at: ns since the epoch; None: now.

        Returns:
            Whether this call ended it.
        """
        ended = ticks() + self._offset
        if at is not None:
            ended = max(self.started, min(at, ended))
        # In whole microseconds, as viewers draw it: see `all_clocks`.
        ended -= ended % 1000
        context = self._parent
        if self.span is not None:
            context = Context({**context, SPAN: self.span})
        if not open_calls.end(self, self.plan(ending, ended, context), context):
            return False
        # No cycle is left, for which a call would wait until the garbage collector runs.
        self.recorder = None
        if ending.conversation_id is not None:
            operation = ending.operation or self.request.operation
            # Nothing may link to a span that is not recorded.
            link = (
                self.span.get_span_context() if self.span is not None and self.recording else None
            )
            last_turns.remember(ending.conversation_id, operation, link)
        return True

    # What is to be done at the end; the last item comes first.
    plan = plan_of

    def record_chunk(self, ending: Ending, seconds: float) -> None:
        """Records the time between two output chunks, unless a clock was frozen between them."""
        if 0 <= seconds <= (self.now() - self.started) / 1e9:
            self.telemetry.instruments.record_chunk(self.request, ending, seconds, self.context)


def call_under_way() -> Call | None:
    """The call whose request is being made in this context, None outside of one."""
    call: Any = otel_context.get_value(CALL)
    return call if call is not None and call.called is not None else None
