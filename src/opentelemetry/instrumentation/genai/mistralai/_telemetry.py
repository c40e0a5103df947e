# SPDX-License-Identifier: Apache-2.0
"""Where telemetry goes: the providers, the user's options, and the start of a span."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from time import monotonic_ns, time_ns
from types import MappingProxyType
from typing import Any, Final

from opentelemetry import _logs, metrics, trace
from opentelemetry.context import Context

from . import _semconv as s
from ._content import ContentMode, redactor
from ._errors import describe
from ._metrics import Instruments
from ._open_calls import open_calls
from ._requests import Request
from ._spans import Call, run_hook
from .version import __version__

RequestHook = Callable[[trace.Span, Mapping[str, Any]], None]
ResponseHook = Callable[[trace.Span, Any], None]
_API: Final = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")


class Telemetry:
    """Where telemetry goes, and the user's options; `instrument` says what each is."""

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        logger_provider: _logs.LoggerProvider | None = None,
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
                self._tracer_provider or trace.get_tracer_provider(),
                self._meter_provider or metrics.get_meter_provider(),
                self._logger_provider or _logs.get_logger_provider(),
            )
            self.listened_to = not all(type(p).__module__.startswith(_API) for p in providers)
        return not self.listened_to

    # Looked up when first used: the global providers are often set after instrument().
    @cached_property
    def _tracer(self) -> trace.Tracer:
        return trace.get_tracer(s.SCOPE, __version__, self._tracer_provider)

    @cached_property
    def _logger(self) -> _logs.Logger:
        return _logs.get_logger(s.SCOPE, __version__, self._logger_provider)

    @cached_property
    def instruments(self) -> Instruments:
        """The metrics of this configuration."""
        meter = metrics.get_meter(s.SCOPE, __version__, self._meter_provider)
        return Instruments(meter, latest=self._latest)

    def start(self, request: Request, owner: object, kwargs: Mapping[str, Any]) -> Call:
        """Starts the span of a call, as a child of the caller's span, and makes it current.

        Args:
            request: what the call asks for.
            owner: the SDK object whose method is called.
            kwargs: the call's arguments, for the user's hook.
        """
        # Both clocks at once: a slow start_span() between them would make every arrival too early.
        ticks, started = monotonic_ns(), time_ns()
        name, attributes = request.span_name, request.attributes
        span = self._tracer.start_span(name, None, trace.SpanKind.CLIENT, attributes, (), started)
        # The span has its own copy; what metrics need of them is kept beside.
        request.attributes = {}
        call = Call(self, span, request, owner, started, started - ticks)
        open_calls.add(call, call, recorded=call.recording)
        if call.recording and self.request_hook is not None:
            # A view, so that a hook cannot change what is sent.
            run_hook("request_hook", self.request_hook, span, MappingProxyType(kwargs))
        call.enter()
        return call

    def record_exception(
        self, span: trace.Span, exc: BaseException, at: int, context: Context
    ) -> None:
        """Records an exception once on the span and once as a log event, at the span's end."""
        mode = self._capture_content
        if span.is_recording():
            span.add_event("exception", describe(exc, self._redact if mode.on_spans else None), at)
        self._logger.emit(
            event_name=s.EXCEPTION_EVENT,
            severity_number=_logs.SeverityNumber.WARN,
            timestamp=at,
            context=context,
            attributes=describe(exc, self._redact if mode.on_events else None),
        )
