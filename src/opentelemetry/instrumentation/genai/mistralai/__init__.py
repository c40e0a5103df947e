# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry instrumentation for the Mistral AI Python SDK.

Call `instrument` once, at startup, before or after ``mistralai`` is imported::

    from opentelemetry.instrumentation.genai.mistralai import instrument

    instrument()

or start the program under ``opentelemetry-instrument``, which finds `MistralAIInstrumentor`. From
then on each recorded call of the SDK is a span, with its usage and its errors, and its tokens are
counted. The span of a conversation's stream ends at the time that the server names. What is
recorded: ``docs/telemetry.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._content.mode import ContentMode
from ._options import UNCHANGED, Unchanged, checked
from ._switch import switch_off, switch_on
from .version import __version__

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ._instrumentor import MistralAIInstrumentor
    from ._otel.completion_hook import CompletionHook
    from ._otel.configuration import (
        InsideInference,
        MetricNames,
        Redact,
        RequestHook,
        ResponseHook,
    )

__all__ = [
    "UNCHANGED",
    "ContentMode",
    "MistralAIInstrumentor",
    "__version__",
    "instrument",
    "uninstrument",
]


def instrument(
    *,
    tracer_provider: TracerProvider | Unchanged | None = UNCHANGED,
    meter_provider: MeterProvider | Unchanged | None = UNCHANGED,
    logger_provider: LoggerProvider | Unchanged | None = UNCHANGED,
    capture_content: ContentMode | str | Unchanged | None = UNCHANGED,
    redact: Redact | Unchanged | None = UNCHANGED,
    request_hook: RequestHook | Unchanged | None = UNCHANGED,
    response_hook: ResponseHook | Unchanged | None = UNCHANGED,
    completion_hook: CompletionHook | Unchanged | None = UNCHANGED,
    record_chunk_times: bool | Unchanged | None = UNCHANGED,
    metric_names: MetricNames | Unchanged | None = UNCHANGED,
    inside_inference: InsideInference | Unchanged | None = UNCHANGED,
    session_spans: bool | Unchanged | None = UNCHANGED,
) -> None:
    """Switches instrumentation on, or, if it is on, changes the given arguments only.

    `UNCHANGED` is the same as not giving an argument. None removes a provider, ``redact`` or a
    hook; for the others it means the environment's value, and without one the default.

    Args:
        tracer_provider: where spans go; None: the global one, looked up when first used.
        meter_provider: where metrics go; None: the global one.
        logger_provider: where log events go; None: the global one.
        capture_content: whether and where content is recorded: a `ContentMode` or its string;
            None: ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` decides, and without it
            no content is recorded.
        redact: called with each text before it is recorded; returns what may be recorded of it.
            JSON is taken apart first, and escapes are undone. If it raises, the text is dropped.
        request_hook: called with the span and the call's keyword arguments after the start of each
            recorded span of kind CLIENT: one for each call of the API, none for the tools, handoffs
            and agents beneath it.
        response_hook: called with the span and the response, or a stream's closing event (None
            without one), before the end of each of these spans.
        completion_hook: an object whose ``on_completion`` is called at the end of each inference
            call (one that asks a model for an answer, such as a chat) with its content as
            opentelemetry-util-genai's messages, which must be installed, whatever
            ``capture_content`` is. None: the one that
            ``OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK`` names, if any.
        record_chunk_times: whether the time between output chunks is a metric; costs one
            recording for each chunk. None: no.
        metric_names: ``v1.41`` for the names of today's dashboards, ``latest`` for the newest ones;
            None: ``OTEL_INSTRUMENTATION_GENAI_MISTRALAI_METRIC_NAMES`` decides, and without it
            they are those of v1.41.
        inside_inference: how a call inside another library's span of the same request is recorded:
            ``adopt`` adds its facts to that span and opens none, ``record`` always opens one;
            None: ``OTEL_INSTRUMENTATION_GENAI_MISTRALAI_INSIDE_INFERENCE`` decides, and without it
            calls are adopted.
        session_spans: whether a realtime session is a span, from its handshake to its end, which
            may be hours later; its counters are recorded in any case. None:
            ``OTEL_INSTRUMENTATION_GENAI_MISTRALAI_SESSION_SPANS`` decides, and without it yes.

    Raises:
        TypeError: an argument has the wrong type; a hook is async, or takes other parameters.
        ValueError: an argument has none of the values that it may have.
    """
    arguments = {
        "tracer_provider": tracer_provider,
        "meter_provider": meter_provider,
        "logger_provider": logger_provider,
        "capture_content": capture_content,
        "redact": redact,
        "request_hook": request_hook,
        "response_hook": response_hook,
        "completion_hook": completion_hook,
        "record_chunk_times": record_chunk_times,
        "metric_names": metric_names,
        "inside_inference": inside_inference,
        "session_spans": session_spans,
    }
    switch_on(checked(arguments), check_versions=True)


def uninstrument() -> None:
    """Switches instrumentation off; open streams still finish their spans."""
    switch_off()


def __getattr__(name: str) -> Any:
    # The instrumentor's base class takes as long to import as all the rest, and only
    # auto-instrumentation uses it: importing it above would double the package's import time.
    if name == "MistralAIInstrumentor":
        from ._instrumentor import MistralAIInstrumentor

        return MistralAIInstrumentor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
