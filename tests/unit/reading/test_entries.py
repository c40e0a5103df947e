# SPDX-License-Identifier: Apache-2.0
"""A response that was not streamed: its entries as events, and what becomes of its call.

Times are seconds since the start of the call, at which the server's clock says the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._reading.entries import events_of
from tests.support import names as s
from tests.support.fake_events import MODEL, UNSET, Entry, Response, Unknown, Usage, server
from tests.support.fakes import Ended, FakeChild, Story, typed


def entry(kind: str, began: float | None = None, ended: float | None = None, **told: Any) -> Entry:
    times = [UNSET if at is None else server(at) for at in (began, ended)]
    return Entry(kind, *times, **told)


def tool(began: float | None = None, ended: float | None = None, **told: Any) -> Entry:
    return entry("tool.execution", began, ended, **told)


def message(began: float | None = None, ended: float | None = None, **told: Any) -> Entry:
    return entry("message.output", began, ended, **told)


def handoff(began: float | None = None, ended: float | None = None, **told: Any) -> Entry:
    return entry("agent.handoff", began, ended, **told)


def seconds(at: object) -> float | None:
    return (at - server(0)).total_seconds() if isinstance(at, datetime) else None


def told_by(*outputs: Any) -> list[tuple[str, object, float | None]]:
    """Each event: its name, the id of its entry, when it was."""
    events, _ = events_of(list(outputs))
    return [(event.event, event.data["id"], seconds(event.data["created_at"])) for event in events]


START, DONE, TEXT = "tool.execution.started", "tool.execution.done", "message.output.delta"
HANDING, HANDED = "agent.handoff.started", "agent.handoff.done"


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    story = Story(monkeypatch)
    story.clock.set(2)
    return story


def spans_of(story: Story) -> list[tuple[str, float, float | None]]:
    return [(child.name, child.started, child.ended) for child in story.call.children]


# Which events, and when


@pytest.mark.parametrize("outputs", [None, UNSET, "words", {"type": "tool.execution"}, 7, object()])
def test_what_is_no_list_has_no_entries(outputs: object) -> None:
    assert events_of(outputs) == ([], [])


@pytest.mark.parametrize(
    "nothing", [None, 7, "tool.execution", Entry("of.tomorrow"), Entry(None), Entry(7), {}]
)
def test_what_is_no_known_entry_tells_nothing(nothing: object) -> None:
    assert told_by(nothing, tool(0.1, 0.2)) == [(START, "id_1", 0.1), (DONE, "id_1", 0.2)]


@pytest.mark.parametrize("kind", [["tool.execution"], {"a": 1}])
def test_a_type_that_cannot_be_a_key_tells_nothing(kind: object) -> None:
    rejected = Unknown({"type": kind, "id": "x"})
    assert told_by(rejected, tool(0.1, 0.2)) == [(START, "id_1", 0.1), (DONE, "id_1", 0.2)]


def test_tools_that_ran_side_by_side_are_told_in_the_order_of_their_times() -> None:
    entries = [tool(0.1, 0.4), tool(0.2, 0.3, id="id_2"), message(0.5, 0.9, id="msg_1")]
    assert told_by(*entries) == [
        (START, "id_1", 0.1),
        (START, "id_2", 0.2),
        (DONE, "id_2", 0.3),
        (DONE, "id_1", 0.4),
        (TEXT, "msg_1", 0.5),
        (TEXT, "msg_1", 0.9),
    ]


def test_an_entry_without_completed_at_took_until_the_next_one_and_the_last_is_not_done() -> None:
    found = told_by(tool(0.1), handoff(0.2, id="h"), tool(0.3, id="id_2"))
    assert found == [
        (START, "id_1", 0.1),
        (DONE, "id_1", 0.2),
        (HANDING, "h", 0.2),
        (HANDED, "h", 0.3),
        (START, "id_2", 0.3),
    ]


@pytest.mark.parametrize("nobody", ["", None, UNSET])
def test_a_handoff_that_nobody_took_over_was_never_done(nobody: object) -> None:
    given_up = handoff(0.1, next_agent_id=nobody, next_agent_name=nobody)
    assert told_by(given_up, message(0.2, id="m")) == [
        (HANDING, "id_1", 0.1),
        (TEXT, "m", 0.2),
    ]


def test_the_apis_own_json_is_read_of_an_entry_that_the_sdk_rejects() -> None:
    # Of one without created_at only the end is known, and it has no start.
    times = {"created_at": server(0.1).isoformat(), "completed_at": "2026-10-01T12:00:00.2Z"}
    raw = Unknown({"type": "tool.execution", "id": "raw_1", **times})
    assert told_by(raw, tool(None, 0.3)) == [
        (START, "raw_1", 0.1),
        (DONE, "raw_1", 0.2),
        (DONE, "id_1", 0.3),
    ]
    _, all_times = events_of((raw,))
    assert all_times == [server(0.1), server(0.2)]


@pytest.mark.parametrize(
    "entries",
    [
        [tool(0.5, 0.2)],
        [tool(0.5), tool(0.2, id="id_2")],
        [tool(), tool(0.2, 0.1, id="id_2"), message(0.1)],
    ],
    ids=["completed before it was created", "the next one was before it", "both"],
)
def test_an_entry_is_one_tool_whatever_its_times(story: Story, entries: list[Entry]) -> None:
    story.recorder.on_response(Response(entries))
    tools = [known for known in entries if known.type == "tool.execution"]
    ids = [child.attributes[s.TOOL_CALL_ID] for child in story.call.children]
    assert sorted(ids) == sorted((str, known.id) for known in tools)


def test_without_any_times_the_next_agent_is_still_known(story: Story) -> None:
    story.recorder.on_response(Response([tool(), handoff(), message()]))
    assert sorted(spans_of(story), key=repr) == [
        ("execute_tool agent_handoff writer", 2.0, 2.0),
        ("execute_tool web_search", 2.0, 2.0),
        ("invoke_agent writer", 2.0, 2.0),
    ]


# The call


def test_a_response_ends_its_call_on_arrival_without_what_only_streams_have(story: Story) -> None:
    story.asks("invoke_agent", agent_id="ag_1")
    told = {"model": MODEL, "agent_id": "ag_1"}
    usage = Usage(10, 20, 95, 65, {"web_search": 1})
    answered = message(0.6, 0.9, id="msg_1", **told)
    response = Response([tool(0.2, 0.5, id="tool_1", **told), answered], usage)
    story.clock.set(2)
    story.recorder.on_response(response)
    (ended,) = story.call.endings
    attributes: dict[str, object] = {
        s.CONVERSATION_ID: "conv_1",
        s.AGENT_ID: "ag_1",
        s.RESPONSE_ID: "msg_1",
        s.RESPONSE_MODEL: MODEL,
        s.REQUEST_MODEL: MODEL,
        s.RESPONSE_FINISH_REASONS: ["stop"],
        s.USAGE_INPUT_TOKENS: 10,
        s.USAGE_OUTPUT_TOKENS: 20,
        s.USAGE_TOTAL_TOKENS: 95,
        s.USAGE_CONNECTOR_TOKENS: 65,
        s.USAGE_CONNECTORS_WEB_SEARCH: 1,
    }
    counts = (10, 20, 95, 65, {"web_search": 1})
    assert typed(ended.attributes) == typed(attributes)
    assert ended == Ended(2, None, attributes, counts, MODEL, closing=response)
    known = {
        s.OPERATION_NAME: "execute_tool",
        s.CONVERSATION_ID: "conv_1",
        s.AGENT_ID: "ag_1",
        s.TOOL_NAME: "web_search",
        s.TOOL_TYPE: "extension",
        s.TOOL_CALL_ID: "tool_1",
    }
    expected = [FakeChild("execute_tool web_search", typed(known), 0.2, None, 0.5)]
    assert story.call.children == expected


def test_a_response_has_no_times_between_chunks(story: Story) -> None:
    story.asks("chat", chunk_times=True)
    story.recorder.on_response(Response([message(0.1), message(0.2), message(0.3)]))
    assert story.call.chunks == []


@pytest.mark.parametrize("status", [UNSET, "pending", "allowed", "denied"])
def test_a_response_finishes_as_its_last_entry_says(story: Story, status: object) -> None:
    reason = "stop" if status in ("allowed", "denied") else "tool_call"
    called = entry("function.call", 0.2, id="fc_1", confirmation_status=status)
    story.recorder.on_response(Response([message(0.1), called]))
    (ended,) = story.call.endings
    assert ended.attributes[s.RESPONSE_FINISH_REASONS] == [reason]
    assert ended.attributes[s.RESPONSE_ID] == "fc_1"


@pytest.mark.parametrize(("off", "shift_ms"), [(0, None), (-3600, 3_601_000.0), (10, -9_000.0)])
def test_a_servers_clock_is_set_right_by_the_last_time_unless_all_lie_inside_the_call(
    story: Story, off: float, shift_ms: float | None
) -> None:
    story.recorder.on_response(Response([tool(off + 0.5, off + 1), handoff(off + 0.8)]))
    (ended,) = story.call.endings
    assert ended.attributes.get(s.CLOCK_SHIFT) == shift_ms
    began = 0.5 if shift_ms is None else 1.5
    assert spans_of(story)[0] == ("execute_tool web_search", began, began + 0.5)


def test_times_before_the_start_of_the_call_are_its_start(story: Story) -> None:
    story.recorder.on_response(Response([tool(100, 110), tool(109.5, 111, id="id_2")]))
    assert spans_of(story) == [
        ("execute_tool web_search", 0.0, 1.0),
        ("execute_tool web_search", 0.5, 2.0),
    ]
