# SPDX-License-Identifier: Apache-2.0
"""Agent loops that go well: one span around the requests and the functions of the caller's.

The SDK's own spans of them are replaced.
"""

from __future__ import annotations

import asyncio
import functools
from contextvars import ContextVar
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import uninstrument
from tests.support import names as s
from tests.support import sdk
from tests.support.agent_run_spans import (
    assert_measured,
    loop_span,
    request_span,
    story,
    tool_span,
)
from tests.support.agent_runs import MODEL, STREAMED, add, asking, prepared, run, whoami
from tests.support.programs import Ran, dedented
from tests.support.programs import run as run_program
from tests.support.recording import Recording, turns

LOOPS = 50


async def slow_add(a: int, b: int) -> int:
    """Adds two numbers, and lets others have their turn."""
    await asyncio.sleep(0)
    return a + b


slow_add.__name__ = "add"


@STREAMED
@pytest.mark.parametrize("function", [add, slow_add], ids=["sync", "async"])
async def test_a_loop_is_one_span_with_its_requests_and_functions_beneath(
    emulator: Emulator, recording: Recording, function: Any, *, streamed: bool
) -> None:
    async with asking(emulator.url, "loop_add") as conversations:
        result = await run(conversations, prepared(function), streamed=streamed)
    conversation = result.conversation_id
    function_span = tool_span("add", conversation_id=conversation)
    assert story(recording) == [
        loop_span(conversation_id=conversation),
        request_span(emulator, "tool_call", conversation, starts=True, streamed=streamed),
        function_span,
        request_span(emulator, "stop", conversation, streamed=streamed),
    ]
    assert_measured(recording, requests=2, tools=[function_span])
    tokens = recording.metrics()[s.METRIC_INPUT_TOKENS]
    assert sum(count for _, count in tokens) == 18 + 30


@STREAMED
async def test_functions_of_one_answer_are_siblings(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    async with asking(emulator.url, "loop_parallel") as conversations:
        result = await run(conversations, prepared(add, whoami), streamed=streamed)
    known: dict[str, Any] = {"conversation_id": result.conversation_id}
    functions = [tool_span("add", **known), tool_span("whoami", "call_2", **known)]
    asked: dict[str, Any] = {"starts": True, "streamed": streamed, "response_id": "fc_2"}
    assert story(recording) == [
        loop_span(**known),
        request_span(emulator, "tool_call", **known, **asked),
        *functions,
        request_span(emulator, "stop", **known, streamed=streamed),
    ]
    assert_measured(recording, requests=2, tools=functions)


@STREAMED
async def test_an_agents_loop_names_the_agent(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    async with asking(emulator.url, "loop_add") as conversations:
        result = await run(conversations, prepared(add, agent_id="ag_1"), streamed=streamed)
    agent: dict[str, Any] = {"agent_id": "ag_1", "conversation_id": result.conversation_id}
    loop, start, function, append = story(recording)
    assert loop == loop_span(**agent)
    assert function == tool_span("add", **agent)
    expected = [
        request_span(emulator, "tool_call", streamed=streamed, starts=True),
        request_span(emulator, "stop", streamed=streamed),
    ]
    for span in expected:
        span.name = span.attributes[s.OPERATION_NAME] = "invoke_agent"
        span.attributes |= {s.AGENT_ID: "ag_1"}
        span.attributes |= {s.CONVERSATION_ID: result.conversation_id}
        # The emulator does not know which model its agents use.
        for key in (s.REQUEST_MODEL, s.RESPONSE_MODEL):
            span.attributes.pop(key, None)
    assert [start, append] == expected
    assert_measured(recording, requests=2, tools=[function], point={})


@STREAMED
async def test_a_conversation_that_goes_on_is_known_from_the_start(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    known: dict[str, Any] = {"conversation_id": "conv_before"}
    async with asking(emulator.url, "loop_add") as conversations:
        context = prepared(add, **known)
        # These two arguments may be positional.
        if streamed:
            stream = await conversations.run_stream_async(context, "1 + 2?")
            result = [event async for event in stream][-1]
        else:
            result = await conversations.run_async(context, "1 + 2?")
    assert result.conversation_id == "conv_before"
    assert story(recording) == [
        loop_span(**known),
        request_span(emulator, "tool_call", **known, streamed=streamed),
        tool_span("add", **known),
        request_span(emulator, "stop", **known, streamed=streamed),
    ]


@STREAMED
async def test_each_round_is_counted(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    async with asking(emulator.url, "loop_rounds") as conversations:
        result = await run(conversations, prepared(whoami), streamed=streamed)
    function = tool_span("whoami", conversation_id=result.conversation_id)
    told = story(recording)
    assert [span for span in told if span.name == function.name] == [function] * 3
    assert [span.parent for span in told] == [None, *[0] * 7]
    assert_measured(recording, requests=4, tools=[function] * 3)


@STREAMED
async def test_a_function_that_nobody_registered_has_no_span(
    emulator: Emulator,
    recording: Recording,
    no_log_records: list[Any],
    *,
    streamed: bool,
) -> None:
    async with asking(emulator.url, "loop_rounds") as conversations:
        result = await run(conversations, prepared(add), streamed=streamed)
    said = [(record.name, record.getMessage()) for record in no_log_records]
    no_log_records.clear()
    asked = ("mistralai.extra.run.context", "Can't execute all functions, stopping run here")
    assert said == [asked] * 3
    known: dict[str, Any] = {"conversation_id": result.conversation_id, "streamed": streamed}
    assert story(recording) == [
        loop_span(conversation_id=result.conversation_id),
        request_span(emulator, "tool_call", **known, starts=True),
        request_span(emulator, "tool_call", **known),
        request_span(emulator, "tool_call", **known),
        request_span(emulator, "stop", **known),
    ]
    assert_measured(recording, requests=4, tools=[])


@STREAMED
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_a_function_does_is_beneath_its_span_and_the_caller_keeps_its_own(
    emulator: Emulator, recording: Recording, kind: str, *, streamed: bool
) -> None:
    tracer, own = recording.tracer_provider.get_tracer("mine"), ContextVar[str]("own")
    seen: list[Any] = []

    def look(a: int, b: int) -> int:
        """Adds two numbers in a database."""
        seen.append((own.get(), trace.get_current_span()))
        with tracer.start_as_current_span("database"):
            return a + b

    async def look_async(a: int, b: int) -> int:
        """Adds two numbers in a database."""
        await asyncio.sleep(0)
        return look(a, b)

    function = look if kind == "sync" else look_async
    function.__name__ = "add"
    with tracer.start_as_current_span("caller") as caller:
        own.set("the caller's")
        async with asking(emulator.url, "loop_add") as conversations:
            await run(conversations, prepared(function), streamed=streamed)
        assert trace.get_current_span() is caller
    told = story(recording)
    assert [(span.name, span.parent) for span in told] == [
        ("caller", None),
        ("invoke_agent", 0),
        (f"chat {MODEL}", 1),
        ("execute_tool add", 1),
        ("database", 3),
        (f"chat {MODEL}", 1),
    ]
    ((found, current),) = seen
    assert (found, current.name) == ("the caller's", "execute_tool add")


async def test_fifty_loops_at_once_are_fifty_traces(
    emulator: Emulator, recording: Recording
) -> None:
    tracer = recording.tracer_provider.get_tracer("mine")

    async def one(n: int) -> str:
        async def number(a: int, b: int) -> int:
            """Numbers its caller."""
            await turns(n % 7)
            with tracer.start_as_current_span(f"inside {n}"):
                return a + b + n

        number.__name__ = "add"
        async with asking(emulator.url, "loop_add") as conversations:
            with tracer.start_as_current_span(f"caller {n}"):
                result = await run(conversations, prepared(number), streamed=n % 2 == 1)
        assert [e.result for e in result.output_entries if hasattr(e, "result")] == [str(3 + n)]
        return str(result.conversation_id)

    ids = await asyncio.gather(*(one(n) for n in range(LOOPS)))
    told = story(recording)
    assert len(told) == LOOPS * 6
    for n, conversation in enumerate(ids):
        root = next(place for place, span in enumerate(told) if span.name == f"caller {n}")
        ((loop, around),) = _below(told, root)
        assert around == loop_span(parent=root, conversation_id=conversation)
        beneath = _below(told, loop)
        assert [span.name for _, span in beneath] == [
            f"chat {MODEL}",
            "execute_tool add",
            f"chat {MODEL}",
        ]
        of = {span.attributes[s.CONVERSATION_ID] for _, span in beneath}
        assert of == {conversation}
        assert [span.name for _, span in _below(told, beneath[1][0])] == [f"inside {n}"]
    points = recording.metrics()[s.METRIC_RUN_REQUESTS]
    assert points == [({}, (LOOPS, LOOPS * 2))]


def _below(told: list[Any], parent: int) -> list[tuple[int, Any]]:
    return [(place, span) for place, span in enumerate(told) if span.parent == parent]


OURS = "opentelemetry.instrumentation.genai.mistralai"
# Its loops have spans of their own whenever there is a global provider.
HAS_SPANS = sdk.VERSION >= (1, 10)
PROGRAM = """
    from opentelemetry.instrumentation.utils import suppress_instrumentation
    from tests.support.agent_runs import add, asking, prepared, run
    exporting('global')

    async def main():
        for streamed in (False, True):
            async with asking(sys.argv[1], 'loop_add') as conversations:
                result = await run(conversations, prepared(add), streamed=streamed)
                emit(result.output_as_text)

"""


def program(emulator: Emulator, before: str, **environment: str) -> Ran:
    """Runs a loop, then one that streams, in a process with a global provider."""
    # Programs count their keys from 0, each of them.
    emulator.clear()
    source = f"{dedented(PROGRAM)}{before}asyncio.run(main())\n"
    ran = run_program(source, emulator.url, **environment)
    assert (ran.code, ran.said().count("It is done.")) == (0, 2)
    return ran


def told(ran: Ran) -> list[Any]:
    """Each span's scope, name and parent's name, sorted."""
    said = ran.said()
    spans = [line for line in ran.lines if line not in said]
    names = {span["id"]: span["name"] for span in spans}
    told = ((span["scope"], span["name"], names.get(span["parent"])) for span in spans)
    return sorted(told, key=str)


@functools.cache
def without_us(emulator: Emulator, **environment: str) -> list[Any]:
    """What the SDK has to tell by itself."""
    return told(program(emulator, "", **environment))


@pytest.mark.parametrize(
    "environment", [{}, {"MISTRAL_SDK_TELEMETRY": "global"}], ids=["default", "asked for"]
)
def test_our_spans_replace_the_sdks(emulator: Emulator, environment: dict[str, str]) -> None:
    unpatched = without_us(emulator, **environment)
    assert bool(unpatched) == HAS_SPANS
    assert [span for span in unpatched if span[0] == OURS] == []
    ran = program(emulator, "instrument()\n", **environment)
    # Without us it is not silent on all lines: 1.12's own span gets an attribute that is None.
    assert ran.stderr == ""
    a_loop = [
        (OURS, f"chat {MODEL}", "invoke_agent"),
        (OURS, f"chat {MODEL}", "invoke_agent"),
        (OURS, "execute_tool add", "invoke_agent"),
        (OURS, "invoke_agent", None),
    ]
    assert told(ran) == sorted(a_loop * 2, key=str)


@pytest.mark.parametrize(
    "absent",
    [
        "instrument(); uninstrument()\n",
        "instrument(); kept = suppress_instrumentation(); kept.__enter__()\n",
    ],
    ids=["uninstrumented", "suppressed"],
)
def test_where_we_are_absent_the_sdk_has_its_spans(emulator: Emulator, absent: str) -> None:
    ran = program(emulator, absent)
    assert told(ran) == without_us(emulator)


@STREAMED
async def test_where_we_are_absent_there_is_no_span(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    with suppress_instrumentation():
        async with asking(emulator.url, "loop_add") as conversations:
            await run(conversations, prepared(add), streamed=streamed)
    uninstrument()
    async with asking(emulator.url, "loop_add") as conversations:
        result = await run(conversations, prepared(add), streamed=streamed)
    assert result.output_as_text == "It is done."
    assert recording.started == 0
    assert recording.metrics() == {}
