# SPDX-License-Identifier: Apache-2.0
"""What the user says, in every form that the SDK takes, as messages of the conventions' schemas."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._content.cleaning import Redactor
from opentelemetry.instrumentation.genai.mistralai._content.messages import (
    completion_content,
    conversation_content,
    input_messages,
    parts_of,
    system_instructions,
    tool_definitions,
)
from opentelemetry.instrumentation.genai.mistralai._content.mode import to_json
from opentelemetry.instrumentation.genai.mistralai._content.structure import structure
from tests.support import names as s
from tests.support.content import (
    plainly,
    strict_json,
    text,
    valid,
)


def said(inputs: object) -> Any:
    return valid(s.INPUT_MESSAGES, input_messages(inputs, plainly))


# An entry or chunk of the SDK: only its fields tell what it is.
chunk = SimpleNamespace
PNG = "data:image/png;base64,iVBORw0K"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"type": "image_url", "image_url": PNG},
         {"type": "omitted_blob", "modality": "image", "size": 6, "mime_type": "image/png"}),
        ({"type": "image_url", "image_url": {"url": PNG + "Ggo="}},
         {"type": "omitted_blob", "modality": "image", "size": 8, "mime_type": "image/png"}),
        (chunk(image_url=chunk(url="https://a.example/b", detail="high")),
         {"type": "uri", "modality": "image", "uri": "https://a.example/b"}),
        ({"document_url": "data:a/b;base64,JVBERi0x"},
         {"type": "omitted_blob", "modality": "document", "size": 6, "mime_type": "a/b"}),
        ({"type": "image_url", "image_url": None}, {"type": "omitted_blob", "modality": "image"}),
        ({"input_audio": "iVBORw0K"}, {"type": "omitted_blob", "modality": "audio", "size": 6}),
        ({"file_id": "f"}, {"type": "file", "modality": "document", "file_id": "f"}),
        ({"file_id": "f", "file_type": "PNG"},
         {"type": "file", "modality": "image", "file_id": "f"}),
        ({"file_id": "f", "file_name": "secret.pdf"},
         {"type": "file", "modality": "document", "file_id": "f", "file_name": "secret.pdf"}),
        ({"document_url": "https://a/d", "document_name": "secret.pdf"},
         {"type": "uri", "modality": "document", "uri": "https://a/d",
          "document_name": "secret.pdf"}),
        ({"type": "reference", "reference_ids": [1, "two", None, True]},
         {"type": "reference", "reference_ids": ["1", "two"]}),
        ({"type": "resource_link", "uri": "file:///a", "metadata": {"title": "T", "size": 7}},
         {"type": "resource_link", "title": "T", "uri": "file:///a"}),
        ({"type": "refusal", "refusal": "I cannot."}, {"type": "text", "content": "I cannot."}),
        # The SDK keeps what it does not know as it came.
        ({"type": "UNKNOWN", "raw": {"type": "new", "title": "T"}, "is_unknown": True},
         {"type": "new", "title": "T"}),
        ({"type": "UNKNOWN", "raw": {"type": "text", "text": "Hello"}, "is_unknown": True},
         {"type": "text", "content": "Hello"}),
        ({"type": "tool_reference", "tool": "t", "title": "T", "url": "https://a", "favicon": "f"},
         {"type": "tool_reference", "tool": "t", "title": "T", "url": "https://a"}),
        ({"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}, {"text": "m."}]},
         {"type": "reasoning", "content": "Hmm."}),
        ({"type": "new_kind", "what": "telling"}, {"type": "new_kind"}),
    ],
)  # fmt: skip
def test_what_is_no_text_is_a_reference_or_a_size_and_never_its_bytes(
    content: Any, part: dict[str, Any]
) -> None:
    message = {"role": "user", "parts": [text("See:"), part]}
    entry = {"role": "user", "content": [{"type": "text", "text": "See:"}, content]}
    assert said([entry]) == [message]
    assert "iVBORw0K" not in str(said([entry]))


@pytest.mark.parametrize(
    "url", ["data:,a://telling", "DATA:a://;,telling", "data:a://;base64,telling"]
)
def test_a_data_url_is_no_reference_whatever_it_looks_like(url: str) -> None:
    (part,) = parts_of({"image_url": url}, plainly)
    assert (part["type"], "telling" in str(part)) == ("omitted_blob", False)


@pytest.mark.parametrize(
    ("inputs", "messages"),
    [
        ("Hello?", [{"role": "user", "parts": [text("Hello?")]}]),
        (({"role": "assistant", "content": "a"},),
         [{"role": "assistant", "parts": [text("a")]}]),
        ([chunk(role="user", content=chunk(text="a"))], [{"role": "user", "parts": [text("a")]}]),
        ([chunk(role="user", content=[chunk(text="a"), "b", None, 7, {"text": ""}])],
         [{"role": "user", "parts": [text("a"), text("b")]}]),
        ([{"type": "function.result", "tool_call_id": "call_1", "result": '{"a": [1, "é"]}'}],
         [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1",
                                      "response": {"a": [1, "é"]}}]}]),
        ([chunk(tool_call_id=None, result="Rain.")],
         [{"role": "tool", "parts": [
             {"type": "tool_call_response", "id": None, "response": "Rain."}]}]),
        *(([{"tool_call_id": "call_1", "name": "f", "arguments": arguments}],
           [{"role": "assistant", "parts": [{"type": "tool_call", "id": "call_1", "name": "f",
                                             "arguments": {"a": 1}}]}])
          for arguments in ('{"a": 1}', {"a": 1})),
        ([chunk(type="tool.execution", id="tool_1", name="web_search", arguments='{"q": 1}',
                info={"n": 3})],
         [{"role": "assistant", "parts": [
             {"type": "server_tool_call", "id": "tool_1", "name": "web_search",
              "server_tool_call": {"type": "web_search", "arguments": {"q": 1}}},
             {"type": "server_tool_call_response", "id": "tool_1",
              "server_tool_call_response": {"type": "web_search", "result": {"n": 3}}}]}]),
        ([{"type": "agent.handoff", "previous_agent_id": "ag_1"}, "a", None, 7, object()], []),
        ([], []), (None, []), (7, []), ({"content": "a"}, []), (b"a", []),
    ],
)  # fmt: skip
def test_inputs_of_all_forms_are_messages(inputs: Any, messages: list[Any]) -> None:
    before = repr(inputs)
    assert (said(inputs), repr(inputs)) == (messages, before)


def test_a_one_shot_generator_is_left_alone() -> None:
    def once() -> Iterator[Any]:
        yield {"role": "user", "content": "a"}

    inputs, tools = once(), once()
    assert (
        conversation_content({"inputs": inputs, "tools": tools}, plainly).structures([], {}) == {}
    )
    assert (len(list(inputs)), len(list(tools))) == (1, 1)


def test_what_the_caller_changes_later_is_not_recorded() -> None:
    arguments = {"q": ["a"]}
    entry: dict[str, Any] = {"tool_call_id": "call_1", "name": "f", "arguments": arguments}
    inputs: list[Any] = [entry, {"role": "user", "content": [{"text": "a"}]}]
    tools = [{"type": "x"}]
    content = conversation_content({"inputs": inputs, "tools": tools}, plainly)
    before = copy.deepcopy(content.structures([], {}))
    arguments["q"].append("b")
    inputs[1]["content"][0]["text"] = "b"
    tools[0]["type"] = "y"
    inputs.clear()
    assert content.structures([], {}) == before


def test_of_tools_only_type_and_name_are_read() -> None:
    function: dict[str, Any] = {
        "name": "f",
        "description": "telling",
        "parameters": {"telling": {}},
    }
    tools: tuple[Any, ...] = (
        {"type": "function", "function": function},
        chunk(type="function", function=chunk(**function)),
        {"function": function},
        function | {"type": "function"},
        {"type": "web_search"},
        {"type": "connector", "connector_id": "gmail", "authorization": "telling"},
        {"type": "document_library", "library_ids": ["telling"]},
        "telling", None, 7,
    )  # fmt: skip
    definitions = valid(s.TOOL_DEFINITIONS, tool_definitions(tools))
    names = [(told["type"], told["name"]) for told in definitions]
    assert {*map(frozenset, definitions)} == {frozenset({"type", "name"})}
    assert names[:4] == [("function", "f")] * 4
    assert names[4:7] == [("web_search",) * 2, ("connector", "gmail"), ("document_library",) * 2]
    assert [tool_definitions(other) for other in (None, 7, "ab", iter(tools))] == [[]] * 4


def test_a_suffix_without_a_prompt_is_a_message_of_its_own() -> None:
    asked = completion_content({"prompt": None, "suffix": "a"}, plainly).structures([], {})
    assert asked == {s.INPUT_MESSAGES: [{"role": "user", "parts": [text("a")]}]}


def test_instructions_are_text_parts() -> None:
    assert valid(s.SYSTEM_INSTRUCTIONS, system_instructions("Be", plainly)) == [text("Be")]
    assert [system_instructions(other, plainly) for other in (None, 7, "")] == [[]] * 3


def test_a_text_that_may_not_be_recorded_is_left_out_wherever_it_is() -> None:
    chunks: list[Any] = ["a", {"text": "b"}, {"thinking": "c"}, {"tool": "d", "type": "t"},
                         {"image_url": "https://a.example"}]  # fmt: skip
    kept = [{"type": "unknown"}, {"type": "uri", "modality": "image", "uri": ""}]
    assert parts_of(chunks, lambda _: None) == kept
    (message,) = input_messages([{"tool_call_id": "call_1", "result": "e"}], lambda _: None)
    assert message["parts"][0]["response"] is None


# JSON inside a text


def test_redact_sees_json_as_it_is_recorded_not_as_it_was_escaped() -> None:
    escaped = json.dumps({"name": "Müller"})
    assert structure(escaped, lambda text: text.replace("Müller", "***")) == {"name": "***"}


@pytest.mark.parametrize("value", ['{"a": "\\ud800"}', '{"\\udfff": 1}'])
def test_half_a_character_that_json_had_escaped_can_still_be_exported(value: str) -> None:
    to_json(structure(value, plainly)).encode()


@pytest.mark.parametrize("value", ['{"a": NaN}', "[Infinity]", "-Infinity", "[1e999]"])
def test_what_is_recorded_is_json_for_every_reader(value: str) -> None:
    strict_json(to_json(structure(value, plainly)))


@pytest.mark.parametrize("value", ["{", "[" * 100_000, '{"a": 1', "é", "9" * 5000])
def test_what_is_no_json_is_recorded_as_the_text_it_is(value: str) -> None:
    assert structure(value, plainly) == value


def test_a_call_without_arguments_has_none() -> None:
    none: dict[str, Any] = {}
    assert structure("{}", plainly) == structure(none, plainly) == {}


def test_a_resource_brings_what_is_inside() -> None:
    chunk = {"type": "resource", "uri": "file:///a", "content": {"type": "text", "text": "Hello"}}
    parts = said([{"role": "user", "content": [chunk]}])[0]["parts"]
    assert parts == [{"type": "resource", "uri": "file:///a"}, text("Hello")]


def test_a_resource_inside_resources_without_end_costs_only_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chunk: dict[str, Any] = {"uri": "a"}
    chunk["content"] = chunk
    with caplog.at_level("CRITICAL"):
        messages = input_messages([{"role": "user", "content": [chunk, "Hello"]}], plainly)
    assert messages[0]["parts"][-1] == text("Hello")


@pytest.mark.parametrize(
    "chunk",
    [
        {"file_id": "f", "file_name": "SECRET"},
        {"document_url": "https://a", "document_name": "SECRET"},
        {"type": "refusal", "refusal": "SECRET"},
        {"type": "resource", "uri": "file:///SECRET"},
        {"type": "resource", "uri": "file:///%53ECRET"},
        {"type": "resource", "uri": "a", "content": {"type": "text", "text": "SECRET"}},
        {"type": "resource_link", "uri": "a", "metadata": {"title": "SECRET"}},
        {"type": "reference", "reference_ids": ["SECRET"]},
        {"type": "UNKNOWN", "raw": {"type": "new", "title": "SECRET"}},
    ],
)
def test_redact_sees_every_name_and_address_of_a_chunk(chunk: Any) -> None:
    def redact(known: str) -> str | None:
        return None if "SECRET" in known else known

    messages = input_messages([{"role": "user", "content": [chunk]}], Redactor(redact))
    assert "ECRET" not in str(messages)
