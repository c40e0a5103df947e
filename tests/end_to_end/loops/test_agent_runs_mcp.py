# SPDX-License-Identifier: Apache-2.0
"""Tools of a real MCP server, which the SDK's own client starts and talks to over stdio."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import pytest
from opentelemetry import trace

from emulator import Emulator
from tests.support.agent_run_spans import (
    assert_measured,
    loop_span,
    request_span,
    story,
    tool_span,
)
from tests.support.agent_runs import STREAMED, add, asking, mcp_client, prepared, run
from tests.support.programs import run as run_program
from tests.support.recording import Recording

# With mcp 2 its client has spans of its own; mcp 1 knows nothing of OpenTelemetry.
MCP_HAS_SPANS = importlib.util.find_spec("mcp.shared._otel") is not None


def results(result: Any) -> list[str]:
    """What the tools answered."""
    return [entry.result for entry in result.output_entries if entry.type == "function.result"]


@STREAMED
async def test_a_tool_of_a_server_and_a_function_are_siblings(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    current = trace.get_current_span()
    async with asking(emulator.url, "loop_parallel") as conversations, prepared() as context:
        await context.register_mcp_client(mcp_client())
        context.register_func(add)  # in the place of the server's
        result = await run(conversations, context, streamed=streamed)
        assert trace.get_current_span() is current
    three, other = results(result)
    assert three == "3"
    ((answer,),) = (json.loads(other),)
    assert answer["text"].startswith("process ")
    known: dict[str, Any] = {"conversation_id": result.conversation_id}
    tools = [tool_span("add", **known), tool_span("whoami", "call_2", **known)]
    asked: dict[str, Any] = {"starts": True, "streamed": streamed, "response_id": "fc_2"}
    assert story(recording) == [
        loop_span(**known),
        request_span(emulator, "tool_call", **known, **asked),
        *tools,
        request_span(emulator, "stop", **known, streamed=streamed),
    ]
    assert_measured(recording, requests=2, tools=tools)


@STREAMED
async def test_a_tool_that_fails_on_the_server_answers_and_so_is_no_error(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    async with asking(emulator.url, "loop_fail") as conversations, prepared() as context:
        await context.register_mcp_client(mcp_client())
        result = await run(conversations, context, streamed=streamed)
    (said,) = results(result)
    assert "Error executing tool fail" in said
    known: dict[str, Any] = {"conversation_id": result.conversation_id}
    tool = tool_span("fail", **known)
    assert story(recording) == [
        loop_span(**known),
        request_span(emulator, "tool_call", **known, starts=True, streamed=streamed),
        tool,
        request_span(emulator, "stop", **known, streamed=streamed),
    ]
    assert_measured(recording, requests=2, tools=[tool])


async def test_what_the_client_raises_is_on_the_tools_span(
    emulator: Emulator, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    exceptions = importlib.import_module("mistralai.extra.exceptions")
    client = mcp_client()

    def refuse(*_: object, **__: object) -> None:
        raise exceptions.MCPException("Only supporting text tool responses for now.")

    monkeypatch.setattr(client, "_convert_content", refuse)
    async with asking(emulator.url, "loop_add") as conversations, prepared() as context:
        await context.register_mcp_client(client)
        with pytest.raises(exceptions.RunException):
            await run(conversations, context, streamed=False)
        known: dict[str, Any] = {"conversation_id": context.conversation_id}
    assert story(recording) == [
        loop_span("mistralai.RunException", **known),
        request_span(emulator, "tool_call", **known, starts=True, streamed=False),
        tool_span("add", error="mistralai.MCPException", **known),
    ]


@pytest.mark.skipif(not MCP_HAS_SPANS, reason="mcp 1 has no spans of its own")
def test_the_mcp_clients_own_span_is_beneath_the_tools(emulator: Emulator) -> None:
    emulator.clear()
    ran = run_program(
        """
        from tests.support.agent_runs import asking, mcp_client, prepared, run
        exporting('global')
        instrument()

        async def main():
            async with asking(sys.argv[1], 'loop_add') as conversations, prepared() as context:
                await context.register_mcp_client(mcp_client())
                await run(conversations, context, streamed=False)

        asyncio.run(main())
        """,
        emulator.url,
    )
    assert (ran.code, ran.stderr) == (0, "")
    (tool,) = [span for span in ran.spans() if span["name"] == "execute_tool add"]
    (called,) = [span for span in ran.spans("mcp-python-sdk") if "tools/call" in span["name"]]
    assert (called["trace"], called["parent"]) == (tool["trace"], tool["id"])
