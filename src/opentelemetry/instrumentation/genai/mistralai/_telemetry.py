# SPDX-License-Identifier: Apache-2.0
"""Where telemetry goes: the providers, and the user's options."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

from opentelemetry import _logs, metrics, trace
from opentelemetry import context as otel_context
from opentelemetry.context import Context

from . import _guard
from . import _semconv as s
from ._content import ContentMode, cleaner
from ._context import give_back
from ._errors import describe
from ._metrics import Instruments
from ._open_calls import open_calls
from ._reentrancy import note_provider
from .version import __version__

RequestHook = Callable[[trace.Span, Mapping[str, Any]], None]
ResponseHook = Callable[[trace.Span, Any], None]
_API: Final = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")
# The API's functions, and where each looks first. Looking there ourselves spares 12 us of a call
# that nobody listens to; of an API that keeps it elsewhere the function is asked.
_LOOK_UPS: Final[tuple[tuple[Any, str, str], ...]] = (
    (trace.get_tracer_provider, "_TRACER_PROVIDER", "OTEL_PYTHON_TRACER_PROVIDER"),
    (metrics.get_meter_provider, "_METER_PROVIDER", "OTEL_PYTHON_METER_PROVIDER"),
    (_logs.get_logger_provider, "_LOGGER_PROVIDER", "OTEL_PYTHON_LOGGER_PROVIDER"),
)


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
        # Asked at each call, and an enum's properties are slow.
        self.content_on_spans = capture_content.on_spans
        self.content_on_events = capture_content.on_events
        self.clean = cleaner(redact)
        self._latest = latest
        self.listened_to = self.has_recorded = False
        self._given = (tracer_provider, meter_provider, logger_provider)
        named = any(variable in os.environ for _, _, variable in _LOOK_UPS)
        self._only_global = not named and all(given is None for given in self._given)
        self.request_hook = request_hook
        self.response_hook = response_hook
        self.record_chunk_times = record_chunk_times

    def is_idle(self) -> bool:
        """Whether nobody listens: there are no providers but the API's own, which drop all."""
        if self._only_global:
            for look_up, name, _ in _LOOK_UPS:
                if getattr(look_up, "__globals__", {}).get(name, self) is not None:
                    break
            else:
                return True
        listened_to = False
        for given, (look_up, _, _) in zip(self._given, _LOOK_UPS, strict=True):
            try:
                provider = look_up() if given is None else given
                if not type(provider).__module__.startswith(_API):
                    listened_to = True
                    note_provider(provider)
            except Exception as exc:  # noqa: BLE001 -- one that is named wrongly; the others are there
                _guard.report("find a provider", exc)
        # Only now: what is looked up may be made, and registers for the exit itself.
        if listened_to and not self.listened_to:
            self.listened_to = True
            open_calls.end_all_at_exit()
        return not listened_to

    def on_first_span(self) -> None:
        """A span is recorded: if the tracer provider came late, this registers after it."""
        self.has_recorded = True
        open_calls.end_all_at_exit()

    # Looked up when first used: the global providers are often set after instrument().
    @cached_property
    def tracer(self) -> trace.Tracer:
        """Of this package's scope."""
        return trace.get_tracer(s.SCOPE, __version__, self._tracer_provider)

    @cached_property
    def _logger(self) -> _logs.Logger:
        return _logs.get_logger(s.SCOPE, __version__, self._logger_provider)

    @cached_property
    def instruments(self) -> Instruments:
        """The metrics of this configuration."""
        meter = metrics.get_meter(s.SCOPE, __version__, self._meter_provider)
        return Instruments(meter, latest=self._latest)

    def record_exception(
        self, span: trace.Span, exc: BaseException, at: int, context: Context, *, log: bool = True
    ) -> None:
        """Records an exception once on the span and once as a log event, at the span's end."""
        if span.is_recording():
            described = describe(exc, self.clean if self.content_on_spans else None)
            span.add_event("exception", described, at)
        if log:
            described = describe(exc, self.clean if self.content_on_events else None)
            self._emit(s.EXCEPTION_EVENT, _logs.SeverityNumber.WARN, described, at, context)

    def record_details(self, attributes: Mapping[str, Any], at: int, context: Context) -> None:
        """Records a call with its content as a log event, at the span's end."""
        self._emit(s.DETAILS_EVENT, _logs.SeverityNumber.INFO, attributes, at, context)

    def _emit(
        self,
        name: str,
        severity: _logs.SeverityNumber,
        attributes: Mapping[str, Any],
        at: int,
        context: Context,
    ) -> None:
        # Processors of logs look at the context that is current, and not at the record's.
        token = otel_context.attach(context)
        try:
            self._logger.emit(
                event_name=name,
                severity_number=severity,
                timestamp=at,
                context=context,
                attributes=attributes,
            )
        finally:
            give_back(token)
