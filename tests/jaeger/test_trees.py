# SPDX-License-Identifier: Apache-2.0
"""Whole traces as Jaeger returns them: tools, handoffs, agents, local functions, linked turns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.jaeger.expected import MODEL, microseconds, times
from tests.jaeger.program import ids

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.jaeger.program import Program

_NOTED = (
    "error.type",
    "gen_ai.agent.id",
    "gen_ai.agent.name",
    "gen_ai.tool.call.id",
    "gen_ai.tool.type",
    "gen_ai.transfer.target.name",
    "mistral_ai.stream.outcome",
)

RESEARCHER = "id=ag_researcher | name=researcher"
WRITER = "id=ag_writer | name=writer"


def picture(trace: dict[str, Any]) -> list[str]:
    """A trace as one line a span: indented under its parent, with what tells it from others."""
    spans: list[dict[str, Any]] = sorted(trace["spans"], key=lambda span: int(span["startTime"]))
    parents = {
        span["spanID"]: reference["spanID"]
        for span in spans
        for reference in span["references"]
        if reference["refType"] == "CHILD_OF"
    }

    def below(parent: str | None, depth: int) -> list[str]:
        lines: list[str] = []
        for span in spans:
            if parents.get(span["spanID"]) == parent:
                tags = {tag["key"]: tag["value"] for tag in span["tags"]}
                notes = [f"{key.rpartition('.')[2]}={tags[key]}" for key in _NOTED if key in tags]
                lines.append("  " * depth + " | ".join([span["operationName"], *notes]))
                lines += below(span["spanID"], depth + 1)
        return lines

    return below(None, 0)


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
        f"    chat {MODEL}",
    ]
    assert_as_in_memory(program, trace)
    first, second = (span for span in trace["spans"] if span["operationName"] == f"chat {MODEL}")
    if second["startTime"] < first["startTime"]:
        first, second = second, first
    links = [each["spanID"] for each in second["references"] if each["refType"] == "FOLLOWS_FROM"]
    assert links == [first["spanID"]]
