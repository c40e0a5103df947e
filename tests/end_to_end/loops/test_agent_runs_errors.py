# SPDX-License-Identifier: Apache-2.0
"""Agent loops that fail: whose exception is on which span, and what is not on any."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from emulator import Emulator
from tests.support import sdk
from tests.support.agent_run_spans import (
    assert_measured,
    loop_span,
    request_span,
    story,
    tool_span,
)
from tests.support.agent_runs import (
    MODEL,
    STREAMED,
    RunException,
    add,
    asking,
    prepared,
    run,
    whoami,
)
from tests.support.recording import Recording

MODEL_POINT = {"gen_ai.request.model": MODEL}


class OwnError(Exception):
    """The caller's."""


def fail() -> str:
    """Fails."""
    raise ValueError("no such luck")


async def fail_async() -> str:
    """Fails, later."""
    await asyncio.sleep(0)
    raise OwnError("no such luck")


fail_async.__name__ = "fail"


def logged(recording: Recording) -> list[tuple[str, Any]]:
    """Of each exception in the log: the span that it was in, and its class."""
    names = recording.names()
    return [
        (names[record.span_id or 0], (record.attributes or {}).get("exception.type"))
        for record in recording.logs()
    ]


FAILING = pytest.mark.parametrize(
    ("function", "error"),
    [(fail, "ValueError"), (fail_async, f"{__name__}.OwnError")],
    ids=["sync", "async"],
)


@STREAMED
@FAILING
async def test_a_functions_exception_is_on_its_span_and_the_loop_fails_with_the_sdks(
    emulator: Emulator, recording: Recording, function: Any, error: str, *, streamed: bool
) -> None:
    context = prepared(function)
    async with asking(emulator.url, "loop_fail") as conversations:
        with pytest.raises(RunException):
            await run(conversations, context, streamed=streamed)
    known: dict[str, Any] = {"conversation_id": context.conversation_id}
    failed = tool_span("fail", error=error, **known)
    assert story(recording) == [
        loop_span("mistralai.RunException", **known),
        request_span(emulator, "tool_call", **known, starts=True, streamed=streamed),
        failed,
    ]
    # Before the points are read, which forgets them.
    exemplars = recording.exemplars()
    runs = [names for metric, names in exemplars.items() if ".invoke_agent." in metric]
    assert runs == [{"invoke_agent"}] * 3
    assert exemplars["gen_ai.execute_tool.duration"] == {"execute_tool fail"}
    point = {**MODEL_POINT, "error.type": "mistralai.RunException"}
    assert_measured(recording, requests=1, tools=[failed], point=point)
    assert logged(recording) == [("execute_tool fail", error)]


@STREAMED
@FAILING
async def test_a_loop_that_continues_after_a_functions_exception_is_no_error(
    emulator: Emulator, recording: Recording, function: Any, error: str, *, streamed: bool
) -> None:
    async with asking(emulator.url, "loop_fail") as conversations:
        context = prepared(function, continue_on_fn_error=True)
        result = await run(conversations, context, streamed=streamed)
    known: dict[str, Any] = {"conversation_id": result.conversation_id}
    failed = tool_span("fail", error=error, **known)
    assert story(recording) == [
        loop_span(**known),
        request_span(emulator, "tool_call", **known, starts=True, streamed=streamed),
        failed,
        request_span(emulator, "stop", **known, streamed=streamed),
    ]
    assert_measured(recording, requests=2, tools=[failed])


@STREAMED
async def test_a_function_that_outlives_its_loop_ends_when_it_is_done(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    go = asyncio.Event()

    async def slow(a: int, b: int) -> int:
        """Adds two numbers at leisure."""
        await go.wait()
        return a + b

    slow.__name__, fail.__name__ = "add", "whoami"
    context = prepared(slow, fail)
    fail.__name__ = "fail"
    async with asking(emulator.url, "loop_parallel") as conversations:
        with pytest.raises(RunException):
            await run(conversations, context, streamed=streamed)
    names = [span.name for span in recording.finished()]
    assert names == [f"chat {MODEL}", "execute_tool whoami", "invoke_agent"]
    go.set()
    await asyncio.sleep(0.01)
    known: dict[str, Any] = {"conversation_id": context.conversation_id}
    asked: dict[str, Any] = {"starts": True, "streamed": streamed, "response_id": "fc_2"}
    assert story(recording, nested=False) == [
        loop_span("mistralai.RunException", **known),
        request_span(emulator, "tool_call", **known, **asked),
        tool_span("add", **known),
        tool_span("whoami", "call_2", error="ValueError", **known),
    ]


@STREAMED
async def test_a_later_request_that_fails_fails_the_loop_with_its_status(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    context = prepared(add)
    async with asking(emulator.url, "loop_http_500") as conversations:
        with pytest.raises(Exception, match="500"):
            await run(conversations, context, streamed=streamed)
    known: dict[str, Any] = {"conversation_id": context.conversation_id}
    function, error = tool_span("add", **known), {"error.type": "500"}
    more: dict[str, Any] = {"http__response__status_code": 500, "mistral_ai__error__code": "1000"}
    assert story(recording) == [
        loop_span("500", **known),
        request_span(emulator, "tool_call", **known, starts=True, streamed=streamed),
        function,
        request_span(emulator, None, **known, streamed=streamed, error="500", **more),
    ]
    assert_measured(recording, requests=2, tools=[function], point={**MODEL_POINT, **error})
    assert [name for name, _ in logged(recording)] == ["chat"]


@STREAMED
@pytest.mark.parametrize(
    ("scenario", "error"),
    [
        ("http_429", "429"),
        ("html", "mistralai.SDKError"),
        ("refuse", f"{sdk.HTTP}.RemoteProtocolError"),
    ],
)
async def test_a_loop_is_named_by_the_same_rule_as_a_request(
    emulator: Emulator, recording: Recording, scenario: str, error: str, *, streamed: bool
) -> None:
    async with asking(emulator.url, scenario) as conversations:
        with pytest.raises(Exception, match=r"\w"):
            await run(conversations, prepared(add), streamed=streamed)
    loop, request = story(recording)
    assert loop == loop_span(error)
    assert (request.parent, request.attributes["error.type"]) == (0, error)
    point = {**MODEL_POINT, "error.type": error}
    assert_measured(recording, requests=1, tools=[], point=point)


@STREAMED
async def test_a_loop_that_fails_before_its_first_request_is_a_span_alone(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    async with asking(emulator.url, "loop_add") as conversations:
        with pytest.raises(RunException, match="must be set"):
            await run(conversations, prepared(add, model=None), streamed=streamed)
    expected = loop_span("mistralai.RunException")
    del expected.attributes["gen_ai.request.model"]
    assert story(recording) == [expected]
    point = {"error.type": "mistralai.RunException"}
    assert_measured(recording, requests=0, tools=[], point=point)


@STREAMED
async def test_arguments_results_and_texts_of_exceptions_are_in_no_signal(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    async with asking(emulator.url, "loop_fail") as conversations:
        with pytest.raises(RunException):
            await run(conversations, prepared(fail), streamed=streamed, inputs="My word")
    async with asking(emulator.url, "loop_parallel") as conversations:
        await run(conversations, prepared(add, whoami), streamed=streamed)
    spans = [span.to_json() for span in recording.spans()]
    signals = "\n".join([*spans, repr(recording.metrics()), *map(str, recording.logs())])
    own = r'My word|luck|Failed to execute|a function|\\?"a\\?"|It is done'
    assert re.findall(own, signals) == []
