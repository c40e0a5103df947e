# SPDX-License-Identifier: Apache-2.0
"""One client span, and the context that it is current in.

A span starts with all that is known, in one mapping, because samplers see only that, and ends once:
attributes, then counters, then the end itself. With `_telemetry` and `_metrics` this is all that
uses OpenTelemetry's API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic_ns
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation import set_span_in_context

from . import _guard
from . import _semconv as s
from ._child_spans import ChildSpan
from ._clock import both_clocks
from ._content import Content, to_json
from ._context import CALL, Called, give_back
from ._errors import failure_of, is_cancellation
from ._open_calls import Abandoned, open_calls
from ._recording import Child, Ending
from ._requests import Request
from ._settings import AttributeValue

if TYPE_CHECKING:
    from ._telemetry import Telemetry


class Call:
    """One client span, from its start to its one end."""

    __slots__ = (
        "_span", "_telemetry", "_token", "called", "clean", "clock_offset", "content",
        "final_operation", "native_hook", "record_chunk_times", "recorder", "recording", "request",
        "started",
    )  # fmt: skip

    def __init__(
        self, telemetry: Telemetry, request: Request, called: Called, parent: Context
    ) -> None:
        """Starts the span; ``called`` is the SDK object, and what describes its method."""
        self._telemetry = telemetry
        self.request = request
        self.called: Called | None = called
        # Arrivals are measured from the start on a clock that no administrator sets back, so that
        # within a call time never runs backwards; one read serves dates and durations.
        self.started, ticks = both_clocks()
        self.clock_offset = self.started - ticks
        previous = request.previous
        links = (Link(previous),) if isinstance(previous, SpanContext) else ()
        name, attributes = request.span_name, request.attributes
        span = telemetry.tracer.start_span(
            name, parent, SpanKind.CLIENT, attributes, links, self.started
        )
        self._span = span
        self.recording = span.is_recording()
        on_events = telemetry.content_on_events
        wanted = on_events or (telemetry.content_on_spans and self.recording)
        self.clean = telemetry.clean if wanted else None
        self.content: Content | None = None
        if not on_events:
            # The span has its own copy; what metrics need of them is kept beside.
            del request.attributes
        self.record_chunk_times = telemetry.record_chunk_times
        if self.recording and not telemetry.has_recorded:
            telemetry.on_first_span()
        self.final_operation = request.operation
        self.native_hook: object = None
        self.recorder: Abandoned | None = None
        self._token: Any = None
        open_calls.add(self)

    def enter(self, parent: Context, kwargs: Mapping[str, Any]) -> None:
        """Calls the user's hook, and makes the span current while the SDK's own code runs."""
        hook = self._telemetry.request_hook
        if self.recording and hook is not None:
            # A view, so that a hook cannot change what is sent.
            _run_hook("request_hook", hook, self._span, MappingProxyType(kwargs))
        context = set_span_in_context(self._span, Context({**parent, CALL: self}))
        self._token = otel_context.attach(context)

    @property
    def content_on_spans(self) -> bool:
        """Whether spans may carry content."""
        return self._telemetry.content_on_spans

    @property
    def is_open(self) -> bool:
        """Whether the span has not ended, and is this process's to end."""
        return self in open_calls

    @property
    def reference(self) -> SpanContext | None:
        """What a later turn may link to; nothing leads to a span that is not recorded."""
        return self._span.get_span_context() if self.recording else None

    def context(self) -> Context:
        """A context with this span as the current one; made anew, since an open call is small."""
        return set_span_in_context(self._span)

    def now(self) -> int:
        """Local time, ns since the epoch; within a call it never runs backwards."""
        return self.clock_offset + monotonic_ns()

    def leave(self) -> None:
        """Gives the caller's context back."""
        token, self._token = self._token, None
        # A task that was started meanwhile has this call in its context; it may outlive these.
        self.called = None
        give_back(token)

    def correct(self, operation: str, span_name: str) -> None:
        """The response says what the request could not: an agent's call, or its model."""
        self.final_operation = operation
        try:
            self._span.update_name(span_name)
        except Exception as exc:  # noqa: BLE001 -- somebody's span; its end is still to come
            _guard.report("name a span", exc)

    def begin_child(
        self,
        name: str,
        attributes: Mapping[str, AttributeValue],
        started: int,
        parent: Child | None,
    ) -> ChildSpan | None:
        """Starts a span inside this one, or inside ``parent`` while that is open."""
        if not self.is_open:
            return None
        if isinstance(parent, ChildSpan) and parent.is_open:
            context = parent.context
        else:
            context = self.context()
        return ChildSpan(self._telemetry, name, attributes, started, context)

    def abandon(self) -> None:
        """Ends a call that everybody forgot; before it had a result that is no error."""
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
        if not open_calls.claim(self):
            return False
        # It refers to this call, and would keep it until the collector comes.
        self.recorder = None
        ended = self.now() if at is None else at
        context = set_span_in_context(self._span)
        # Whatever of this fails, in somebody's provider, the rest is done, and the span ended.
        try:
            self._describe(ending, ended, context)
        finally:
            try:
                duration = (ended - self.started) / 1e9
                self._telemetry.instruments.record_end(self, ending, duration, context)
            finally:
                self._span.end(ended)
        return True

    def count_late(self, ending: Ending) -> None:
        """Counts usage that was reported after the span had ended: the tokens were spent."""
        self._telemetry.instruments.count_usage(self, ending, self.context())

    def record_chunk(self, response_model: str | None, seconds: float) -> None:
        """Records the time between two output chunks."""
        ending = Ending()
        ending.response_model = response_model
        self._telemetry.instruments.record_chunk(self, ending, seconds, self.context())

    def _describe(self, ending: Ending, ended: int, context: Context) -> None:
        span, failure, hook = self._span, ending.failure, self._telemetry.response_hook
        attributes = ending.attributes
        if self.final_operation != self.request.operation:
            attributes[s.OPERATION_NAME] = self.final_operation
        if failure is not None:
            attributes[s.ERROR_TYPE] = failure.type
            attributes.update(failure.attributes)
        if self.recording:
            if failure is not None:
                span.set_status(StatusCode.ERROR, failure.type)
            span.set_attributes(attributes)
        if self.content is not None:
            self._record_content(self.content, ending, ended, context)
        if failure is not None and failure.exception is not None:
            self._telemetry.record_exception(span, failure.exception, ended, context)
        if self.recording and hook is not None:
            _run_hook("response_hook", hook, span, ending.closing)

    def _record_content(
        self, content: Content, ending: Ending, ended: int, context: Context
    ) -> None:
        said = content.structures(ending.output or [], ending.attributes)
        if self._telemetry.content_on_spans and self.recording:
            self._span.set_attributes({key: to_json(value) for key, value in said.items()})
        if self._telemetry.content_on_events:
            details = {**self.request.attributes, **ending.attributes, **said}
            self._telemetry.record_details(details, ended, context)


def _run_hook(name: str, hook: Callable[[Span, Any], None], span: Span, argument: object) -> None:
    """Calls the user's hook; what it raises is logged once."""
    try:
        hook(span, argument)
    except Exception as exc:  # noqa: BLE001 -- the user's function must not fail the user's call
        _guard.report(name, exc)
