# SPDX-License-Identifier: Apache-2.0
"""Agent loops that fail, wait for a human, are cancelled, or whose streams are left early."""

from __future__ import annotations

import asyncio
import gc
import importlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from opentelemetry import trace

from emulator import Emulator
from tests.support import names as s
from tests.support import sdk
from tests.support.agent_run_spans import (
    assert_measured,
    loop_span,
    request_span,
    story,
    tool_span,
)
from tests.support.agent_runs import (
    DEFERS,
    MODEL,
    STREAMED,
    RunException,
    add,
    asking,
    prepared,
    run,
    whoami,
)
from tests.support.recording import Recording, turns, until, wait_until

MODEL_POINT = {s.REQUEST_MODEL: MODEL}


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
        (names[record.span_id or 0], (record.attributes or {}).get(s.EXCEPTION_TYPE))
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
    assert exemplars[s.METRIC_TOOL_DURATION] == {"execute_tool fail"}
    point = {**MODEL_POINT, s.ERROR_TYPE: "mistralai.RunException"}
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
    await recording.settled()
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
    function, error = tool_span("add", **known), {s.ERROR_TYPE: "500"}
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
    assert (request.parent, request.attributes[s.ERROR_TYPE]) == (0, error)
    point = {**MODEL_POINT, s.ERROR_TYPE: error}
    assert_measured(recording, requests=1, tools=[], point=point)


@STREAMED
async def test_a_loop_that_fails_before_its_first_request_is_a_span_alone(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    async with asking(emulator.url, "loop_add") as conversations:
        with pytest.raises(RunException, match="must be set"):
            await run(conversations, prepared(add, model=None), streamed=streamed)
    expected = loop_span("mistralai.RunException")
    del expected.attributes[s.REQUEST_MODEL]
    assert story(recording) == [expected]
    point = {s.ERROR_TYPE: "mistralai.RunException"}
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


def _said(events: list[Any]) -> str:
    """The text that has come of an answer."""
    return "".join(getattr(getattr(event, "data", None), "content", "") for event in events)


@STREAMED
async def test_cancelling_a_request_is_no_error(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    emulator.clear()
    context = prepared(add)
    heard: list[Any] = []
    async with asking(emulator.url, "loop_hang") as conversations:
        task = asyncio.create_task(run(conversations, context, streamed=streamed, heard=heard))
        await until(lambda: len(emulator.requests) == 2)
        if streamed:
            await until(lambda: _said(heard) == "Hello wor")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    known: dict[str, Any] = {"conversation_id": context.conversation_id}
    function = tool_span("add", **known)
    loop, start, execution, request = story(recording)
    expected = request_span(emulator, "tool_call", **known, starts=True, streamed=streamed)
    assert [loop, start, execution] == [loop_span(**known), expected, function]
    assert (request.status, request.events, request.parent) == ("UNSET", [], 0)
    outcome = request.attributes.get(s.STREAM_OUTCOME)
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
        await asyncio.wait_for(begun.wait(), 30)
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


Leave = Callable[[Any], Awaitable[None]]


async def by_aclose(stream: Any) -> None:
    """Breaks out of the loop and closes the generator."""
    async for _ in stream:
        break
    await stream.aclose()


async def by_dropping(stream: Any) -> None:
    """Breaks out of the loop and forgets the generator."""
    async for _ in stream:
        break


async def by_an_exception(stream: Any) -> None:
    """Raises inside the loop; whoever catches it forgets the generator."""
    async for _ in stream:
        raise OwnError


async def by_athrow(stream: Any) -> None:
    """Throws an exception of its own into the generator."""
    await stream.__anext__()
    await stream.athrow(OwnError())


async def by_cancelling(stream: Any) -> None:
    """Is cancelled while it deals with an event."""
    task = asyncio.current_task()
    assert task is not None
    async for _ in stream:
        task.cancel()
        await asyncio.Event().wait()


LEAVE = pytest.mark.parametrize(
    "leave", [by_aclose, by_dropping, by_an_exception, by_athrow, by_cancelling]
)


async def left(
    recording: Recording, conversations: Any, context: Any, leave: Leave, skipping: int
) -> None:
    """Reads some events of a loop, leaves it, and lets the event loop close what was dropped."""

    async def consume() -> None:
        stream = await conversations.run_stream_async(run_ctx=context, inputs="1 + 2?")
        for _ in range(skipping):
            await stream.__anext__()
        await leave(stream)

    try:
        await asyncio.create_task(consume())
    except (OwnError, asyncio.CancelledError) as exc:
        # Its frames hold the generator.
        del exc

    def is_closed() -> bool:
        # What is closed may have held more in a cycle.
        gc.collect()
        return len(recording.finished()) == recording.started

    await until(is_closed)


@LEAVE
async def test_leaving_in_the_middle_of_a_request_is_no_error(
    emulator: Emulator, recording: Recording, leave: Leave
) -> None:
    context = prepared(add)
    async with asking(emulator.url, "loop_add") as conversations:
        await left(recording, conversations, context, leave, skipping=1)
        loop, request = story(recording)
    assert loop == loop_span(conversation_id=context.conversation_id)
    assert (request.name, request.kind, request.parent) == (f"chat {MODEL}", "CLIENT", 0)
    assert (request.status, request.description, request.events) == ("UNSET", None, [])
    assert s.ERROR_TYPE not in request.attributes
    assert request.attributes[s.CONVERSATION_ID] == context.conversation_id
    # The SDK drops its stream; nobody tells it why.
    assert request.attributes[s.STREAM_OUTCOME] in {"abandoned", "cancelled", "closed"}
    assert_measured(recording, requests=1, tools=[])


@LEAVE
async def test_leaving_after_a_function_is_no_error(
    emulator: Emulator, recording: Recording, leave: Leave
) -> None:
    context = prepared(add)
    async with asking(emulator.url, "loop_add") as conversations:
        # Four events of the first answer; the next is the function's result.
        await left(recording, conversations, context, leave, skipping=4)
        told = story(recording)
    known: dict[str, Any] = {"conversation_id": context.conversation_id}
    function = tool_span("add", **known)
    assert [told[0], told[2]] == [loop_span(**known), function]
    assert told[1].attributes[s.STREAM_OUTCOME] == "completed"
    assert len(told) == 3
    assert_measured(recording, requests=1, tools=[function])


async def test_a_loop_that_is_never_read_leaves_no_span_open(
    emulator: Emulator, recording: Recording
) -> None:
    async with asking(emulator.url, "loop_add") as conversations:
        stream = await conversations.run_stream_async(run_ctx=prepared(add), inputs="1 + 2?")
        del stream
        gc.collect()
        await turns()
        await recording.settled()
    assert story(recording) in ([], [loop_span()])


async def test_a_loop_that_is_never_awaited_has_no_span(
    emulator: Emulator, recording: Recording
) -> None:
    async with asking(emulator.url, "loop_add") as conversations:
        for method in (conversations.run_async, conversations.run_stream_async):
            method(prepared(add), "1 + 2?").close()
    assert recording.started == 0


async def test_the_consumers_span_stays_current_while_it_reads(
    emulator: Emulator, recording: Recording
) -> None:
    tracer = recording.tracer_provider.get_tracer("mine")
    async with asking(emulator.url, "loop_add") as conversations:
        with tracer.start_as_current_span("caller") as caller:
            stream = await conversations.run_stream_async(run_ctx=prepared(add), inputs="1 + 2?")
            assert trace.get_current_span() is caller
            event: Any = None
            async for event in stream:
                assert trace.get_current_span() is caller
                with tracer.start_as_current_span(f"reads {getattr(event, 'event', 'result')}"):
                    await asyncio.sleep(0)
            assert trace.get_current_span() is caller
        assert trace.get_current_span() is trace.INVALID_SPAN
    assert isinstance(stream, AsyncGenerator)
    told = story(recording)
    parents = {span.name: span.parent for span in told}
    assert parents.pop("caller") is None
    assert told[1] == loop_span(parent=0, conversation_id=event.conversation_id)
    assert {name: parent for name, parent in parents.items() if parent != 0} == {
        f"chat {MODEL}": 1,
        "execute_tool add": 1,
    }


async def test_each_read_may_come_from_another_task_and_context(
    emulator: Emulator, recording: Recording
) -> None:
    tracer = recording.tracer_provider.get_tracer("mine")

    async def read(stream: Any, n: int) -> Any:
        with tracer.start_as_current_span(f"reader {n}") as reader:
            event = await stream.__anext__()
            assert trace.get_current_span() is reader
        return event

    async with asking(emulator.url, "loop_add") as conversations:
        stream = await conversations.run_stream_async(run_ctx=prepared(add), inputs="1 + 2?")
        n = 0
        try:
            while True:
                await asyncio.create_task(read(stream, n))
                n += 1
        except StopAsyncIteration:
            pass
        except RuntimeError as exc:
            # What becomes of a StopAsyncIteration that leaves a coroutine of a task.
            assert isinstance(exc.__cause__, StopAsyncIteration)  # noqa: PT017 -- the loop's end
    assert n == 10
    told = story(recording, nested=False)
    loop = next(place for place, span in enumerate(told) if span.name == "invoke_agent")
    beneath = [span.name for span in told if span.parent == loop]
    assert beneath == [f"chat {MODEL}", "execute_tool add", f"chat {MODEL}"]
    assert told[loop].parent is None


async def test_a_failure_ends_the_span_while_the_consumer_still_holds_the_generator(
    emulator: Emulator, recording: Recording
) -> None:
    def broken(a: int, b: int) -> int:
        """Does not add two numbers."""
        raise OwnError(a + b)

    broken.__name__ = "add"
    async with asking(emulator.url, "loop_add") as conversations:
        stream = await conversations.run_stream_async(run_ctx=prepared(broken), inputs="1 + 2?")
        with pytest.raises(RunException) as caught:
            [event async for event in stream]
        wait_until(lambda: len(recording.finished()) == recording.started == 3)
        with pytest.raises(StopAsyncIteration):
            await stream.__anext__()
    assert isinstance(caught.value.__cause__, OwnError)
    assert story(recording)[0].status == "ERROR"
