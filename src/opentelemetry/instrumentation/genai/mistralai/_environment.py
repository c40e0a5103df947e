# SPDX-License-Identifier: Apache-2.0
"""Names the variables that decide where no argument does, and reads those with fixed values."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from . import _log

# All GenAI instrumentations read these; opentelemetry-util-genai 1.3b0 defines their meaning.
CAPTURE_CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
EMIT_EVENT: Final = "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"
COMPLETION_HOOK: Final = "OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK"
# Only this package reads these.
METRIC_NAMES: Final = "OTEL_INSTRUMENTATION_GENAI_MISTRALAI_METRIC_NAMES"
INSIDE_INFERENCE: Final = "OTEL_INSTRUMENTATION_GENAI_MISTRALAI_INSIDE_INFERENCE"

_MAX_SHOWN: Final = 64


def choice(variable: str, allowed: Sequence[str], unset: str, consequence: str) -> str:
    """Reads a variable that has one of a few values, whatever their case.

    Args:
        variable: the variable's name.
        allowed: the values, in lower case.
        unset: the result for an unset or empty variable, and for an unknown value.
        consequence: the end of the one warning about an unknown value.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        return unset
    if value.lower() in allowed:
        return value.lower()
    _log.say_once(
        "%s=%s is none of %s: %s", variable, value[:_MAX_SHOWN], ", ".join(allowed), consequence
    )
    return unset
