# SPDX-License-Identifier: Apache-2.0
"""Records into the configured providers, as the user's options say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

from opentelemetry import _logs, metrics, trace
from opentelemetry import context as otel_context
from opentelemetry.context import Context

from .. import _log
from .. import _names as s
from .._content.exceptions import describe
from .._content.mode import cleaner, fitted, on_span
from .._reading.errors import Failure
from ..version import __version__
from .batch_metrics import BatchInstruments
from .completion_hook import Said, cut_texts, on_completion
from .configuration import Options
from .metrics import Instruments
from .open_calls import open_calls
from .reentrancy import note_provider
from .surroundings import detach

_API: Final = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")
_LOOK_UPS: Final[tuple[Callable[[], Any], ...]] = (
    trace.get_tracer_provider,
    metrics.get_meter_provider,
    _logs.get_logger_provider,
)
# Calls of these operations are recorded as a log event and passed to a completion hook, as other
# GenAI instrumentations do.
_INFERENCE: Final = frozenset({s.CHAT, s.INVOKE_AGENT, s.TEXT_COMPLETION, s.GENERATE_CONTENT})
_NOBODY_LISTENS: Final = (
    "nothing is recorded: mistralai is instrumented, but no OpenTelemetry provider is set. Call"
    " trace.set_tracer_provider(), or start the program under opentelemetry-instrument"
)


class Telemetry:
    """Holds the providers and the user's options; `instrument` explains each option.

    Attributes:
        options: the options that `instrument` was given.
        clean: returns what may be recorded of a text, at most 64 KiB.
        clean_whole: cleans a call's messages: without that limit, if there is a completion hook.
        always_reads: whether content is read even for a call whose span is not recorded.
        emits_details: whether calls are recorded as a log event, too.
        listened_to: whether a provider or a completion hook was found.
        adopts: whether another library's inference span takes the place of ours.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        # Each call reads these, and an enum's properties are slow: they are copied once.
        self.content_on_spans = options.capture_content.on_spans
        self.content_on_events = options.capture_content.on_events
        emits = options.emit_event
        self.emits_details = self.content_on_events if emits is None else emits
        self._on_completion = on_completion(options.completion_hook)
        self.always_reads = self._on_completion is not None or (
            self.content_on_events and self.emits_details
        )
        self.clean = cleaner(options.redact)
        hooked = self._on_completion is not None
        self.clean_whole = cleaner(options.redact, whole=True) if hooked else self.clean
        self.listened_to = self.has_recorded = False
        self._given = (options.tracer_provider, options.meter_provider, options.logger_provider)
        self.request_hook = options.request_hook
        self.response_hook = options.response_hook
        self.record_chunk_times = options.record_chunk_times
        self.adopts = options.inside_inference == "adopt"
        self._told_nobody_listens = False

    def look_for_listeners(self) -> None:
        """Looks for a listener: a completion hook, or a provider other than the API's own.

        Each call runs this until one is found: global providers are often set after `instrument`.
        If the first look finds none, it logs one line, once for all configurations.
        """
        listened_to = self._on_completion is not None
        for given, look_up in zip(self._given, _LOOK_UPS, strict=True):
            try:
                provider = look_up() if given is None else given
                # The API's own providers drop everything: they are no listeners.
                if not type(provider).__module__.startswith(_API):
                    listened_to = True
                    note_provider(provider)
            except Exception as exc:  # noqa: BLE001 -- the other providers must be looked at
                _log.report("find a provider", exc)
        if listened_to:
            # A look-up may create its provider, which registers for the exit then. We register
            # after it, because exit handlers run last in, first out: earlier, spans would be lost.
            self.listened_to = True
            open_calls.end_all_at_exit()
        elif not self._told_nobody_listens:
            self._told_nobody_listens = True
            _log.inform_once(_NOBODY_LISTENS)

    def on_first_span(self) -> None:
        """Registers for the exit again at the first recorded span.

        A tracer provider that came late has registered in between: it would shut down first.
        """
        self.has_recorded = True
        open_calls.end_all_at_exit()

    # These are looked up at first use: the global providers are often set after `instrument`.
    @cached_property
    def tracer(self) -> trace.Tracer:
        """Returns the tracer of this package's scope."""
        return trace.get_tracer(s.SCOPE, __version__, self.options.tracer_provider)

    @cached_property
    def _logger(self) -> _logs.Logger:
        return _logs.get_logger(s.SCOPE, __version__, self.options.logger_provider)

    @cached_property
    def instruments(self) -> Instruments:
        """Returns the instruments of this configuration."""
        meter = metrics.get_meter(s.SCOPE, __version__, self.options.meter_provider)
        return Instruments(meter, latest=self.options.metric_names == "latest")

    @cached_property
    def batches(self) -> BatchInstruments:
        """Returns the instruments of batches, which few programs use."""
        meter = metrics.get_meter(s.SCOPE, __version__, self.options.meter_provider)
        return BatchInstruments(meter)

    def record_exception(
        self,
        span: trace.Span,
        cause: BaseException | Failure,
        at: int,
        context: Context,
        *,
        log: bool = True,
    ) -> None:
        """Records an exception once on the span and once as a log event, at the span's end.

        The message of a failure that came as an error event is recorded only while content is
        captured.
        """
        if span.is_recording():
            described = describe(cause, self.clean if self.content_on_spans else None)
            if described:
                span.add_event("exception", described, at)
        if log:
            described = describe(cause, self.clean if self.content_on_events else None)
            severity = _logs.SeverityNumber.WARN
            if described:
                self._emit(_record(s.EXCEPTION_EVENT, severity, described, at, context), context)

    def record_content(
        self,
        span: trace.Span,
        operation: str,
        said: Said,
        known: Mapping[str, Any],
        at: int,
        context: Context,
    ) -> None:
        """Records a call's content: on its span, for the completion hook, as a log event.

        Args:
            span: the call's span.
            operation: the call's operation.
            said: the content, by attribute name.
            known: the span's attributes, for the event.
            at: when the span ends, ns since the epoch.
            context: the context in which the span is the current one.
        """
        hook = self._on_completion
        recorded = fitted(said if hook is None else cut_texts(said))
        if self.content_on_spans and span.is_recording():
            span.set_attributes({key: on_span(key, items) for key, items in recorded.items()})
        if operation not in _INFERENCE:
            return
        details = {**known, **recorded} if self.content_on_events else known
        if hook is None:
            if self.emits_details:
                self.record_details(details, at, context)
            return
        record = self._details(details, at, context) if self.emits_details else None
        try:
            hook(said, span, record)
        finally:
            if record is not None:
                self._emit(record, context)

    def record_details(self, attributes: Mapping[str, Any], at: int, context: Context) -> None:
        """Records a call with its content as a log event, at the span's end."""
        self._emit(self._details(attributes, at, context), context)

    def _emit(self, record: _logs.LogRecord, context: Context) -> None:
        # Log processors read the current context and not the record's: without this line they
        # would find another span, or none.
        token = otel_context.attach(context)
        try:
            self._logger.emit(record)
        finally:
            detach(token)

    def _details(self, attributes: Mapping[str, Any], at: int, context: Context) -> _logs.LogRecord:
        return _record(s.DETAILS_EVENT, _logs.SeverityNumber.INFO, attributes, at, context)


class Switch:
    """Holds the `Telemetry` that calls are recorded into; None while instrumentation is off."""

    telemetry: Telemetry | None = None

    @classmethod
    def turn_on(cls, options: Options) -> None:
        """Records calls with these options from now on."""
        cls.telemetry = Telemetry(options)

    @classmethod
    def turn_off(cls) -> None:
        """Lets calls pass from now on."""
        cls.telemetry = None


def _record(
    name: str,
    severity: _logs.SeverityNumber,
    attributes: Mapping[str, Any],
    at: int,
    context: Context,
) -> _logs.LogRecord:
    return _logs.LogRecord(
        event_name=name,
        severity_number=severity,
        timestamp=at,
        context=context,
        attributes=attributes,
    )
