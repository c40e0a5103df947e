# SPDX-License-Identifier: Apache-2.0
"""What one odd text or number costs: that text; and what was lost or left out of calls before."""

from __future__ import annotations

import json
import logging
from typing import Any, Final

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument
from tests.support import names as s
from tests.support import sdk
from tests.support.agent_runs import MODEL, STREAMED, RunException, add, asking, prepared, whoami
from tests.support.agent_runs import run as run_loop
from tests.support.content import INPUT, INSTRUCTIONS, OUTPUT, content, details, given, text
from tests.support.conversations import Run, read_async, read_sync
from tests.support.recording import Recording
from tests.support.said import HELLO, TELLS_ARGUMENTS, answer, call
from tests.support.scripted import Answer, scripted
from tests.support.spelled_conversations import (
    BOTH,
    RESPONDS,
    USAGE,
    client_of,
    conversation,
    whole,
)
from tests.support.telling import AT

NAN: Final = float("nan")
HEAD: Final = {"id": "cmpl_1", "object": "chat.completion", "created": 1, "model": MODEL}
Records = list[logging.LogRecord]


@pytest.fixture(autouse=True)
def capture(recording: Recording) -> Recording:
    instrument(capture_content="span_and_event")
    return recording


# Numbers that JSON has not


@pytest.mark.skipif(not TELLS_ARGUMENTS, reason="this line's model drops what a tool is given")
@pytest.mark.parametrize("value", [NAN, float("inf"), -float("inf"), 2**70], ids=str)
@BOTH
def test_a_number_that_json_lacks_is_told_as_text(
    recording: Recording, value: float, *, streamed: bool
) -> None:
    events = conversation("words")
    for payload in events:
        payload["created_at"] = AT
    events[2]["info"] = {"score": value, "n": 3}
    with scripted(events if streamed else whole(events)) as server:
        conversations = client_of(server.url).beta.conversations
        if streamed:
            list(conversations.start_stream(model=MODEL, inputs="Hello?"))
        else:
            conversations.start(model=MODEL, inputs="Hello?")
    told = str(value) if isinstance(value, int) else json.dumps(value)
    (tool, client) = recording.spans()
    plain = f'"{told}"' if value != 2**70 else told
    assert given(tool)[s.TOOL_CALL_RESULT] == f'{{"score": {plain}, "n": 3}}'
    responses = [
        part["server_tool_call_response"]["result"]
        for part in content(client)[OUTPUT][0]["parts"]
        if part["type"] == "server_tool_call_response"
    ]
    assert responses == [{"score": told, "n": 3}]
    assert details(recording)[0][0] == content(client)


# One text that cannot be recorded

CHARACTER: Final = "data:image/p\ud83dg;base64,AAAA"
ODD: Final[list[tuple[Any, list[Any]]]] = [
    ({"type": "image_url", "image_url": CHARACTER},
     [{"type": "omitted_blob", "modality": "image", "size": 3, "mime_type": "image/p?g"}]),
    ({"type": "image_url", "image_url": "https://a.example/\udc00"},
     [{"type": "uri", "modality": "image", "uri": "https://a.example/?"}]),
    ({"type": "text", "text": "\ud83d\ude00 \ud83d"}, [text("😀 ?")]),
    ({"type": "file", "file_id": "\ud83d"},
     [{"type": "file", "modality": "document", "file_id": "?"}]),
]  # fmt: skip


@pytest.mark.parametrize(("odd", "parts"), ODD, ids=["media type", "uri", "text", "file"])
def test_a_text_that_cannot_be_encoded_costs_half_a_character_and_no_hook(
    recording: Recording, odd: Any, parts: list[Any]
) -> None:
    hooked: list[object] = []
    instrument(response_hook=lambda _span, result: hooked.append(result))
    asked = [{"type": "text", "text": "before"}, odd, {"type": "text", "text": "after"}]
    message = {"role": "user", "content": asked}
    # The SDK's own encoder refuses it; what was asked is recorded all the same.
    with scripted() as server, pytest.raises(Exception):  # noqa: B017, PT011 -- differs by line
        client_of(server.url).chat.complete(model=MODEL, messages=[message])
    said = [text("before"), *parts, text("after")]
    assert content(recording.the_span())[INPUT] == [{"role": "user", "parts": said}]
    assert hooked == [None]


class Odd:
    """Somebody's object, of which nothing can be read."""

    def __getattribute__(self, name: str) -> Any:
        raise OSError(name)


def test_an_object_that_cannot_be_read_costs_its_own_part_with_one_line(
    recording: Recording, no_log_records: Records
) -> None:
    message = {"role": "user", "content": ["before", Odd(), "after"]}
    inputs = [{"role": "user", "content": "a"}, Odd(), message]
    with scripted() as server, pytest.raises(Exception):  # noqa: B017, PT011 -- differs by line
        client_of(server.url).beta.conversations.start(model=MODEL, inputs=inputs, tools=[Odd()])
    (first, second) = content(recording.the_span())[INPUT]
    assert (first["parts"], second["parts"]) == ([text("a")], [text("before"), text("after")])
    # What is wrong with the tools is said where settings are read, and once for all content.
    lines = [record.getMessage() for record in no_log_records]
    assert [line.partition(" at ")[0] for line in lines] == [
        "telemetry failed (read the setting tools): OSError",
        "telemetry failed (read content): OSError",
    ]
    no_log_records.clear()


# What is asked

RESPONSE: Final[dict[str, Any]] = {
    "id": "resp_1", "object": "response", "created_at": 1, "model": MODEL, "output": [],
    "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "status": "completed",
}  # fmt: skip


@RESPONDS
@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ({}, ["Hello?"]),
        ({"prompt": None}, ["Hello?"]),
        ({"prompt": {"id": "p", "variables": {}}}, ["Hello?"]),
        ({"prompt": "Be kind."}, ["Be kind.", "Hello?"]),
    ],
)
def test_a_prompt_beside_the_input_hides_it_not(
    recording: Recording, prompt: dict[str, Any], said: list[str]
) -> None:
    with scripted(RESPONSE) as server:
        client_of(server.url).responses.create(model=MODEL, input="Hello?", **prompt)
    asked = [{"role": "user", "parts": [text(each)]} for each in said]
    assert content(recording.the_span()) == {INPUT: asked}


@RESPONDS
def test_items_of_earlier_turns_are_messages_too(recording: Recording) -> None:
    items: list[Any] = [
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a": 1}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "[1]"},
    ]
    with scripted(RESPONSE) as server:
        client_of(server.url).responses.create(model=MODEL, input=items)
    response = {"type": "tool_call_response", "id": "call_1", "response": [1]}
    assert content(recording.the_span())[INPUT] == [
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm."}]},
        {"role": "assistant", "parts": [call("f", {"a": 1})]},
        {"role": "tool", "parts": [response]},
    ]


def completion(message: Any, **choice: Any) -> Any:
    whole_choice = {"index": 0, "finish_reason": "stop", "message": message, **choice}
    return {**HEAD, "usage": USAGE, "choices": [whole_choice]}


def test_a_fim_prompt_and_its_suffix_are_two_parts_of_one_message(recording: Recording) -> None:
    reply = completion({"role": "assistant", "content": " return a"})
    with scripted(reply, reply) as server:
        fim = client_of(server.url).fim
        fim.complete(model=MODEL, prompt="def f(a):", suffix="# done")
        fim.complete(model=MODEL, prompt="", suffix="# done")
    asked = [[text("def f(a):"), text("# done")], [text("# done")]]
    assert [content(span)[INPUT] for span in recording.spans()] == [
        [{"role": "user", "parts": parts}] for parts in asked
    ]


def test_messages_of_a_chat_that_call_tools_and_answer_them(recording: Recording) -> None:
    function = {"name": "f", "arguments": '{"a": [1, "é"]}'}
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1?"},
        {"role": "assistant", "content": "I ask.", "tool_calls": [
            {"id": "call_1", "function": function},
            {"id": "call_2", "function": {"name": "g", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "name": "f", "content": '{"rain": true}'},
        {"role": "tool", "tool_call_id": "call_2", "content": [
            {"type": "text", "text": "no "}, {"type": "text", "text": "JSON"}]},
    ]  # fmt: skip
    with scripted(completion({"role": "assistant", "content": "1."})) as server:
        client_of(server.url).chat.complete(model=MODEL, messages=messages)
    calls = [call("f", {"a": [1, "é"]}), {**call("f", {}, 2), "name": "g"}]
    results = [("call_1", {"rain": True}), ("call_2", "no JSON")]
    assert content(recording.the_span()) == {
        INPUT: [
            {"role": "system", "parts": [text("Be brief.")]},
            {"role": "user", "parts": [text("1?")]},
            {"role": "assistant", "parts": [text("I ask."), *calls]},
            *({"role": "tool", "parts": [
                {"type": "tool_call_response", "id": call_id, "response": response}]}
              for call_id, response in results),
        ],
        OUTPUT: [answer("stop", text("1."))],
    }  # fmt: skip


# Several messages in one choice

MESSAGES: Final[list[Any]] = [
    {"role": "assistant", "content": "I look.", "tool_calls": [
        {"id": "call_1", "index": 0, "function": {"name": "f", "arguments": '{"a": 1}'}}]},
    {"role": "tool", "tool_call_id": "call_1", "content": '{"rain": true}'},
    {"role": "tool", "tool_call_id": "call_2", "content": "none"},
    {"role": "assistant", "tool_calls": [
        {"id": "call_3", "index": 0, "function": {"name": "f", "arguments": "[]"}}]},
    {"role": "assistant", "content": "It rains."},
]  # fmt: skip
ONE: Final = answer(
    "stop", text("I look."), call("f", {"a": 1}),
    {"type": "tool_call_response", "id": "call_1", "response": {"rain": True}},
    {"type": "tool_call_response", "id": "call_2", "response": "none"},
    call("f", [], 3), text("It rains."),
)  # fmt: skip
SEVERAL: Final = pytest.mark.skipif(
    sdk.VERSION < (3, 7), reason="a choice has one message on this line"
)


def pieces(*, numbered: bool) -> list[Any]:
    """The messages in pieces, of which only the first of each says whose it is."""
    deltas: list[Any] = []
    for index, message in enumerate(MESSAGES):
        number = {"index": index} if numbered else {}
        words = message.get("content") or ""
        head = {key: message[key] for key in ("role", "tool_call_id") if key in message}
        deltas.append({**head, **number, "content": words[:3]})
        if words:
            deltas.append({**number, "content": words[3:]})
        if "tool_calls" in message:
            deltas.append({**number, "tool_calls": message["tool_calls"]})
    return deltas


@SEVERAL
def test_the_messages_of_one_choice_are_the_parts_of_one_message(recording: Recording) -> None:
    with scripted(completion(None, messages=MESSAGES)) as server:
        client_of(server.url).chat.complete(
            model=MODEL, messages=[{"role": "user", "content": "?"}]
        )
    assert content(recording.the_span())[OUTPUT] == [ONE]


@SEVERAL
@pytest.mark.parametrize("numbered", [True, False], ids=["numbered", "in a row"])
def test_the_messages_of_a_stream_are_the_parts_of_one_message(
    recording: Recording, *, numbered: bool
) -> None:
    deltas = [
        {"index": 0, "delta": each, "finish_reason": None} for each in pieces(numbered=numbered)
    ]
    deltas[-1]["finish_reason"] = "stop"
    stream: Answer = [{**HEAD, "choices": [each]} for each in deltas]
    with scripted([*stream, "data: [DONE]\n\n"]) as server:
        chat = client_of(server.url).chat
        list(chat.stream(model=MODEL, messages=[{"role": "user", "content": "?"}]))
    said = content(recording.the_span())[OUTPUT]
    assert said == [ONE]


@SEVERAL
def test_messages_that_come_in_turns_are_told_apart_by_their_numbers(recording: Recording) -> None:
    deltas = [
        {"index": 0, "role": "tool", "tool_call_id": "call_1", "content": "[1"},
        {"index": 1, "role": "tool", "tool_call_id": "call_2", "content": "[2"},
        {"index": 2, "role": "assistant", "content": "a"},
        {"index": 0, "content": "]"},
        {"index": 1, "content": "]"},
    ]
    choices: list[Any] = [{"index": 0, "delta": each, "finish_reason": None} for each in deltas]
    choices[-1]["finish_reason"] = "stop"
    with scripted([{**HEAD, "choices": [each]} for each in choices]) as server:
        chat = client_of(server.url).chat
        list(chat.stream(model=MODEL, messages=[{"role": "user", "content": "?"}]))
    results = [{"type": "tool_call_response", "id": f"call_{n}", "response": [n]} for n in (1, 2)]
    assert content(recording.the_span())[OUTPUT] == [answer("stop", *results, text("a"))]


# Why a message is finished


@pytest.mark.parametrize("left", [True, False], ids=["left", "failed"])
def test_of_two_choices_only_the_one_that_ended_says_why(
    recording: Recording, *, left: bool
) -> None:
    choices: list[Any] = [
        {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"},
        {"index": 1, "delta": {"content": "b"}, "finish_reason": None},
    ]
    with scripted([{**HEAD, "choices": choices}]) as server:
        chat = client_of(server.url).chat
        stream = chat.stream(model=MODEL, messages=[{"role": "user", "content": "?"}], n=2)
        assert next(stream)
        if left:
            with stream:
                pass
        else:
            list(stream)
    said = [answer("stop", text("a")), answer("" if left else "error", text("b"))]
    assert content(recording.the_span())[OUTPUT] == said


# What an error event says


def exceptions(recording: Recording) -> tuple[list[Any], list[Any]]:
    """The exception events on spans, and those in the log."""
    on_spans = [dict(e.attributes or {}) for span in recording.spans() for e in span.events]
    logged = [r for r in recording.logs() if r.event_name == s.EXCEPTION_EVENT]
    return on_spans, [dict(record.attributes or {}) for record in logged]


@pytest.mark.parametrize(
    ("mode", "on_span", "on_event"),
    [("no_content", False, False), ("span_only", True, False), ("event_only", False, True),
     ("span_and_event", True, True)],
)  # fmt: skip
@pytest.mark.parametrize("run", [read_sync, read_async], ids=["sync", "async"])
def test_an_error_events_message_is_recorded_where_words_may_be(
    client: Any, recording: Recording, run: Run, mode: str, *, on_span: bool, on_event: bool
) -> None:
    instrument(capture_content=mode)
    run(client, "error_event")
    told = {s.EXCEPTION_MESSAGE: "Internal error about: Hello?"}
    assert exceptions(recording) == ([told] * on_span, [told] * on_event)
    assert recording.span().description == "500"


@RESPONDS
@pytest.mark.parametrize(
    ("scenario", "said"), [("response_failed", "Failed"), ("response_error", "Internal error")]
)
def test_a_failed_response_says_why(
    client: Any, recording: Recording, scenario: str, said: str
) -> None:
    headers = {"x-emulator-scenario": scenario}
    asked: dict[str, Any] = {"model": MODEL, "input": "Hello?", "http_headers": headers}
    list(client.responses.create(**asked, stream=True))
    told = {s.EXCEPTION_MESSAGE: f"{said} about: Hello?"}
    assert exceptions(recording) == ([told], [told])


# An agent loop


@pytest.mark.parametrize(
    ("mode", "on_span"), [("no_content", False), ("event_only", False), ("span_only", True)]
)
@STREAMED
async def test_a_loops_span_has_its_first_input_and_last_output(
    emulator: Emulator, recording: Recording, mode: str, *, on_span: bool, streamed: bool
) -> None:
    instrument(capture_content=mode)
    async with asking(emulator.url, "loop_parallel") as conversations:
        await run_loop(conversations, prepared(add, whoami), streamed=streamed)
    (loop,) = [span for span in recording.spans() if span.name == "invoke_agent"]
    said = {
        INPUT: [{"role": "user", "parts": [text("1 + 2?")]}],
        OUTPUT: [answer("stop", text("It is done."))],
    }
    assert content(loop) == (said if on_span else {})
    # Instructions and tools are the requests' own.
    assert not (loop.attributes or {}).keys() & {INSTRUCTIONS, s.TOOL_DEFINITIONS}


@STREAMED
async def test_inputs_of_a_loop_may_be_positional_and_change_later(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    inputs = [{"role": "user", "content": "Hello?"}]
    async with asking(emulator.url, "loop_add") as conversations:
        context = prepared(add)
        if streamed:
            stream = await conversations.run_stream_async(context, inputs)
            inputs[0]["content"] = "changed"
            _ = [event async for event in stream]
        else:
            await conversations.run_async(context, inputs)
    assert content(recording.spans()[-1])[INPUT] == HELLO


async def test_a_loop_that_is_left_has_what_was_said_last(
    emulator: Emulator, recording: Recording
) -> None:
    async with asking(emulator.url, "loop_add") as conversations:
        stream = await conversations.run_stream_async(prepared(add), "1 + 2?")
        async for event in stream:
            if getattr(event, "event", None) == "function.result":
                break
        await stream.aclose()
    (loop,) = [span for span in recording.spans() if span.name == "invoke_agent"]
    assert content(loop)[OUTPUT] == [answer("tool_call", call("add", {"a": 1, "b": 2}))]


@STREAMED
async def test_a_loop_that_fails_has_what_was_said_last(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    def fail(a: int, b: int) -> int:
        """Adds two numbers."""
        raise ValueError(a + b)

    fail.__name__ = "add"
    async with asking(emulator.url, "loop_add") as conversations:
        context = prepared(fail, continue_on_fn_error=False)
        with pytest.raises(RunException):
            await run_loop(conversations, context, streamed=streamed)
    loop = recording.spans()[-1]
    assert content(loop)[OUTPUT] == [answer("tool_call", call("add", {"a": 1, "b": 2}))]
