# SPDX-License-Identifier: Apache-2.0
"""What is said in a conversation, on its spans: whole, streamed or not, and the call unchanged."""

from __future__ import annotations

import contextlib
import copy
import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument
from opentelemetry.instrumentation.genai.mistralai._recording.capturing import Capture
from tests.end_to_end.conftest import Run, read_async, read_sync, with_defaults
from tests.end_to_end.conversations.test_function_calls import ask_async, ask_sync
from tests.end_to_end.conversations.test_tools import family
from tests.support import sdk
from tests.support.recording import Recording
from tests.unit.content.test_messages import CONTENT, strict_json, text, valid

models: Any = importlib.import_module(f"{sdk.ROOT}.models")
# SDK 1.8 knows neither thinking nor what a tool was given.
THINKS = hasattr(models, "ThinkChunk")
TELLS_ARGUMENTS = "arguments" in models.ToolExecutionStartedEvent.model_fields
INPUT, OUTPUT, INSTRUCTIONS, TOOLS = CONTENT
ASKS = pytest.mark.parametrize(
    "ask",
    [read_sync, read_async, ask_sync, ask_async],
    ids=["stream", "stream_async", "response", "response_async"],
)
HELLO = [{"role": "user", "parts": [text("Hello?")]}]


@pytest.fixture(autouse=True)
def capture(recording: Recording) -> Recording:
    instrument(capture_content="span_only")
    return recording


def content(span: Any) -> dict[str, Any]:
    """The content on a span, each value as its schema says."""
    attributes: dict[str, Any] = dict(span.attributes)
    found = {key: attributes[key] for key in CONTENT if key in attributes}
    return {key: valid(key, strict_json(value)) for key, value in found.items()}


def answer(finish_reason: str, *parts: dict[str, Any]) -> dict[str, Any]:
    """A message, which has no finish reason where the caller left."""
    said = {"role": "assistant", "parts": list(parts)}
    return {**said, "finish_reason": finish_reason} if finish_reason else said


def call(name: str, arguments: Any, number: int = 1) -> dict[str, Any]:
    return {"type": "tool_call", "id": f"call_{number}", "name": name, "arguments": arguments}


def tool(name: str, arguments: Any, result: Any, number: int = 1) -> list[dict[str, Any]]:
    kind, step = "server_tool_call_response", f"tool_{number}"
    called = {"type": name, "arguments": arguments if TELLS_ARGUMENTS else ""}
    return [
        {"type": "server_tool_call", "id": step, "name": name, "server_tool_call": called},
        {"type": kind, "id": step, kind: {"type": name, "result": result}},
    ]


def reference(title: str, url: str) -> dict[str, Any]:
    return {"type": "tool_reference", "tool": "web_search", "title": title, "url": url}


QUERY = {"query": "OpenTelemetry semantic conventions for generative AI"}
DOCUMENTS = [
    {"document_id": "doc_1", "title": "Handbook", "text": "Thirty days a year."},
    {"document_id": "doc_2", "title": "Calendar", "text": "Closed in August."},
]
IMAGE = {"type": "uri", "modality": "image", "uri": "https://example.com/circle.png"}
BLOB = {"type": "omitted_blob", "modality": "image", "size": 8, "mime_type": "image/png"}
PDF = {"type": "uri", "modality": "document", "uri": "https://example.com/circles.pdf"}
CIRCLES = reference("Circles", "https://example.com/circles")
SAID: dict[str, dict[str, Any]] = {
    "answer": answer("stop", text(
        "A stream of events becomes one span: it starts with the request, it ends with the last"
        " event, and it tells how many tokens the answer took.")),
    "function_call": answer("tool_call", call("get_weather", {"city": "Paris"})),
    "functions_confirmation": answer("tool_call", call("delete_files", {"path": "/tmp"})),  # noqa: S108
    "functions_parallel": answer("tool_call", call("get_weather", {"city": "Paris"}),
                                 call("get_time", {"zone": "Europe/Paris"}, 2)),
    "tools_interleaved": answer(
        "stop", *tool("web_search", {"query": "spans"}, {"results": 3}),
        *tool("code_interpreter", {"code": "6 * 7"}, {"code_output": "42"}, 2),
        text("Both tools are done.")),
    "tool_document_library": answer(
        "stop", *tool("document_library", {"query": "holidays", "library_id": "lib_1"},
                      {"results": DOCUMENTS}), text("Thirty days.")),
    "web_search": answer(
        "stop", *tool("web_search", QUERY, {"results": 3}),
        text("The conventions name the spans and the attributes"),
        reference("Semantic conventions for generative AI",
                  "https://opentelemetry.io/docs/specs/semconv/gen-ai/"),
        text(" of a generative AI call.")),
    "handoff_chain": answer(
        "stop", *tool("web_search", {"query": "spans"}, {"results": 3}),
        *tool("code_interpreter", {"code": "1 + 1"}, {"code_output": "2"}, 2),
        text("The writer answers.")),
    "thinking": answer("stop", {"type": "reasoning", "content": "Let me think about it."},
                       text("Hello")),
    "content_mixed": answer(
        "stop", {"type": "reasoning", "content": "Let me draw what I found."},
        CIRCLES, text("A circle is round"), CIRCLES, IMAGE,
        BLOB, PDF, {"type": "file", "modality": "image", "file_id": "file_1"},
        text(", as you see.")),
}  # fmt: skip


def skip_if_unknown(scenario: str, *, streamed: bool) -> None:
    """Skips what this line of the SDK cannot read."""
    knows = {"thinking": THINKS, "content_mixed": sdk.VERSION >= (2,)}
    if not knows.get(scenario, True):
        pytest.skip(f"mistralai {sdk.VERSION} has no model of the chunks of {scenario}")
    deltas = scenario in ("tools_interleaved", "tool_document_library")
    if deltas and streamed and not TELLS_ARGUMENTS:
        pytest.skip(f"mistralai {sdk.VERSION} drops the arguments that a tool's deltas bring")


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
