# SPDX-License-Identifier: Apache-2.0
"""The real opentelemetry-util-genai has its key where it is looked for."""

from __future__ import annotations

import importlib
from typing import Any

from opentelemetry.context import Context

from opentelemetry.instrumentation.genai.mistralai._otel.conversation_ids import conversation_of

UTIL_GENAI: Any = importlib.import_module("opentelemetry.util.genai._conversation_context")


def test_an_invocations_conversation_is_found() -> None:
    within = UTIL_GENAI.with_conversation_id("invocation_1", Context())
    assert conversation_of(within) == "invocation_1"
    assert conversation_of(Context()) is None
