# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry instrumentation for the Mistral AI Python SDK.

Call `instrument` once, at startup, before or after ``mistralai`` is imported::

    from opentelemetry.instrumentation.genai.mistralai import instrument

    instrument()

or start the program under ``opentelemetry-instrument``, which finds `MistralAIInstrumentor`. From
then on each conversation stream is a span that ends when the server says that it was done, with its
usage, its identity, its errors; and its tokens are counted. What is recorded is in the README.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._content import ContentMode
from ._switch import switch_off, switch_on, validated
from .version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from ._instrumentor import MistralAIInstrumentor

__all__ = ["ContentMode", "MistralAIInstrumentor", "__version__", "instrument", "uninstrument"]


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: LoggerProvider | None = None,
    capture_content: ContentMode | str | None = None,
    redact: Callable[[str], str] | None = None,
    request_hook: Callable[[Span, Mapping[str, Any]], None] | None = None,
    response_hook: Callable[[Span, Any], None] | None = None,
    record_chunk_times: bool | None = None,
) -> None:
    """Switches instrumentation on, or, when it is on, changes what is named and keeps the rest.

    Args:
        tracer_provider: where spans go; None: the global one, looked up when first used.
        meter_provider: where metrics go; None: the global one.
        logger_provider: where log events go; None: the global one.
        capture_content: whether and where the user's words are recorded: a `ContentMode` or its
            string; None: ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` decides, and
            without it nothing is.
        redact: called with each text before it is recorded, returns what may be. JSON is taken
            apart first, and escapes are undone. If it raises, the text is dropped.
        request_hook: called with the span and the call's keyword arguments after the start of each
            recorded client span.
        response_hook: called with the span and the response, or a stream's closing event (None
            without one), before the end of each recorded client span.
        record_chunk_times: whether the time between output chunks is a metric; costs one
            recording for each chunk. None: no, or unchanged.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: ``capture_content`` names no mode.
    """
    arguments = {
        "tracer_provider": tracer_provider,
        "meter_provider": meter_provider,
        "logger_provider": logger_provider,
        "capture_content": capture_content,
        "redact": redact,
        "request_hook": request_hook,
        "response_hook": response_hook,
        "record_chunk_times": record_chunk_times,
    }
    switch_on(validated(arguments), check_versions=True)


def uninstrument() -> None:
    """Switches instrumentation off. Streams that are open then finish their spans."""
    switch_off()


def __getattr__(name: str) -> Any:
    # Its base class takes as long to import as all the rest, and only auto-instrumentation asks.
    if name == "MistralAIInstrumentor":
        from ._instrumentor import MistralAIInstrumentor

        return MistralAIInstrumentor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
