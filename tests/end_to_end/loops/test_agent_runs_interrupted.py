# SPDX-License-Identifier: Apache-2.0
"""Agent loops that stop without an error: they wait for a human, or are cancelled."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import pytest

from emulator import Emulator
from tests.support.agent_run_spans import (
    assert_measured,
    loop_span,
    request_span,
    story,
    tool_span,
)
from tests.support.agent_runs import DEFERS, STREAMED, add, asking, prepared, run, whoami
from tests.support.recording import Recording

LATER = pytest.mark.skipif(not DEFERS, reason="before 2.3.2 no tool waits for a confirmation")


@LATER
@STREAMED
async def test_a_tool_that_waits_for_a_human_is_no_error_and_runs_in_the_next_loop(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    context = prepared(whoami)
    context.register_func(add, requires_confirmation=True)
    exceptions = importlib.import_module("mistralai.extra.exceptions")
    async with asking(emulator.url, "loop_parallel") as conversations:
        with pytest.raises(exceptions.DeferredToolCallsException) as caught:
            await run(conversations, context, streamed=streamed)
        known: dict[str, Any] = {"conversation_id": context.conversation_id}
        asked: dict[str, Any] = {"starts": True, "streamed": streamed, "response_id": "fc_2"}
        executed, deferred = tool_span("whoami", "call_2", **known), tool_span("add", **known)
        first = [
            loop_span(**known),
            request_span(emulator, "tool_call", **known, **asked),
            executed,
        ]
        assert story(recording) == first
        assert_measured(recording, requests=1, tools=[executed])
        (call,) = caught.value.deferred_calls
        confirmed = [*caught.value.executed_results, call.confirm()]
        await run(conversations, context, streamed=streamed, inputs=confirmed)
    deferred.parent = 3
    assert story(recording) == [
        *first,
        loop_span(**known),
        deferred,
        request_span(emulator, "stop", **known, streamed=streamed, parent=3),
    ]


@STREAMED
async def test_cancelling_a_request_is_no_error(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    emulator.clear()
    context = prepared(add)
    async with asking(emulator.url, "loop_hang") as conversations:
        task = asyncio.create_task(run(conversations, context, streamed=streamed))
        while len(emulator.requests) < 2:
            await asyncio.sleep(0.002)
        await asyncio.sleep(0.05)  # until the stream has begun
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    known: dict[str, Any] = {"conversation_id": context.conversation_id}
    function = tool_span("add", **known)
    loop, start, execution, request = story(recording)
    expected = request_span(emulator, "tool_call", **known, starts=True, streamed=streamed)
    assert [loop, start, execution] == [loop_span(**known), expected, function]
    assert (request.status, request.events, request.parent) == ("UNSET", [], 0)
    outcome = request.attributes.get("mistral_ai.stream.outcome")
    assert outcome == ("cancelled" if streamed else None)
    assert_measured(recording, requests=2, tools=[function])


@STREAMED
async def test_cancelling_a_function_is_no_error(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    begun = asyncio.Event()

    async def endless(a: int, b: int) -> int:
        """Adds two numbers, one day."""
        begun.set()
        await asyncio.Event().wait()
        return a + b

    endless.__name__ = "add"
    context = prepared(endless)
    async with asking(emulator.url, "loop_add") as conversations:
        task = asyncio.create_task(run(conversations, context, streamed=streamed))
        await asyncio.wait_for(begun.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    known: dict[str, Any] = {"conversation_id": context.conversation_id}
    function = tool_span("add", **known)
    assert story(recording) == [
        loop_span(**known),
        request_span(emulator, "tool_call", **known, starts=True, streamed=streamed),
        function,
    ]
    assert_measured(recording, requests=1, tools=[function])
