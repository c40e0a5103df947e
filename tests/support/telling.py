# SPDX-License-Identifier: Apache-2.0
"""Conversations with words that tell where they were found, and all signals as one text."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, Final

import pytest

from emulator.outputs import conversation_response
from tests.support import sdk
from tests.support.agent_runs import MODEL, RunException, prepared
from tests.support.agent_runs import run as run_loop
from tests.support.conversations import read_sync
from tests.support.recording import Recording

TELLING = "xyzzy-telling"


def everything(recording: Recording, records: list[logging.LogRecord]) -> str:
    """All signals as one text."""
    spans = [span.to_json() for span in recording.finished()]
    logs = [record.getMessage() + str(record.exc_info) for record in records]
    events = [repr(vars(record)) for record in recording.logs()]
    return "\n".join([*spans, repr(recording.metrics()), *logs, *events])


def failing(client: Any) -> None:
    """A call that is refused with a body that repeats the input."""
    with pytest.raises(Exception, match=TELLING):
        read_sync(client, "http_400", inputs=f"{TELLING}-input")


Payload = dict[str, Any]
AT: Final = "2026-11-01T12:00:00.000000Z"
TOOL: Final = {"id": "tool_1", "name": "web_search", "output_index": 0}
HANDOFF: Final = {"id": "handoff_1", "output_index": 1}
CALL: Final = {"id": "fc_1", "name": "get_weather", "tool_call_id": "call_1", "output_index": 3}
SAY: Final = {"id": "msg_1", "output_index": 2, "content_index": 0, "role": "assistant",
              "model": MODEL}  # fmt: skip
STARTED: Final = {"type": "conversation.response.started", "conversation_id": "conv_1"}
DONE: Final = {
    "type": "conversation.response.done",
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
}
# SDK 1.8 knows no arguments of tools, and takes no function calls as inputs.
TELLS_CALLS: Final = sdk.VERSION >= (1, 9)


def telling(place: str) -> str:
    """A word that tells where it was found."""
    return f"{TELLING}-{place}"


def arguments(place: str) -> str:
    return json.dumps({telling(f"{place}-key"): telling(place)})


def call() -> Payload:
    return {"type": "function.call.delta", **CALL, "arguments": f'{{"city": "{telling("call")}"}}'}


def rounds() -> list[Payload]:
    """A conversation with the user's words wherever the API may put them."""
    search = arguments("argument")
    handed = {"type": "agent.handoff.done", **HANDOFF, "next_agent_id": "ag_2"}
    say = {"type": "message.output.delta", **SAY}
    link = {"url": f"https://{telling('url')}.example", "description": telling("never-description")}
    found = {"type": "tool_reference", "tool": "web_search", "title": telling("title"), **link}
    return [
        STARTED,
        {"type": "tool.execution.started", **TOOL, "arguments": "" if TELLS_CALLS else search},
        *([{"type": "tool.execution.delta", **TOOL, "arguments": search}] * TELLS_CALLS),
        {"type": "tool.execution.done", **TOOL, "info": {telling("info-key"): telling("info")}},
        {"type": "agent.handoff.started", **HANDOFF, "previous_agent_id": "ag_1",
         "previous_agent_name": "first"},
        {**handed, "next_agent_name": "second"},
        {**say, "content": telling("text")},
        {**say, "content": {"type": "text", "text": telling("chunk")}},
        {**say, "content": found},
        {**say, "content": {"type": "image_url", "image_url": f"https://{telling('image')}.example"}},
        {**say, "content": {"type": "document_url", "document_url": telling("document"),
                            "document_name": telling("name-of-document")}},
        {**say, "content": {"type": "tool_file", "tool": "image_generation", "file_id": "file_1",
                            "file_name": telling("name-of-file")}},
        call(),
        DONE,
    ]  # fmt: skip


# Before 2.0 conversations have no metadata.
METADATA: Final = {"metadata": {telling("never-key"): telling("never-metadata")}}
REQUEST: Final[dict[str, Any]] = {
    "model": MODEL,
    "name": telling("never-conversation"),
    "description": telling("never-description"),
    "instructions": telling("instruction"),
    "tools": [{"type": "function", "function": {
        "name": "get_weather", "description": telling("never-tool"),
        "parameters": {"type": "object", "properties": {telling("never-parameter"): {}}}}}],
    "completion_args": {
        "stop": "END",
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "x", "schema": {"description": telling("never-schema")}}},
    },
    "inputs": [
        {"role": "user", "content": telling("input")},
        {"role": "user", "content": [
            {"type": "text", "text": telling("input-chunk")},
            {"type": "image_url", "image_url": f"https://{telling('input-image')}.example"}]},
        *([{"type": "function.call", "tool_call_id": "call_1", "name": "f",
            "arguments": arguments("input-call")}] * TELLS_CALLS),
        {"type": "function.result", "tool_call_id": "call_1", "result": telling("result")},
    ],
    **(METADATA if sdk.VERSION >= (2,) else {}),
}  # fmt: skip


def asked(client: Any, *, streamed: bool, **changed: Any) -> Any:
    """A start that is full of the user's words; to the end of its stream, if it has one."""
    if not streamed:
        return client.beta.conversations.start(**{**REQUEST, **changed})
    return list(client.beta.conversations.start_stream(**{**REQUEST, **changed}))


def served(*answers: list[Payload], sent: list[Any] | None = None) -> Any:
    """A client whose requests are answered with these events in turn, as a stream or not."""
    left = list(answers)

    def handle(request: Any) -> Any:
        body = json.loads(request.content)
        if sent is not None:
            sent.append(body)
        payloads = [{"created_at": AT, **payload} for payload in left.pop(0)]
        if not body.get("stream"):
            if "code" in payloads[-1]:
                return sdk.httpx.Response(400, json=payloads[-1])
            return sdk.httpx.Response(200, json=conversation_response("conv_1", payloads))
        lines = [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in payloads]
        kind = {"content-type": "text/event-stream"}
        return sdk.httpx.Response(200, text="".join(lines), headers=kind)

    transport = sdk.httpx.MockTransport(handle)
    return sdk.Mistral(
        api_key="key",
        client=sdk.httpx.Client(transport=transport),
        async_client=sdk.httpx.AsyncClient(transport=transport),
    )


ANSWER: Final[list[Payload]] = [
    STARTED,
    {"type": "message.output.delta", **SAY, "content": "a"},
    DONE,
]
BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["response", "stream"])


async def loop(recorded: Callable[..., Any], *, streamed: bool, fails: bool = False) -> None:
    """An agent loop whose function takes and returns the user's words, or raises them."""

    def get_weather(city: str) -> str:
        """Tells the weather."""
        assert city == telling("call")
        recorded()
        if fails:
            raise ValueError(telling("exception"))
        return telling("local-result")

    context = prepared(get_weather, continue_on_fn_error=False)
    client = served([STARTED, call(), DONE], ANSWER)
    try:
        inputs = telling("loop-input")
        await run_loop(client.beta.conversations, context, streamed=streamed, inputs=inputs)
    except RunException:
        assert fails
