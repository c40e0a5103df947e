# SPDX-License-Identifier: Apache-2.0
"""A user's program, for type checkers: `tools.release` shows it to them beside the built wheel.

It leaves the SDK out: mypy reads its models for minutes, and learns nothing of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import Span, get_tracer_provider

from opentelemetry.instrumentation.genai.mistralai import (
    UNCHANGED,
    ContentMode,
    MistralAIInstrumentor,
    __version__,
    instrument,
    uninstrument,
)


def without_digits(text: str) -> str:
    """Says what may be recorded of a text."""
    return "".join(" " if letter.isdigit() else letter for letter in text)


def tag(span: Span, arguments: Mapping[str, Any]) -> None:
    """Adds an attribute of the user's own."""
    span.set_attribute("app.streamed", "stream" in arguments)


def main() -> None:
    """Uses each public name as the README does."""
    version: str = __version__
    instrument(
        tracer_provider=get_tracer_provider(),
        meter_provider=None,
        logger_provider=UNCHANGED,
        capture_content=ContentMode.SPAN_ONLY if version else "NO_CONTENT",
        redact=without_digits,
        request_hook=tag,
        record_chunk_times=True,
        metric_names="latest",
        inside_inference="adopt",
        session_spans=False,
    )
    MistralAIInstrumentor().uninstrument()
    uninstrument()
    # Wrong, so that a checker that does not see our types is seen: the comment is then unused.
    instrument(redact=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    instrument(metric_names="old")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
