# SPDX-License-Identifier: Apache-2.0
"""Ids, agents and requests for property tests of trees, and when the tree of a call is whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.support.fakes import Ended, FakeCall, Story
from tests.unit.recording.test_properties import TEXTS

# Few, so that they repeat; of a handoff and of a tool the same.
IDS: st.SearchStrategy[object] = st.sampled_from(["a", "b", None]) | TEXTS
TAKERS = ("ag_1", "ag_2", "ag_3")
AGENTS: st.SearchStrategy[object] = st.sampled_from(TAKERS) | TEXTS
PREVIOUS = {"previous_agent_id": AGENTS, "previous_agent_name": TEXTS}
NEXT = {"next_agent_id": AGENTS, "next_agent_name": TEXTS}
REQUESTS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"agent_id": "ag_1"}, {"model": "mistral-small-latest"}, {"conversation_id": "conv_0"}]
)


def property_test(test: Any) -> Any:
    health = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    return health(test)


def asked(request: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Story:
    story = Story(monkeypatch)
    story.asks("invoke_agent" if "agent_id" in request else "chat", **request)
    return story


def assert_whole(call: FakeCall) -> Ended:
    """Every span has ended, inside its parent; the call asserts that they ended before it."""
    (ended,) = call.endings
    assert 0 <= ended.at <= (call.now() - call.started) / 1e9
    for child in call.children:
        assert child.ended is not None
        assert 0 <= child.started <= child.ended <= ended.at
        if child.inside is not None:
            assert child.inside.ended is not None
            assert child.inside.started <= child.started
            assert child.ended <= child.inside.ended
        assert all(isinstance(value, str) for _, value in child.attributes.values())
    return ended
