# SPDX-License-Identifier: Apache-2.0
"""Spans, and the log event of an exception. With `_metrics`, all that uses OpenTelemetry's API.

A `Call` is one client span. It starts with all that is known, in one mapping, because samplers see
only that, and ends once: attributes, then counters, then the end itself.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping, MutableMapping
from functools import cached_property
from time import monotonic_ns, time_ns
from types import MappingProxyType
from typing import Any, Final

from opentelemetry._logs import (
    Logger,
    LoggerProvider,
    SeverityNumber,
    get_logger,
    get_logger_provider,
)
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider, get_meter, get_meter_provider
from opentelemetry.trace import (
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    TracerProvider,
    get_tracer,
    get_tracer_provider,
)
from opentelemetry.trace.propagation import set_span_in_context

from opentelemetry import context as otel_context
from opentelemetry import propagate

from . import _guard
from . import _semconv as s
from ._content import ContentMode, redactor
from ._errors import describe, failure_of, is_cancellation
from ._metrics import Instruments
from ._open_calls import Abandoned, open_calls
from ._recording import Ending
from ._requests import Request
from .version import __version__

RequestHook = Callable[[Span, Mapping[str, Any]], None]
ResponseHook = Callable[[Span, Any], None]

# The call that is under way in this context: who is called by it has no span of its own.
_CALL: Final = otel_context.create_key("mistralai-call")
# What `suppress_instrumentation` and the GenAI frameworks set.
_SUPPRESSED: Final = (
    "suppress_instrumentation",
    "suppress_language_model_instrumentation",
)
_API: Final = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")


class Telemetry:
    """Where telemetry goes, and the user's options; `instrument` says what each is."""

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        capture_content: ContentMode = ContentMode.NO_CONTENT,
        redact: Callable[[str], str] | None = None,
        request_hook: RequestHook | None = None,
        response_hook: ResponseHook | None = None,
        record_chunk_times: bool = False,
        latest: bool = False,
    ) -> None:
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._logger_provider = logger_provider
        self._capture_content = capture_content
        self._redact = redactor(redact)
        self._latest = latest
        self.listened_to = False
        self.request_hook = request_hook
        self.response_hook = response_hook
        self.record_chunk_times = record_chunk_times

    def is_idle(self) -> bool:
        """Whether nobody listens: there are no providers but the API's own, which drop all."""
        if not self.listened_to:
            providers = (
                self._tracer_provider or get_tracer_provider(),
                self._meter_provider or get_meter_provider(),
                self._logger_provider or get_logger_provider(),
            )
            self.listened_to = not all(type(p).__module__.startswith(_API) for p in providers)
        return not self.listened_to

    # Looked up when first used: the global providers are often set after instrument().
    @cached_property
    def _tracer(self) -> Tracer:
        return get_tracer(s.SCOPE, __version__, self._tracer_provider)

    @cached_property
    def _logger(self) -> Logger:
        return get_logger(s.SCOPE, __version__, self._logger_provider)

    @cached_property
    def instruments(self) -> Instruments:
        """The metrics of this configuration."""
        meter = get_meter(s.SCOPE, __version__, self._meter_provider)
        return Instruments(meter, latest=self._latest)

    def start(self, request: Request, owner: object, kwargs: Mapping[str, Any]) -> Call:
        """Starts the span of a call, as a child of the caller's span.

        Args:
            request: what the call asks for.
            owner: the SDK object whose method is called.
            kwargs: the call's arguments, for the user's hook.
        """
        started = time_ns()
        name, attributes = request.span_name, request.attributes
        span = self._tracer.start_span(name, None, SpanKind.CLIENT, attributes, (), started)
        # The span has its own copy; what metrics need of them is kept beside.
        request.attributes = {}
        call = Call(self, span, request, owner, started)
        open_calls.add(call, call, recorded=call.recording)
        if call.recording and self.request_hook is not None:
            # A view, so that a hook cannot change what is sent.
            _run_hook("request_hook", self.request_hook, span, MappingProxyType(kwargs))
        return call

    def record_exception(self, span: Span, context: Context, exc: BaseException) -> None:
        """Records an exception once on the span and once as a log event."""
        mode = self._capture_content
        if span.is_recording():
            span.add_event("exception", describe(exc, self._redact if mode.on_spans else None))
        self._logger.emit(
            event_name=s.EXCEPTION_EVENT,
            severity_number=SeverityNumber.WARN,
            timestamp=time_ns(),
            context=context,
            attributes=describe(exc, self._redact if mode.on_events else None),
        )


def may_start(owner: object) -> bool:
    """Whether a call in this context gets a span.

    Not if the caller, or a framework, asked for no telemetry; nor inside a call of the same object,
    when the SDK calls itself, or another library holds an older wrapper of ours.
    """
    context = otel_context.get_current()
    if not context:
        return True
    call = context.get(_CALL)
    nested = isinstance(call, Call) and call.under_way and call.owner is owner
    return not (nested or any(context.get(key) for key in _SUPPRESSED))


def call_under_way() -> Call | None:
    """The call whose request is being made in this context, None outside of one."""
    call = otel_context.get_value(_CALL)
    return call if isinstance(call, Call) and call.under_way else None


class Call:
    """One client span, from its start to its one end."""

    __slots__ = (
        "_span", "_telemetry", "clock_offset", "final_operation", "native_hook", "owner",
        "recording", "request", "started", "under_way",
    )  # fmt: skip

    def __init__(
        self, telemetry: Telemetry, span: Span, request: Request, owner: object, started: int
    ) -> None:
        """Takes charge of a span that has just been started at ``started``, ns since the epoch."""
        self._telemetry = telemetry
        self._span = span
        self.request = request
        self.owner = owner
        self.started = started
        # Arrivals are measured from the start on a clock that no administrator sets back, so that
        # within a call time never runs backwards; one read serves dates and durations.
        self.clock_offset = started - monotonic_ns()
        self.recording = span.is_recording()
        self.final_operation = request.operation
        self.native_hook: object = None
        self.under_way = True

    @property
    def record_chunk_times(self) -> bool:
        """Whether each output chunk's time is to be recorded."""
        return self._telemetry.record_chunk_times

    def context(self) -> Context:
        """A context with this span as the current one; made anew, since an open call is small."""
        return set_span_in_context(self._span)

    def now(self) -> int:
        """Local time, ns since the epoch; within a call it never runs backwards."""
        return self.clock_offset + monotonic_ns()

    def enter(self) -> contextvars.Token[Context]:
        """Makes the span current while the SDK's own code runs."""
        return otel_context.attach(otel_context.set_value(_CALL, self, self.context()))

    def leave(self, token: contextvars.Token[Context]) -> None:
        """Gives the caller's context back."""
        # A task that was started meanwhile has this call in its context; it may outlive the owner.
        self.under_way, self.owner = False, None
        # Not context.detach(): that logs an error when the SDK's coroutine is closed from another
        # context than it ran in, and then there is nothing to give back.
        try:
            token.var.reset(token)
        except ValueError:
            pass

    def correct(self, operation: str, span_name: str) -> None:
        """The response says what the request could not: an agent's call, or its model."""
        self.final_operation = operation
        self._span.update_name(span_name)

    def hand_over(self, recorder: Abandoned) -> None:
        """From now on the recorder knows how to end the call, should everybody forget it."""
        open_calls.add(self, recorder, recorded=self.recording)

    def abandon(self) -> None:
        """Ends a call that was dropped before it had a result: not an error, and no outcome."""
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
        """Ends the span, unless it has ended or is another process's.

        Args:
            ending: what is known now.
            at: ns since the epoch; None: now.

        Returns:
            Whether this call ended it.
        """
        if not open_calls.claim(self):
            return False
        ended = self.now() if at is None else at
        span, failure = self._span, ending.failure
        try:
            if self.recording:
                self._describe(ending)
            context = self.context()
            if failure is not None and failure.exception is not None:
                self._telemetry.record_exception(span, context, failure.exception)
            if self.recording and self._telemetry.response_hook is not None:
                _run_hook("response_hook", self._telemetry.response_hook, span, ending.closing)
            duration = (ended - self.started) / 1e9
            self._telemetry.instruments.record_end(self, ending, duration, context)
        finally:
            span.end(ended)
        return True

    def count_late(self, ending: Ending) -> None:
        """Counts usage that was reported after the span had ended: the tokens were spent."""
        self._telemetry.instruments.count_usage(self, ending, self.context())

    def record_chunk(self, response_model: str | None, seconds: float) -> None:
        """Records the time between two output chunks."""
        ending = Ending()
        ending.response_model = response_model
        self._telemetry.instruments.record_chunk(self, ending, seconds, self.context())

    def _describe(self, ending: Ending) -> None:
        attributes, failure = ending.attributes, ending.failure
        if self.final_operation != self.request.operation:
            attributes[s.OPERATION_NAME] = self.final_operation
        if failure is not None:
            attributes[s.ERROR_TYPE] = failure.type
            attributes.update(failure.attributes)
            self._span.set_status(StatusCode.ERROR, failure.type)
        self._span.set_attributes(attributes)


def _run_hook(name: str, hook: Callable[[Span, Any], None], span: Span, argument: object) -> None:
    try:
        hook(span, argument)
    except Exception as exc:  # noqa: BLE001 -- the user's function must not fail the user's call
        _guard.report(name, exc)


def inject_traceparent(headers: MutableMapping[str, str]) -> None:
    """Writes the current span's context into the headers of a request."""
    propagate.inject(headers)
