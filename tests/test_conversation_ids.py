# SPDX-License-Identifier: Apache-2.0
"""The real opentelemetry-util-genai has its key where it is looked for."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.util.genai._conversation_context import with_conversation_id

from opentelemetry.instrumentation.genai.mistralai._conversation_ids import conversation_of


def test_an_invocations_conversation_is_found() -> None:
    assert conversation_of(with_conversation_id("invocation_1", Context())) == "invocation_1"
    assert conversation_of(Context()) is None
