# SPDX-License-Identifier: Apache-2.0
"""What guardrails decided, and which tools the user confirmed: on the spans."""

from __future__ import annotations

import inspect
from typing import Any, Final

import pytest

from tests.support import names as s
from tests.support import sdk
from tests.support.recording import Recording

NEW: Final = pytest.mark.skipif(
    sdk.VERSION < (2, 0), reason="before 2.0 there are neither guardrails nor confirmations"
)
# 2.0.0 has classes for them, which have no fields.
TAKEN: Final = pytest.mark.skipif(
    "guardrails" not in inspect.signature(sdk.Mistral(api_key="k").chat.complete).parameters,
    reason="this SDK's chat takes no guardrails",
)
VERDICTS: Final = s.GUARDRAILS
COUNTS: Final = s.CONFIRMED


def told(attributes: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {key: attributes[key] for key in attributes if key.startswith(prefix)}


@TAKEN
def test_the_guardrails_of_a_response_are_names_and_verdicts(
    client: Any, recording: Recording
) -> None:
    response = client.beta.conversations.start(
        model="m", inputs="my secret", http_headers={"x-emulator-scenario": "guardrails"}
    )
    assert "my secret" in str(response.guardrails)
    span = recording.span()
    assert told(span.attributes, VERDICTS) == {
        f"{VERDICTS}moderation_llm_v1": "none",
        f"{VERDICTS}moderation_llm_v2": "blocked",
    }
    assert "secret" not in str(span)
    assert not any(
        told(attributes, VERDICTS) for points in recording.metrics().values()
        for attributes, _ in points
    )  # fmt: skip


@TAKEN
def test_the_guardrails_of_a_request_are_their_names(client: Any, recording: Recording) -> None:
    guardrails = [{"block_on_error": True, "moderation_llm_v1": {"action": "block"}}]
    client.beta.conversations.start(model="m", inputs="Hello?", guardrails=guardrails)
    client.chat.complete(
        model="m", messages=[{"role": "user", "content": "?"}], guardrails=guardrails
    )
    names = [dict(span.attributes or {})[s.REQUEST_GUARDRAILS] for span in recording.spans()]
    assert names == [("moderation_llm_v1",)] * 2


@NEW
def test_confirmations_are_counted_and_named_on_the_tools_step(
    client: Any, recording: Recording
) -> None:
    first = client.beta.conversations.start(model="m", inputs="Hello?")
    answers = {"tool_1": "allow", "other": "allow", "third": "deny"}
    confirmations = [{"tool_call_id": key, "confirmation": word} for key, word in answers.items()]
    client.beta.conversations.append(
        conversation_id=first.conversation_id, tool_confirmations=confirmations,
        http_headers={"x-emulator-scenario": "web_search"},
    )  # fmt: skip
    spans = [dict(span.attributes or {}) for span in recording.spans()]
    tools = [attributes for attributes in spans if s.TOOL_CALL_ID in attributes]
    assert [tool[s.TOOL_CALL_ID] for tool in tools] == ["tool_1"]
    assert [tool[s.TOOL_CONFIRMATION] for tool in tools] == ["allowed"]
    counted = [told(attributes, COUNTS) for attributes in spans if told(attributes, COUNTS)]
    assert counted == [{f"{COUNTS}allowed": 2, f"{COUNTS}denied": 1}]
