# SPDX-License-Identifier: Apache-2.0
"""Whole traces as Jaeger returns them: tools, handoffs, agents, local functions, linked turns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.jaeger.expected import MODEL, microseconds, picture, times
from tests.jaeger.program import ids

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.jaeger.program import Program


RESEARCHER = "id=ag_researcher | name=researcher"
WRITER = "id=ag_writer | name=writer"


def assert_as_in_memory(program: Program, trace: dict[str, Any]) -> None:
    """Jaeger's times are the spans', each lies inside its parent, and nothing is complained of."""
    memory: dict[str, ReadableSpan] = {ids(span)[1]: span for span in program.spans()}
    shown = {span["spanID"]: span for span in trace["spans"]}
    for span_id, span in shown.items():
        start, end = times(memory[span_id])
        shown_times = (span["startTime"], span["duration"])
        assert shown_times == (microseconds(start), microseconds(end - start))
        for reference in span["references"]:
            if reference["refType"] == "CHILD_OF" and reference["spanID"] in shown:
                parent = times(memory[reference["spanID"]])
                assert parent[0] <= start <= end <= parent[1]


# What happens, and how a trace of it looks.
SHAPES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a conversation": (
        {"scenario": "answer", "model": MODEL},
        ["caller", f"  chat {MODEL} | outcome=completed"],
    ),
    "a tool": (
        {"scenario": "web_search", "model": MODEL},
        [
            "caller",
            f"  chat {MODEL} | outcome=completed",
            "    execute_tool web_search | id=tool_1 | type=extension",
        ],
    ),
    "two tools at a time": (
        {"scenario": "tools_interleaved", "model": MODEL},
        [
            "caller",
            f"  chat {MODEL} | outcome=completed",
            "    execute_tool web_search | id=tool_1 | type=extension",
            "    execute_tool code_interpreter | id=tool_2 | type=extension",
        ],
    ),
    "a handoff": (
        {"scenario": "handoff", "agent_id": "ag_triage"},
        [
            "caller",
            "  invoke_agent | id=ag_triage | name=triage | outcome=completed",
            "    execute_tool agent_handoff writer | id=ag_triage | name=triage | name=writer",
            f"    invoke_agent writer | {WRITER}",
        ],
    ),
    "a function that the caller is asked for": (
        {"scenario": "function_call", "model": MODEL},
        ["caller", f"  chat {MODEL} | outcome=completed"],
    ),
    "an error while a tool runs": (
        {"scenario": "tool_error_event", "model": MODEL},
        [
            "caller",
            f"  chat {MODEL} | type=500 | outcome=failed",
            "    execute_tool web_search | type=500 | id=tool_1 | type=extension",
        ],
    ),
    "left while a tool runs": (
        {"scenario": "web_search", "model": MODEL, "leave_after": 2},
        [
            "caller",
            f"  chat {MODEL} | outcome=closed",
            "    execute_tool web_search | id=tool_1 | type=extension",
        ],
    ),
    "left after a handoff": (
        {"scenario": "handoff", "agent_id": "ag_triage", "leave_after": 4},
        [
            "caller",
            "  invoke_agent | id=ag_triage | name=triage | outcome=closed",
            "    execute_tool agent_handoff writer | id=ag_triage | name=triage | name=writer",
            f"    invoke_agent writer | {WRITER}",
        ],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_drawn_as_it_was(program: Program, shape: str) -> None:
    arguments, expected = SHAPES[shape]
    with program.caller() as caller:
        program.converse("start", inputs="Hello", **arguments)
    trace = program.trace(ids(caller)[0])
    assert picture(trace) == expected
    assert_as_in_memory(program, trace)
    assert program.warnings(ids(caller)[0]) == []


def test_a_refused_conversation_is_an_error_without_anything_beneath(program: Program) -> None:
    with program.caller() as caller, pytest.raises(Exception, match="Status 429"):
        program.converse("start", "http_429", model=MODEL, inputs="Hello")
    trace = program.trace(ids(caller)[0])
    assert picture(trace) == ["caller", f"  chat {MODEL} | type=429"]
    assert_as_in_memory(program, trace)


def test_turns_are_linked_within_a_trace_and_across_traces(program: Program) -> None:
    with program.caller() as caller:
        started = program.converse("start", "web_search", model=MODEL, inputs="Hello")
        turn: dict[str, Any] = {
            "conversation_id": started[0].data.conversation_id,
            "inputs": "And?",
        }
        program.converse("append", "answer", **turn)
        program.converse("restart", "answer", from_entry_id="msg_1", **turn)
    trace = program.trace(ids(caller)[0])
    assert picture(trace) == [
        "caller",
        f"  chat {MODEL} | outcome=completed",
        "    execute_tool web_search | id=tool_1 | type=extension",
        f"  chat {MODEL} | outcome=completed | follows=2",
        f"  chat {MODEL} | outcome=completed | follows=4",
    ]
    assert_as_in_memory(program, trace)
    with program.caller() as other:
        program.converse("append", "answer", **turn)
    elsewhere = program.trace(ids(other)[0])
    assert picture(elsewhere) == [
        "caller",
        f"  chat {MODEL} | outcome=completed | follows=another trace",
    ]
    # To the last turn of the conversation that it continues: the restart made a new one.
    (linked,) = [
        each
        for span in elsewhere["spans"]
        for each in span["references"]
        if each["refType"] == "FOLLOWS_FROM"
    ]
    append = program.client_spans()[1]
    assert (linked["traceID"], linked["spanID"]) == ids(append)


@pytest.mark.parametrize("clock_offset", [0, 3600, -3600])
def test_a_chain_of_agents_is_one_tree(program: Program, clock_offset: float) -> None:
    with program.caller() as caller:
        program.converse(
            "start", "handoff_chain", agent_id="ag_triage", inputs="Who?", clock_offset=clock_offset
        )
    trace = program.trace(ids(caller)[0])
    assert picture(trace) == [
        "caller",
        "  invoke_agent | id=ag_triage | name=triage | outcome=completed",
        "    execute_tool agent_handoff researcher | id=ag_triage | name=triage | name=researcher",
        f"    invoke_agent researcher | {RESEARCHER}",
        f"      execute_tool web_search | {RESEARCHER} | id=tool_1 | type=extension",
        f"      execute_tool agent_handoff writer | {RESEARCHER} | name=writer",
        f"    invoke_agent writer | {WRITER}",
        f"      execute_tool code_interpreter | {WRITER} | id=tool_2 | type=extension",
    ]
    assert_as_in_memory(program, trace)
    assert program.warnings(ids(caller)[0]) == []


def test_a_tool_that_was_cut_off_is_an_error_like_its_conversation(program: Program) -> None:
    with program.caller() as caller, pytest.raises(Exception, match=r"."):
        program.converse("start", "tool_cut", model=MODEL, inputs="Look it up.")
    trace = program.trace(ids(caller)[0])
    error = next(line for line in picture(trace) if "chat" in line).partition("type=")[2]
    word = error.partition(" ")[0]
    assert picture(trace) == [
        "caller",
        f"  chat {MODEL} | type={word} | outcome=failed",
        f"    execute_tool web_search | type={word} | id=tool_1 | type=extension",
    ]
    assert_as_in_memory(program, trace)


def test_a_loop_and_its_function_are_one_tree_and_its_turns_are_linked(program: Program) -> None:
    with program.caller() as caller:
        asyncio.run(program.loop("run_function"))
    trace = program.trace(ids(caller)[0])
    assert picture(trace) == [
        "caller",
        "  invoke_agent",
        f"    chat {MODEL}",
        "    execute_tool get_weather | id=call_1 | type=function",
        f"    chat {MODEL} | follows=3",
    ]
    assert_as_in_memory(program, trace)
    assert program.warnings(ids(caller)[0]) == []
