# SPDX-License-Identifier: Apache-2.0
"""Whatever a program does with an agent loop, it cannot tell that it is watched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextvars import copy_context
from dataclasses import asdict
from typing import Any

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support.agent_run_spans import without_spans
from tests.support.agent_runs import DEFERS, add, prepared, whoami
from tests.support.observing import observe
from tests.support.recording import Recording

QUESTION = "1 + 2?"


class OwnError(Exception):
    """The program's own."""


def fail() -> str:
    """Fails."""
    raise OwnError("no such luck")


def asks(conversations: Any, scenario: str) -> Any:
    """Makes the client's requests ask for a scenario."""
    conversations.sdk_configuration.async_client.headers["x-emulator-scenario"] = scenario
    return conversations


def loops(conversations: Any, scenario: str, *tools: Callable[..., Any], **options: Any) -> Any:
    """A coroutine of a whole loop."""
    context = prepared(*tools, **options)
    return asks(conversations, scenario).run_async(context, QUESTION)


async def streams(conversations: Any, scenario: str, *tools: Any, **options: Any) -> Any:
    """The generator of a loop."""
    context = prepared(*tools, **options)
    return await asks(conversations, scenario).run_stream_async(run_ctx=context, inputs=QUESTION)


def told(result: Any) -> Any:
    """A RunResult, and anything else as it is."""
    return (type(result), asdict(result)) if hasattr(result, "output_entries") else result


async def returns_its_result(conversations: Any) -> Any:
    return told(await loops(conversations, "loop_parallel", add, whoami))


async def streams_its_events(conversations: Any) -> Any:
    stream = await streams(conversations, "loop_parallel", add, whoami)
    assert [isinstance(stream, AsyncGenerator)] == [True]  # without narrowing it
    return [told(event) async for event in stream]


async def keeps_the_context_while_it_streams(conversations: Any) -> Any:
    before = dict(copy_context())
    stream = await streams(conversations, "loop_add", add)
    return [dict(copy_context()) == before async for _ in stream]


async def continues_after_a_failure(conversations: Any) -> Any:
    return told(await loops(conversations, "loop_fail", fail, continue_on_fn_error=True))


async def has_no_such_function(conversations: Any) -> Any:
    return told(await loops(conversations, "loop_rounds", add))


async def fails_in_a_function(conversations: Any) -> Any:
    return await loops(conversations, "loop_fail", fail)


async def fails_in_a_function_of_a_stream(conversations: Any) -> Any:
    return [event async for event in await streams(conversations, "loop_fail", fail)]


async def fails_in_a_request(conversations: Any) -> Any:
    return await loops(conversations, "loop_http_500", add)


async def fails_in_a_request_of_a_stream(conversations: Any) -> Any:
    return [event async for event in await streams(conversations, "loop_http_500", add)]


async def fails_before_its_first_request(conversations: Any) -> Any:
    return await loops(conversations, "loop_add", add, model=None)


async def waits_for_a_human(conversations: Any) -> Any:
    context = prepared()
    context.register_func(add, requires_confirmation=True)
    return await asks(conversations, "loop_add").run_async(context, QUESTION)


async def is_given_a_wrong_argument(conversations: Any) -> Any:
    return conversations.run_async(prepared(add), QUESTION, nonsense=True)


async def is_given_no_argument(conversations: Any) -> Any:
    return conversations.run_stream_async()


async def is_never_awaited(conversations: Any) -> Any:
    loops(conversations, "loop_add", add)
    conversations.run_stream_async(prepared(add), QUESTION)


async def is_never_read(conversations: Any) -> Any:
    await streams(conversations, "loop_add", add)


async def sends_into_a_generator(conversations: Any) -> Any:
    stream = await streams(conversations, "loop_add", add)
    seen: list[Any] = []
    try:
        await stream.asend("too early")
    except TypeError as exc:
        seen.append(exc)
    seen += [await stream.asend(None), await stream.asend("ignored")]
    return [*seen, *[told(event) async for event in stream]]


async def throws_into_a_generator(conversations: Any) -> Any:
    stream = await streams(conversations, "loop_add", add)
    await stream.__anext__()
    await stream.athrow(OwnError("thrown"))


async def throws_before_it_reads(conversations: Any) -> Any:
    await (await streams(conversations, "loop_add", add)).athrow(OwnError("thrown"))


async def reads_on_after_closing(conversations: Any) -> Any:
    stream = await streams(conversations, "loop_add", add)
    await stream.__anext__()
    closed = [await stream.aclose(), await stream.aclose()]
    return [*closed, await anext(stream, "over")]


async def reads_on_after_the_end(conversations: Any) -> Any:
    stream = await streams(conversations, "loop_add", add)
    events = [event async for event in stream]
    return [len(events), await anext(stream, "over"), await anext(stream, "over")]


async def closes_before_it_reads(conversations: Any) -> Any:
    stream = await streams(conversations, "loop_add", add)
    return [await stream.aclose(), await anext(stream, "over")]


async def reads_from_two_tasks(conversations: Any) -> Any:
    stream = await streams(conversations, "loop_add", add)
    read = [asyncio.ensure_future(anext(stream)) for _ in range(2)]
    events = await asyncio.gather(*read, return_exceptions=True)
    await stream.aclose()
    return events


async def breaks_and_forgets(conversations: Any) -> Any:
    async for _ in await streams(conversations, "loop_add", add):
        break


async def is_cancelled_in_a_function(conversations: Any) -> Any:
    async def endless(a: int, b: int) -> int:
        """Adds two numbers, one day."""
        task.cancel()
        await asyncio.Event().wait()
        return a + b

    endless.__name__ = "add"
    task = asyncio.ensure_future(loops(conversations, "loop_add", endless))
    await task


async def uses_one_context_twice(conversations: Any) -> Any:
    context = prepared(add)
    asks(conversations, "loop_add")
    results = [told(await conversations.run_async(context, QUESTION)) for _ in range(2)]
    return [*results, repr(context), list(context.__dict__)]


USAGES: dict[Callable[[Any], Any], int | None] = {
    returns_its_result: 1,
    streams_its_events: 1,
    keeps_the_context_while_it_streams: 1,
    continues_after_a_failure: 1,
    has_no_such_function: 1,
    fails_in_a_function: 1,
    fails_in_a_function_of_a_stream: 1,
    fails_in_a_request: 1,
    fails_in_a_request_of_a_stream: 1,
    fails_before_its_first_request: 1,
    waits_for_a_human: 1,
    # Whether what could not even be called was a loop is not for these tests to say.
    is_given_a_wrong_argument: None,
    is_given_no_argument: None,
    is_never_awaited: 0,
    is_never_read: None,
    sends_into_a_generator: 1,
    throws_into_a_generator: 1,
    throws_before_it_reads: None,
    reads_on_after_closing: 1,
    reads_on_after_the_end: 1,
    closes_before_it_reads: None,
    reads_from_two_tasks: 1,
    breaks_and_forgets: 1,
    is_cancelled_in_a_function: 1,
    uses_one_context_twice: 2,
}


@pytest.mark.parametrize("usage", USAGES, ids=lambda usage: usage.__name__)
def test_patched_and_unpatched_loops_are_indistinguishable(
    emulator: Emulator, no_log_records: list[Any], usage: Callable[[Any], Any]
) -> None:
    if usage is waits_for_a_human and not DEFERS:
        pytest.skip("before 2.3.2 no tool waits for a confirmation")
    unpatched = observe(usage, emulator)
    said = [record.getMessage() for record in no_log_records]
    no_log_records.clear()
    made = Recording()
    instrument(**made.providers)
    try:
        patched = observe(usage, emulator)
    finally:
        uninstrument()
    assert without_spans(vars(patched)) == without_spans(vars(unpatched))
    assert unpatched.context_was_kept
    assert [record.getMessage() for record in no_log_records] == said
    no_log_records.clear()
    spans = [(span.name, span.kind.name) for span in made.spans()]
    count = USAGES[usage]
    assert count is None or spans.count(("invoke_agent", "INTERNAL")) == count
