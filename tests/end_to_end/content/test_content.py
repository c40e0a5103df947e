# SPDX-License-Identifier: Apache-2.0
"""What is said in a conversation, on its spans: whole, streamed or not, and the call unchanged."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument
from opentelemetry.instrumentation.genai.mistralai._recording.capturing import Capture
from tests.support import sdk
from tests.support.content import (
    INPUT,
    INSTRUCTIONS,
    OUTPUT,
    TOOLS,
    content,
    text,
)
from tests.support.conversation_spans import family
from tests.support.conversations import (
    Run,
    ask_sync,
    read_async,
    read_sync,
    with_defaults,
)
from tests.support.recording import Recording
from tests.support.said import (
    ASKS,
    BLOB,
    HELLO,
    SAID,
    answer,
    models,
    skip_if_unknown,
)


@pytest.fixture(autouse=True)
def capture(recording: Recording) -> Recording:
    instrument(capture_content="span_only")
    return recording


@ASKS
@pytest.mark.parametrize("scenario", SAID)
def test_an_answer_is_one_message_and_the_same_streamed_or_not(
    client: Any, ask: Run, recording: Recording, scenario: str
) -> None:
    skip_if_unknown(scenario, streamed=ask in (read_sync, read_async))
    ask(client, scenario, **({"agent_id": "ag_1"} if scenario == "handoff_chain" else {}))
    span, _ = family(recording)
    assert content(span) == {INPUT: HELLO, OUTPUT: [SAID[scenario]]}


@pytest.mark.parametrize("leaving", ["with", "close", "drop"])
def test_what_was_said_until_the_caller_left_is_recorded(
    client: Any, recording: Recording, leaving: str
) -> None:
    stream = client.beta.conversations.start_stream(**with_defaults("answer", {}))
    if leaving == "with":
        with stream:
            assert [next(stream), next(stream)]
    else:
        assert [next(stream), next(stream)]
        # In older lines there is no close().
        (stream if sdk.STREAM_HAS_CLOSE else stream.generator).close() if leaving == "close" else 0
    del stream
    (span,) = recording.spans()
    assert content(span) == {INPUT: HELLO, OUTPUT: [answer("", text("A stream"))]}


@pytest.mark.parametrize("scenario", ["cut", "error_event"])
def test_what_was_said_until_it_failed_is_recorded(
    client: Any, run: Run, recording: Recording, scenario: str
) -> None:
    with contextlib.suppress(sdk.httpx.RemoteProtocolError):
        run(client, scenario)
    left = {INPUT: HELLO, OUTPUT: [answer("error", text("Hello wor"))]}
    assert content(recording.the_span()) == left


@ASKS
def test_where_nothing_was_answered_only_the_question_is_recorded(
    client: Any, ask: Run, recording: Recording
) -> None:
    with pytest.raises(Exception, match="Value error"):
        ask(client, "http_422")
    assert content(recording.the_span()) == {INPUT: HELLO}


# What the caller sends

FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}}
RESULT_PART = {"type": "tool_call_response", "id": "call_1", "response": {"rain": True}}
RESULT_ENTRY = {"type": "function.result", "tool_call_id": "call_1", "result": '{"rain": true}'}
INPUTS: list[tuple[Any, Any]] = [
    ([{"role": "user", "content": "Hello?"}], HELLO),
    (({"role": "user", "content": [{"type": "text", "text": "Hello?"}]},), HELLO),
    ([models.MessageInputEntry(role="user", content="Hello?")], HELLO),
    ([models.MessageInputEntry(role="user", content=[models.TextChunk(text="Hello?"),
      models.ImageURLChunk(image_url="data:image/png;base64,iVBORw0KGgo=")])],
     [{"role": "user", "parts": [text("Hello?"), BLOB]}]),
    ([RESULT_ENTRY], [{"role": "tool", "parts": [RESULT_PART]}]),
    ([models.FunctionResultEntry(tool_call_id="call_1", result='{"rain": true}')],
     [{"role": "tool", "parts": [RESULT_PART]}]),
]  # fmt: skip


@pytest.mark.parametrize("ask", [read_sync, ask_sync])
@pytest.mark.parametrize("number", range(len(INPUTS)))
def test_inputs_are_recorded_in_every_form_and_not_changed(
    client: Any, ask: Run, recording: Recording, number: int
) -> None:
    sent, said = INPUTS[number]
    before = copy.deepcopy(sent)
    tools: list[Any] = [{"type": "function", "function": dict(FUNCTION)}, {"type": "web_search"}]
    ask(client, "answer", inputs=sent, tools=tools, instructions="Be brief.")
    told = {INSTRUCTIONS: [text("Be brief.")], OUTPUT: [SAID["answer"]]}
    names = [{"type": "function", "name": "f"}, {"type": "web_search", "name": "web_search"}]
    assert content(recording.the_span()) == {INPUT: said, TOOLS: names, **told}
    assert sent == before
    assert tools == [{"type": "function", "function": FUNCTION}, {"type": "web_search"}]


@ASKS
def test_turns_that_follow_are_recorded_too(client: Any, recording: Recording, ask: Any) -> None:
    suffix = "_stream" if ask in (read_sync, read_async) else ""
    known = {"conversation_id": ask_sync(client, "answer").conversation_id}
    ask(client, "answer", f"append{suffix}", **known, inputs=[RESULT_ENTRY])
    ask(client, "answer", f"restart{suffix}", **known, from_entry_id="e1")
    said = {OUTPUT: [SAID["answer"]]}
    asked = [HELLO, [{"role": "tool", "parts": [RESULT_PART]}], HELLO]
    assert [content(span) for span in recording.spans()] == [{INPUT: a, **said} for a in asked]


@ASKS
def test_a_one_shot_generator_reaches_the_server_whole(
    emulator: Emulator, client: Any, ask: Run, recording: Recording
) -> None:
    def once() -> Iterator[Any]:
        yield {"role": "user", "content": "a"}
        yield {"role": "user", "content": "b"}

    ask(client, "answer", inputs=once())
    (request,) = emulator.requests
    assert [entry["content"] for entry in request.body["inputs"]] == ["a", "b"]
    assert content(recording.the_span()) == {OUTPUT: [SAID["answer"]]}


def test_the_caller_gets_the_events_that_were_read_and_may_change_its_arguments(
    client: Any, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    original = Capture.keep

    def see(own: Capture, event: Any) -> None:
        seen.append(event)
        original(own, event)

    monkeypatch.setattr(Capture, "keep", see)
    inputs: list[Any] = [{"role": "user", "content": "Hello?"}]
    stream = client.beta.conversations.start_stream(**with_defaults("answer", {"inputs": inputs}))
    inputs[0]["content"] = "changed"
    inputs.append("changed")
    events = list(stream)
    assert list(map(id, events)) == list(map(id, seen))
    assert content(recording.the_span()) == {INPUT: HELLO, OUTPUT: [SAID["answer"]]}
