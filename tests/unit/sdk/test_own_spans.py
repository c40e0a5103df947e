# SPDX-License-Identifier: Apache-2.0
"""How often a call's request is said to have been sent again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

import pytest

import opentelemetry.instrumentation.genai.mistralai._sdk.own_spans as tested

# What the SDK's hook sees of a call: a request is sent (>), an answer comes (<).
RESENT: Final = {
    ">": 0,
    "><": 0,
    ">>><": 2,
    # Polls for a result are requests of their own, and so is each page of a list.
    "><><><": 0,
    # One that had to be sent again is one all the same.
    "><>><": 1,
    ">><>>>><": 4,
}


@pytest.mark.parametrize("seen", RESENT)
def test_what_follows_an_answer_is_another_request(
    monkeypatch: pytest.MonkeyPatch, seen: str
) -> None:
    call: Any = SimpleNamespace(attempts=0, exchange=None)
    monkeypatch.setattr(tested, "call_under_way", lambda: call)
    answer = SimpleNamespace(headers={"x-request-id": "r"})
    for step in seen:
        if step == ">":
            tested.wrap_before_request(lambda *_: None, object(), (None, None), {})
        else:
            tested.wrap_after_success(lambda *_: None, object(), (None, answer), {})
    assert call.attempts - 1 == RESENT[seen]
