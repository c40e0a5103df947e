# SPDX-License-Identifier: Apache-2.0
"""Defines the checked options of `instrument`: providers, hooks, metric names and content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .._content.mode import ContentMode
from .completion_hook import CompletionHook

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

Redact = Callable[[str], str]
RequestHook = Callable[["Span", Mapping[str, Any]], None]
ResponseHook = Callable[["Span", Any], None]
MetricNames = Literal["v1.41", "latest"]
InsideInference = Literal["adopt", "record"]


@dataclass(frozen=True)
class Options:
    """Holds the options from `instrument` or the environment; `instrument` explains each.

    Attributes:
        emit_event: whether a call's details are a log event; None: if events carry content. Only
            the environment sets it, as in other GenAI instrumentations.
    """

    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None
    logger_provider: LoggerProvider | None = None
    capture_content: ContentMode = ContentMode.NO_CONTENT
    redact: Redact | None = None
    request_hook: RequestHook | None = None
    response_hook: ResponseHook | None = None
    completion_hook: CompletionHook | None = None
    record_chunk_times: bool = False
    metric_names: MetricNames = "v1.41"
    inside_inference: InsideInference = "adopt"
    session_spans: bool = True
    emit_event: bool | None = None
