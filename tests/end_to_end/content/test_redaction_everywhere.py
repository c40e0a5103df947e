# SPDX-License-Identifier: Apache-2.0
"""What ``redact`` removes is in no signal of a real call, wherever it was and however escaped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any, Final

import pytest

from opentelemetry.instrumentation.genai.mistralai import instrument
from tests.support import names as s
from tests.support.agent_runs import MODEL, STREAMED, RunException, prepared
from tests.support.agent_runs import run as run_loop
from tests.support.recording import Recording
from tests.support.scripted import Answer, scripted
from tests.support.spelled_conversations import (
    BOTH,
    RESPONDS,
    USAGE,
    arguments,
    client_of,
    conversation,
    whole,
)
from tests.support.spellings import ESCAPES, SECRET, escaped, hide, reveals
from tests.support.telling import AT, TELLS_CALLS, everything

SPELLINGS: Final = [[], *([name] for name in ESCAPES), ["json", "ascii json"]]
SPELLED = pytest.mark.parametrize("names", SPELLINGS, ids="+".join)
Records = list[logging.LogRecord]


@pytest.fixture(autouse=True)
def redacting(recording: Recording) -> Recording:
    instrument(capture_content="span_and_event", redact=hide)
    return recording


def chunks(secret: str) -> list[Any]:
    """Content of every kind that has words."""
    image = {"type": "image_url", "image_url": f"https://a.example/{secret}"}
    return [
        {"type": "text", "text": secret},
        image,
        {"type": "image_url", "image_url": f"data:{secret};base64,AAAA"},
    ]


def check(recording: Recording, records: Records, least: int) -> None:
    """The secret is nowhere, and not because what it was in was dropped."""
    recorded = everything(recording, records)
    assert not reveals(recorded)
    assert recorded.count("***") >= least
    assert not [span for span in recording.spans() if not span.end_time]


# Conversations


@BOTH
@SPELLED
def test_a_conversation(
    recording: Recording, no_log_records: Records, names: list[str], *, streamed: bool
) -> None:
    secret = escaped(SECRET, names)
    events = [{"created_at": AT, **payload} for payload in conversation(secret)]
    inputs: list[Any] = [
        {"role": "user", "content": chunks(secret)},
        {"type": "function.result", "tool_call_id": secret, "result": arguments(secret)},
    ]
    if TELLS_CALLS:
        call = {"tool_call_id": "c", "name": secret, "arguments": arguments(secret)}
        inputs.append({"type": "function.call", **call})
    tools: list[Any] = [{"type": "function", "function": {"name": secret, "parameters": {}}}]
    asked: dict[str, Any] = {"model": MODEL, "instructions": secret, "tools": tools}
    with scripted(events if streamed else whole(events)) as server:
        conversations = client_of(server.url).beta.conversations
        if streamed:
            list(conversations.start_stream(**asked, inputs=inputs))
        else:
            conversations.start(**asked, inputs=inputs)
    check(recording, no_log_records, 2 * (24 if TELLS_CALLS else 14))
    (tool,) = [span for span in recording.spans() if span.name == "execute_tool web_search"]
    assert (tool.attributes or {})[s.TOOL_CALL_ID] == "tool ***"


@SPELLED
def test_an_error_event_and_a_refusal_whose_body_repeats_the_input(
    recording: Recording, no_log_records: Records, names: list[str]
) -> None:
    secret = escaped(SECRET, names)
    error = {"type": "conversation.response.error", "message": f"No: {secret}", "code": 500}
    started = {"type": "conversation.response.started", "conversation_id": "conv_1"}
    body = {"detail": [{"msg": "bad", "input": arguments(secret)}], "message": secret}
    with scripted([{"created_at": AT, **each} for each in (started, error)], (400, body)) as server:
        conversations = client_of(server.url).beta.conversations
        list(conversations.start_stream(model=MODEL, inputs="Hello?"))
        with pytest.raises(Exception, match="detail"):
            conversations.start(model=MODEL, inputs="Hello?")
    check(recording, no_log_records, 8)
    events = [event.attributes or {} for span in recording.spans() for event in span.events]
    assert ["***" in str(event[s.EXCEPTION_MESSAGE]) for event in events] == [True, True]


# Completions


def messages(secret: str) -> list[Any]:
    """Messages of every role."""
    function = {"name": secret, "arguments": arguments(secret)}
    return [
        {"role": "system", "content": secret},
        {"role": "user", "content": chunks(secret)},
        {"role": "assistant", "tool_calls": [{"id": secret, "function": function}]},
        {"role": "tool", "tool_call_id": secret, "content": arguments(secret)},
    ]


@BOTH
@SPELLED
def test_a_chat(
    recording: Recording, no_log_records: Records, names: list[str], *, streamed: bool
) -> None:
    secret = escaped(SECRET, names)
    function = {"name": secret, "arguments": arguments(secret)}
    message = {"role": "assistant", "content": f"so {secret}",
               "tool_calls": [{"id": secret, "function": function, "index": 0}]}  # fmt: skip
    head = {"id": "cmpl_1", "object": "chat.completion", "created": 1, "model": MODEL}
    choice = {"index": 0, "finish_reason": "tool_calls"}
    answer: Answer = {**head, "usage": USAGE, "choices": [{**choice, "message": message}]}
    if streamed:
        answer = [{**head, "usage": USAGE, "choices": [{**choice, "delta": message}]}]
        answer.append("data: [DONE]\n\n")
    with scripted(answer) as server:
        chat = client_of(server.url).chat
        if streamed:
            list(chat.stream(model=MODEL, messages=messages(secret)))
        else:
            chat.complete(model=MODEL, messages=messages(secret))
    check(recording, no_log_records, 2 * 16)


@RESPONDS
@pytest.mark.parametrize("failing", [False, True], ids=["", "failing"])
@BOTH
@SPELLED
def test_a_response(
    recording: Recording,
    no_log_records: Records,
    names: list[str],
    *,
    streamed: bool,
    failing: bool,
) -> None:
    secret = escaped(SECRET, names)
    part: Any = {"type": "output_text", "text": secret, "annotations": []}
    said = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
    output: list[Any] = [
        {**said, "content": [part]},
        {"type": "function_call", "id": "f", "call_id": secret, "name": secret,
         "arguments": arguments(secret), "status": "completed"},
    ]  # fmt: skip
    body: Answer = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": MODEL, "output": output,
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "status": "failed" if failing else "completed",
        "error": {"code": "server_error", "message": f"No: {secret}"} if failing else None,
    }  # fmt: skip
    if streamed:
        kind = f"response.{body['status']}"
        body = [{"type": kind, "sequence_number": 0, "response": body}]
    with scripted(body) as server:
        responses = client_of(server.url).responses
        asked: dict[str, Any] = {"model": MODEL, "input": secret, "instructions": secret}
        result = responses.create(**asked, stream=streamed)
        if streamed:
            list(result)
    check(recording, no_log_records, 2 * (8 if failing else 7))


# Agent loops


@STREAMED
@pytest.mark.parametrize("fails", [False, True], ids=["returns", "raises"])
@pytest.mark.parametrize("names", [[], ["json"], ["ascii json"], ["repr"]], ids="+".join)
def test_a_loop(
    recording: Recording, no_log_records: Records, names: list[str], *, streamed: bool, fails: bool
) -> None:
    secret = escaped(SECRET, names)

    def ask(value: str) -> Any:
        """Asks for a value."""
        if fails:
            raise KeyError(secret, value)
        return {secret: [value, 7]}

    started = {"type": "conversation.response.started", "conversation_id": "conv_1"}
    call = {"type": "function.call.delta", "id": "fc_1", "name": "ask", "output_index": 0,
            "tool_call_id": secret, "arguments": json.dumps({"value": secret})}  # fmt: skip
    say = {"type": "message.output.delta", "id": "msg_1", "output_index": 0, "content_index": 0,
           "role": "assistant", "model": MODEL, "content": secret}  # fmt: skip
    done = {"type": "conversation.response.done", "usage": USAGE}
    rounds = [
        [{"created_at": AT, **each} for each in (started, told, done)] for told in (call, say)
    ]
    answers = [each if streamed else whole(each) for each in rounds[: 1 if fails else 2]]
    context = prepared(ask, continue_on_fn_error=False)
    with scripted(*answers) as server, contextlib.suppress(RunException):
        conversations = client_of(server.url).beta.conversations
        asyncio.run(run_loop(conversations, context, streamed=streamed, inputs=secret))
    tool, loop = recording.spans()[1], recording.spans()[-1]
    assert (tool.name, loop.name) == ("execute_tool ask", "invoke_agent")
    assert [bool(span.events) for span in (tool, loop)] == [fails, fails]
    check(recording, no_log_records, 14)
