# SPDX-License-Identifier: Apache-2.0
"""Starts and ends the one client span of a call.

A span starts with all that is known, in one mapping, because samplers see only that, and ends once:
attributes, then counters, then the end itself. Everything that is recorded later is recorded in the
caller's context at the start, plus the span: the stream may be read in another user's context.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind

from .. import _names as s
from .._content.mode import Content
from .._content.structure import Clean
from .._otel.surroundings import last_turns
from .._reading.errors import failure_of, is_cancellation
from .._reading.fields import name_of
from .._reading.requests import Request
from .._recording.ending import Ending
from .._recording.steps import Step
from .child_spans import ChildSpan, record_step
from .open_calls import open_calls
from .open_span import Abandoned
from .opt_in import run_hook
from .plans import plan_of
from .surroundings import CALL, ONE_MOMENT, SPAN, Called, all_clocks, detach, ticks

if TYPE_CHECKING:
    from .telemetry import Telemetry


class Call:
    """Holds one client span, from its start to its one end.

    Attributes:
        attempts: how often the request was sent, 0 if the SDK does not show it.
        called: the SDK object and the method's row; None when the method has returned.
        children: the steps whose spans are open.
        content: the call's content, if that is recorded.
        exchange: the SDK's tracing hook while that asks for a span, later the response's headers.
        recorder: the recorder, which ends the call if its stream is dropped.
        watch: the weak reference that reports when the caller dropped the stream.
    """

    __slots__ = (
        "_offset", "_parent", "_token", "attempts", "called", "children", "clean", "clock_offset",
        "content", "exchange", "recorder", "recording", "request", "span", "started", "telemetry",
        "watch",
    )  # fmt: skip

    def __init__(
        self, telemetry: Telemetry, request: Request, called: Called, parent: Context
    ) -> None:
        """Ends the calls that were dropped meanwhile, and registers this one to end at exit."""
        self.telemetry = telemetry
        self.request = request
        self.called: Called | None = called
        self.attempts = 0
        self.exchange: Any = None
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
        # Durations need a clock that nobody sets back, else time runs backwards within a call.
        # Events are timed by `monotonic_ns`, which is faster than `ticks`. Frozen time replaces it:
        # its offset to local time is kept apart. While time runs, the two offsets are equal.
        self.started, at, arrival = all_clocks()
        self._offset = self.clock_offset = self.started - at
        if not 0 <= arrival - at < ONE_MOMENT:
            self.clock_offset = self.started - arrival
        open_calls.add(self)

    def start(self) -> None:
        """Starts the span."""
        telemetry, request, previous = self.telemetry, self.request, self.request.previous
        links = (Link(previous),) if isinstance(previous, SpanContext) else ()
        # An interrupt between start and assignment would leave the span open: keep one statement.
        self.span = span = telemetry.tracer.start_span(
            request.span_name, self._parent, SpanKind.CLIENT, request.attributes, links,
            self.started,
        )  # fmt: skip
        self.recording = span.is_recording()
        if telemetry.always_reads or (telemetry.content_on_spans and self.recording):
            self.clean = telemetry.clean_whole
        if not telemetry.emits_details:
            # The span has its own copy: keeping these would only make an open call larger.
            del request.attributes
        if self.recording and not telemetry.has_recorded:
            telemetry.on_first_span()

    def attach(self, kwargs: Mapping[str, Any]) -> None:
        """Calls the user's hook, and makes the span current while the SDK's own code runs."""
        hook = self.telemetry.request_hook
        if self.recording and hook is not None:
            # The view keeps a hook from changing the request.
            run_hook("request_hook(span, kwargs)", hook, self.span, MappingProxyType(kwargs))
        context = {**self._parent, CALL: self}
        if self.span is not None:
            context[SPAN] = self.span
        self._token = otel_context.attach(Context(context))

    @property
    def context(self) -> Context:
        """Returns the caller's context at the call's start, with the span in it."""
        # It is made anew each time: keeping it would make every open call larger.
        return self._parent if self.span is None else Context({**self._parent, SPAN: self.span})

    def now(self) -> int:
        """Returns the local time, ns since the epoch; within a call it never runs backwards."""
        return ticks() + self._offset

    def at(self, arrived: int) -> int:
        """Returns when an event arrived, ns since the epoch; first it ends the dropped calls.

        Args:
            arrived: by ``time.monotonic_ns()``; in frozen time it may lie outside of the call: then
                the result is now.
        """
        if open_calls.dropped:
            open_calls.end_dropped()
        moment, now = arrived + self.clock_offset, ticks() + self._offset
        return moment if self.started <= moment <= now else now

    def detach(self) -> None:
        """Makes the caller's context current again."""
        if (token := self._token) is not None:
            # A task started meanwhile has this call in its context, and may outlive the request.
            self.called = None
            try:
                token.var.reset(token)
            except (AttributeError, RuntimeError, ValueError):
                detach(token)
            self._token = None

    def step(self, step: Step) -> None:
        """Records a step inside this call: see `record_step`."""
        # A call that has ended, or belongs to the parent of a forked process, has no more steps.
        if self in open_calls and self.span is not None:
            record_step(self, step)

    def dropped(self) -> None:
        """Ends a call that was dropped; without a result yet, that is no error."""
        if self.recorder is not None:
            self.recorder.dropped()
        else:
            self.end(Ending())

    def give_up(self) -> None:
        """Ends a call without asking its recorder."""
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
        """Ends the span, unless it has ended or belongs to another process; returns whether it did.

        It also remembers a conversation's turn, to which the next turn links.

        Args:
            ending: what is known of the call.
            at: ns since the epoch; None: now.
        """
        ended = ticks() + self._offset
        if at is not None:
            ended = max(self.started, min(at, ended))
        # Viewers cut times to microseconds, and would show other durations: see `all_clocks`.
        ended -= ended % 1000
        if self.attempts > 1:
            ending.attributes[s.RESEND_COUNT] = self.attempts - 1
        if (headers := self.exchange) is not None:
            # Should they raise, the call is given up, and ends without them.
            self.exchange = None
            sent = headers.get(s.CORRELATION_ID) or headers.get(s.REQUEST_ID_HEADER)
            if (named := name_of(sent)) is not None:
                ending.attributes[s.REQUEST_ID] = named
        context = self._parent
        if self.span is not None:
            context = Context({**context, SPAN: self.span})
        if not open_calls.end(self, self.plan(ending, ended, context), context):
            return False
        # The cycle would keep the call in memory until the garbage collector runs.
        self.recorder = None
        if ending.conversation_id is not None:
            operation = ending.operation or self.request.operation
            # A link to a span that is not recorded would lead nowhere.
            link = (
                self.span.get_span_context() if self.span is not None and self.recording else None
            )
            last_turns.remember(ending.conversation_id, operation, link)
        return True

    # The classes in `adopted` override this method; a plan's last item runs first.
    plan = plan_of

    def record_chunk(self, ending: Ending, seconds: float) -> None:
        """Records the time between two output chunks, unless a clock was frozen between them."""
        if 0 <= seconds <= (self.now() - self.started) / 1e9:
            self.telemetry.instruments.record_chunk(self.request, ending, seconds, self.context)


def call_under_way() -> Call | None:
    """Returns the call whose request is being made in this context, None outside of one."""
    call: Any = otel_context.get_value(CALL)
    return call if call is not None and call.called is not None else None
