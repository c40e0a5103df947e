# SPDX-License-Identifier: Apache-2.0
"""Tools, handoffs, functions and chunks as the SDK reads them, streamed and not streamed."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from emulator.scenario import load_scenarios

if TYPE_CHECKING:
    from datetime import datetime

CLASSES = {
    "conversation.response.started": "ResponseStartedEvent",
    "conversation.response.done": "ResponseDoneEvent",
    "conversation.response.error": "ResponseErrorEvent",
    "message.output.delta": "MessageOutputEvent",
    "tool.execution.started": "ToolExecutionStartedEvent",
    "tool.execution.delta": "ToolExecutionDeltaEvent",
    "tool.execution.done": "ToolExecutionDoneEvent",
    "agent.handoff.started": "AgentHandoffStartedEvent",
    "agent.handoff.done": "AgentHandoffDoneEvent",
    "function.call.delta": "FunctionCallEvent",
    "message.output": "MessageOutputEntry",
    "tool.execution": "ToolExecutionEntry",
    "agent.handoff": "AgentHandoffEntry",
    "function.call": "FunctionCallEntry",
}
# The entries of each scenario in the order in which they begin.
ENTRIES = {
    "tools_interleaved": "tool_1 tool_2 msg_1",
    "tool_document_library": "tool_1 msg_1",
    "tool_never_done": "tool_1 msg_1",
    "tool_done_only": "tool_1 msg_1",
    "tool_twice": "tool_1 tool_1 msg_1",
    "tool_twice_nested": "tool_1 tool_1 msg_1",
    "tools_200": " ".join([*(f"tool_{n}" for n in range(200)), "msg_1"]),
    "handoff_chain": "handoff_1 tool_1 handoff_2 tool_2 msg_1",
    "handoff_back": "handoff_1 tool_1 handoff_2 tool_2 msg_1",
    "handoff_never_done": "handoff_1 msg_1",
    "handoff_open_tool": "tool_1 handoff_1 tool_2 handoff_2 msg_1",
    "foreign_agent": "msg_1 tool_1 msg_2",
    "functions_parallel": "fc_1 fc_2",
    "functions_confirmation": "fc_1",
    "content_mixed": "msg_1",
    "entries_without_completed_at": "tool_1 handoff_1 tool_2 msg_1",
}
# asyncio may wake up a little early.
EARLY = 0.002


def asking(scenario: str) -> dict[str, Any]:
    return {"inputs": "Hello", "http_headers": {"x-emulator-scenario": scenario}}


def streamed(conversations: Any, scenario: str) -> list[Any]:
    """Return the events' data; each must be of the class of its type, so not an unknown one."""
    with conversations.start_stream(agent_id="ag_first", **asking(scenario)) as stream:
        events = [event.data for event in stream]
    assert [type(event).__name__ for event in events] == [CLASSES[event.type] for event in events]
    return events


def entries(conversations: Any, scenario: str) -> list[dict[str, Any]]:
    """Return the entries of the response; what the server did not say is not in them."""
    outputs = conversations.start(agent_id="ag_first", **asking(scenario)).outputs
    assert [type(entry).__name__ for entry in outputs] == [CLASSES[entry.type] for entry in outputs]
    return [entry.model_dump() for entry in outputs]


def lasted(entry: dict[str, Any]) -> float:
    return gaps([entry["created_at"], entry["completed_at"]])[0]


def gaps(times: list[datetime]) -> list[float]:
    return [(after - before).total_seconds() for before, after in pairwise(times)]


@pytest.mark.parametrize("scenario", [*ENTRIES, "tool_error_event"])
def test_the_times_of_a_stream_are_as_written(conversations: Any, scenario: str) -> None:
    groups = load_scenarios()[scenario].attempts[0].events or []
    written = [event for group in groups for _ in range(group.repeat) for event in group.events]
    events = streamed(conversations, scenario)
    assert [event.type for event in events] == [event.payload["type"] for event in written]
    for gap, event in zip(gaps([event.created_at for event in events]), written[1:], strict=True):
        assert gap >= max(event.after - EARLY, 0)
        assert (gap > 0) or scenario == "tools_200"
    assert sum(event.after for event in written) < 0.3


@pytest.mark.parametrize("scenario", ENTRIES)
def test_a_response_lists_what_the_stream_tells(conversations: Any, scenario: str) -> None:
    told = streamed(conversations, scenario)
    found = entries(conversations, scenario)
    assert [entry["id"] for entry in found] == ENTRIES[scenario].split()
    assert {entry["id"] for entry in found} == {event.id for event in told if hasattr(event, "id")}
    assert all(gap >= 0 for gap in gaps([entry["created_at"] for entry in found]))
    # Who is at work: what the first event of an id says, or, as a handoff's events, does not.
    first = {event.id: event.model_dump() for event in reversed(told) if hasattr(event, "id")}
    for entry in found:
        for key in {"model", "agent_id"} & {*first[entry["id"]]}:
            assert entry[key] == first[entry["id"]][key]


def test_a_pair_that_is_not_closed_is_not_completed(conversations: Any) -> None:
    tool, message = entries(conversations, "tool_never_done")
    assert "completed_at" not in tool
    assert tool["arguments"] == '{"query": "spans"}'
    assert message["completed_at"] == message["created_at"] > tool["created_at"]
    handoff, message = entries(conversations, "handoff_never_done")
    assert "completed_at" not in handoff
    # The SDK's model wants a string.
    assert handoff["next_agent_id"] == handoff["next_agent_name"] == ""
    assert handoff["previous_agent_id"] == message["agent_id"] == "ag_first"


def test_a_done_without_a_start_takes_no_time(conversations: Any) -> None:
    tool, _ = entries(conversations, "tool_done_only")
    assert tool["completed_at"] == tool["created_at"]
    assert (tool["arguments"], tool["info"]) == ("", {"results": 3})


def test_a_scenario_may_leave_out_all_completed_at(conversations: Any) -> None:
    found = entries(conversations, "entries_without_completed_at")
    assert not any("completed_at" in entry for entry in found)
    assert all(gap > 0.01 for gap in gaps([entry["created_at"] for entry in found]))


def test_the_same_id_twice_is_two_entries(conversations: Any) -> None:
    first, second, _ = entries(conversations, "tool_twice")
    assert first["completed_at"] < second["created_at"]
    outer, inner, _ = entries(conversations, "tool_twice_nested")
    assert outer["created_at"] < inner["created_at"] < inner["completed_at"] < outer["completed_at"]
    for one, two in ((first, second), (outer, inner)):
        assert [one["info"], two["info"]] == [{"results": 1}, {"results": 2}]
        assert [one["arguments"], two["arguments"]] == ['{"query": "first"}', '{"query": "second"}']


def test_interleaved_tools_keep_apart(conversations: Any) -> None:
    one, two, message = entries(conversations, "tools_interleaved")
    assert one["created_at"] < two["created_at"] < one["completed_at"] < two["completed_at"]
    assert two["completed_at"] < message["created_at"]
    assert (one["arguments"], two["arguments"]) == ('{"query": "spans"}', '{"code": "6 * 7"}')
    assert (one["info"], two["info"]) == ({"results": 3}, {"code_output": "42"})
    assert lasted(message) >= 0.01 - EARLY
    usage = conversations.start(agent_id="ag_first", **asking("tools_interleaved")).usage
    assert usage.connectors == {"web_search": 1, "code_interpreter": 1}


def test_two_hundred_tools_are_closed(conversations: Any) -> None:
    tools = entries(conversations, "tools_200")[:-1]
    assert tools[7]["arguments"] == '{"query": "page 7"}'
    for before, after in pairwise(tools):
        assert before["created_at"] <= before["completed_at"] <= after["created_at"]


def test_a_library_gives_arguments_and_results(conversations: Any) -> None:
    tool, _ = entries(conversations, "tool_document_library")
    assert json.loads(tool["arguments"]) == {"query": "holidays", "library_id": "lib_1"}
    assert [found["document_id"] for found in tool["info"]["results"]] == ["doc_1", "doc_2"]
    assert lasted(tool) >= 0.05 - 2 * EARLY


@pytest.mark.parametrize("stream", [True, False])
def test_a_tool_is_running_when_the_answer_breaks(conversations: Any, stream: bool) -> None:
    method = streamed if stream else entries
    with pytest.raises(Exception, match=r"incomplete chunked read|peer closed"):
        method(conversations, "tool_cut")
    if stream:
        assert streamed(conversations, "tool_error_event")[-1].code == 500
        return
    with pytest.raises(Exception, match="Tool failed about: Hello") as caught:
        method(conversations, "tool_error_event")
    assert getattr(caught.value, "status_code", None) == 500


@pytest.mark.parametrize(
    ("scenario", "agents"),
    [
        ("handoff_chain", ["ag_first", "ag_researcher", "ag_writer"]),
        ("handoff_back", ["ag_first", "ag_researcher", "ag_first"]),
        ("handoff_open_tool", ["ag_first", "ag_researcher", "ag_writer"]),
    ],
)
def test_each_agent_hands_over_to_the_next(
    conversations: Any, scenario: str, agents: list[str]
) -> None:
    found = {entry["id"]: entry for entry in entries(conversations, scenario)}
    for number, (before, after) in enumerate(pairwise(agents), start=1):
        handoff = found[f"handoff_{number}"]
        assert (handoff["previous_agent_id"], handoff["next_agent_id"]) == (before, after)
        assert handoff["previous_agent_name"] != handoff["next_agent_name"]
        assert lasted(handoff) >= 0.01 - EARLY
        tool = found[f"tool_{number}"]
        inside = scenario != "handoff_open_tool"
        assert tool["agent_id"] == (after if inside else before)
        assert (tool["created_at"] > handoff["completed_at"]) is inside
        assert tool["completed_at"] > handoff["completed_at"]
    assert found["msg_1"]["agent_id"] == agents[-1]


def test_another_agent_needs_no_handoff(conversations: Any) -> None:
    agents = [entry["agent_id"] for entry in entries(conversations, "foreign_agent")]
    assert agents == ["ag_first", "ag_other", "ag_other"]


def test_the_arguments_of_functions_are_joined(conversations: Any) -> None:
    weather, time = entries(conversations, "functions_parallel")
    assert weather["created_at"] < time["created_at"] < time["completed_at"]
    assert time["completed_at"] < weather["completed_at"]
    assert (weather["name"], weather["arguments"]) == ("get_weather", '{"city": "Paris"}')
    assert (time["name"], time["arguments"]) == ("get_time", '{"zone": "Europe/Paris"}')
    assert [weather["tool_call_id"], time["tool_call_id"]] == ["call_1", "call_2"]
    (pending,) = entries(conversations, "functions_confirmation")
    assert pending["confirmation_status"] == "pending"
    assert json.loads(pending["arguments"]) == {"path": "/tmp"}  # noqa: S108


def test_every_kind_of_chunk_is_read(conversations: Any) -> None:
    contents = [event.content for event in streamed(conversations, "content_mixed")[1:-1]]
    kinds = ["ThinkChunk", "ThinkChunk", "TextChunk", "str", "ToolReferenceChunk"]
    kinds += ["ImageURLChunk", "ImageURLChunk", "DocumentURLChunk", "ToolFileChunk", "str"]
    assert [type(content).__name__ for content in contents] == kinds
    answer = conversations.start(agent_id="ag_first", **asking("content_mixed"))
    (message,) = answer.outputs
    joined = [*kinds[:3], *kinds[4:-1], "TextChunk"]  # as the SDK joins them: only text to text
    assert [type(chunk).__name__ for chunk in message.content] == joined
    assert message.content[2].text == "A circle is round"
