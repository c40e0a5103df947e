# SPDX-License-Identifier: Apache-2.0
"""Guardrails and confirmations: names and verdicts, never a text, in whatever form they come."""

from __future__ import annotations

from typing import Any, Final

import pytest

from opentelemetry.instrumentation.genai.mistralai._reading.guardrails import (
    confirmations_of,
    guardrail_names,
    verdicts_of,
)
from tests.support import names as s
from tests.support.fake_events import UNSET

WORDS: Final = "the user's words"
ANY: Final[dict[str, Any]] = {}


class Config:
    def __init__(self, **fields: object) -> None:
        vars(self).update(fields)


@pytest.mark.parametrize(
    ("configured", "names"),
    [
        ([{"block_on_error": True, "moderation_llm_v2": {"action": "block"}}],
         ["moderation_llm_v2"]),
        ([Config(block_on_error=True, moderation_llm_v1=UNSET, moderation_llm_v2=Config(a=1))],
         ["moderation_llm_v2"]),
        (({"one": ANY}, {"two": ANY, "one": ANY}), ["one", "two"]),
        ([{WORDS: ANY}], None),
        ([{f"g{number}": ANY for number in range(100)}], [f"g{number}" for number in range(32)]),
        ([None, 7, WORDS], None),
        (iter([{"one": ANY}]), None),
        (UNSET, None),
    ],
)  # fmt: skip
def test_the_guardrails_of_a_request_are_their_names(configured: Any, names: object) -> None:
    assert guardrail_names(configured) == names


@pytest.mark.parametrize(
    ("guardrails", "verdicts"),
    [
        ([{"name": "v2", "action": "block", "reason": WORDS}], {"v2": "block"}),
        ([{"type": "v2", "verdict": WORDS, "status": "passed"}], {"v2": "passed"}),
        ([{"guardrail": "v2", "blocked": False}], {"v2": "not_blocked"}),
        ([{"v2": {"flagged": True, "text": WORDS}}], {"v2": "flagged"}),
        ([{"name": "v2", "reason": WORDS}], {"v2": "_OTHER"}),
        # What blocks must not hide behind what passes.
        ([{"name": "v", "action": "none"}, {"name": "v", "action": "block"}], {"v": "none,block"}),
        ([{"name": "v2", "action": "none"}] * 9, {"v2": "none"}),
        ([{"name": WORDS, "action": "block"}, {WORDS: {"blocked": True}}, WORDS, None], {}),
        ([{"name": f"g{number}", "action": "a"} for number in range(100)],
         {f"g{number}": "a" for number in range(32)}),
        ([], {}),
        ({"name": "v2"}, {}),
        (UNSET, {}),
    ],
)  # fmt: skip
def test_what_guardrails_decided_is_a_word_for_each_name(
    guardrails: Any, verdicts: dict[str, str]
) -> None:
    expected = {f"{s.GUARDRAILS}{name}": word for name, word in verdicts.items()}
    assert verdicts_of(guardrails) == expected


@pytest.mark.parametrize(
    ("confirmed", "answers"),
    [
        ([{"tool_call_id": "a", "confirmation": "allow"},
          Config(tool_call_id="b", confirmation="deny")], {"a": "allowed", "b": "denied"}),
        ([{"tool_call_id": "a", "confirmation": WORDS}, {"confirmation": "allow"}, None], {}),
        ([{"tool_call_id": str(n), "confirmation": "allow"} for n in range(999)],
         {str(n): "allowed" for n in range(128)}),
        (iter([{"tool_call_id": "a", "confirmation": "allow"}]), {}),
        (UNSET, {}),
    ],
)  # fmt: skip
def test_confirmations_are_answers_by_the_id_of_the_call(confirmed: Any, answers: object) -> None:
    assert confirmations_of(confirmed) == answers
