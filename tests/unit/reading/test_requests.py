# SPDX-License-Identifier: Apache-2.0
"""What a request says before it is sent, and that reading it takes nothing from the caller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._reading.agents import create_agent_request
from opentelemetry.instrumentation.genai.mistralai._reading.requests import (
    Request,
    append_request,
    model_request,
    restart_request,
    start_request,
)
from tests.support.fake_events import UNSET
from tests.support.fakes import typed

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "mistral_ai"}
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": "mistral_ai"}
UNUSABLE = [None, UNSET, "", 7, b"model", ["model"], object()]
NOBODY = (None, None, None)


def said(request: Request) -> tuple[str, dict[str, Any], tuple[str | None, ...]]:
    """Span name, attributes, and model, agent and conversation."""
    assert request.operation == request.attributes["gen_ai.operation.name"]
    who = (request.model, request.agent_id, request.conversation_id)
    return request.span_name, request.attributes, who


class Model(str, Enum):
    SMALL = "mistral-small-latest"


@dataclass
class CompletionArgs:
    """The SDK's model, whose unsent fields are not None."""

    temperature: Any = UNSET
    top_p: Any = UNSET
    max_tokens: Any = UNSET
    stop: Any = UNSET
    response_format: Any = UNSET


@dataclass
class ResponseFormat:
    type: Any = "text"


def one_shot() -> Iterator[str]:
    """An iterator that fails whoever iterates it before the SDK does."""
    raise AssertionError("iterated")
    yield ""


@pytest.mark.parametrize("unusable", UNUSABLE)
def test_a_model_that_is_no_text_is_not_known(unusable: object) -> None:
    request = start_request({"model": unusable, "agent_id": unusable})
    assert said(request) == ("chat", CHAT, NOBODY)


@pytest.mark.parametrize("unusable", UNUSABLE)
@pytest.mark.parametrize("read", [append_request, restart_request])
def test_a_conversation_id_that_is_no_text_is_not_known(read: Any, unusable: object) -> None:
    assert said(read({"conversation_id": unusable})) == ("chat", CHAT, NOBODY)


@pytest.mark.parametrize("read", [start_request, append_request, restart_request])
def test_nothing_of_the_callers_is_iterated(read: Any) -> None:
    kwargs: dict[str, object] = dict.fromkeys(("inputs", "tools", "metadata"), one_shot())
    kwargs["completion_args"] = {"stop": one_shot(), "response_format": one_shot()}
    assert said(read(kwargs)) == ("chat", CHAT, NOBODY)


def test_a_start_with_a_model_is_a_chat() -> None:
    request = start_request({"model": "m", "inputs": "the user's words", "description": "more"})
    attributes = {**CHAT, "gen_ai.request.model": "m"}
    assert said(request) == ("chat m", attributes, ("m", None, None))


def test_a_start_with_an_agent_invokes_it_and_no_name_is_made_up() -> None:
    request = start_request({"agent_id": "ag_1", "agent_version": 3})
    attributes = {**AGENT, "gen_ai.agent.id": "ag_1", "gen_ai.agent.version": "3"}
    assert said(request) == ("invoke_agent", attributes, (None, "ag_1", None))


@pytest.mark.parametrize(
    ("version", "recorded"),
    [("prod", {"gen_ai.agent.version": "prod"}), (0, {"gen_ai.agent.version": "0"})]
    + [(unusable, dict[str, str]()) for unusable in (None, UNSET, "", 1.5)],
)
def test_an_agent_version_is_recorded_as_text(version: object, recorded: dict[str, str]) -> None:
    request = start_request({"agent_id": "ag_1", "agent_version": version})
    assert request.attributes == {**AGENT, "gen_ai.agent.id": "ag_1", **recorded}


@pytest.mark.parametrize("name", [None, UNSET, "", 7])
def test_a_new_agent_without_a_name_is_not_named_after_its_model(name: object) -> None:
    request = create_agent_request({"model": "m", "name": name})
    attributes = {**CHAT, "gen_ai.operation.name": "create_agent", "gen_ai.request.model": "m"}
    assert said(request) == ("create_agent", attributes, ("m", None, None))


def test_a_model_that_is_an_enum_is_its_value() -> None:
    request = start_request({"model": Model.SMALL})
    attributes = {**CHAT, "gen_ai.request.model": "mistral-small-latest"}
    assert typed(request.attributes) == typed(attributes)
    assert request.span_name == "chat mistral-small-latest"


def test_an_append_is_a_chat_until_the_response_says_more() -> None:
    request = append_request({"conversation_id": "conv_1"})
    attributes = {**CHAT, "gen_ai.conversation.id": "conv_1"}
    assert said(request) == ("chat", attributes, (None, None, "conv_1"))


def test_an_append_takes_from_the_turn_before_the_operation_and_nothing_else() -> None:
    request = append_request({"conversation_id": "conv_1"})
    assert request.continues == "conv_1"
    request.follow("invoke_agent", None)
    attributes = {**AGENT, "gen_ai.conversation.id": "conv_1"}
    assert said(request) == ("invoke_agent", attributes, (None, None, "conv_1"))
    request = append_request({"conversation_id": "conv_2"})
    request.follow(None, None)
    assert said(request) == (
        "chat",
        {**CHAT, "gen_ai.conversation.id": "conv_2"},
        (None, None, "conv_2"),
    )


def test_a_restart_names_where_it_comes_from_since_the_api_answers_with_a_new_conversation() -> (
    None
):
    request = restart_request({"conversation_id": "conv_1", "agent_version": "prod"})
    request.follow("invoke_agent", None)
    attributes = {**AGENT, "gen_ai.agent.version": "prod"}
    attributes["mistral_ai.conversation.restarted_from"] = "conv_1"
    assert said(request) == ("invoke_agent", attributes, NOBODY)


SETTINGS = {
    "temperature": 1,
    "top_p": 0.5,
    "max_tokens": 64,
    "frequency_penalty": -0.5,
    "presence_penalty": 0.0,
    "stop": ["END", "STOP"],
    "random_seed": 0,
    "reasoning_effort": "high",
    "response_format": {"type": "json_schema", "json_schema": {"name": "the user's words"}},
    "prediction": "the user's words",
    "top_k": 40,
    "tool_choice": "any",
    "parallel_tool_calls": False,
    "prompt_mode": "reasoning",
    "prompt_cache_key": "tenant-7",
    "safe_prompt": True,
    "service_tier": "standard_only",
}


@pytest.mark.parametrize("read", [start_request, append_request, restart_request])
def test_every_setting_is_recorded_with_its_type(read: Any) -> None:
    assert typed(read({"completion_args": SETTINGS}).attributes) == typed(
        {
            **CHAT,
            "gen_ai.request.temperature": 1.0,
            "gen_ai.request.top_p": 0.5,
            "gen_ai.request.max_tokens": 64,
            "gen_ai.request.frequency_penalty": -0.5,
            "gen_ai.request.presence_penalty": 0.0,
            "gen_ai.request.stop_sequences": ["END", "STOP"],
            "gen_ai.request.seed": 0,
            "gen_ai.request.reasoning.level": "high",
            "gen_ai.output.type": "json",
            "gen_ai.request.top_k": 40,
            "mistral_ai.request.tool_choice": "any",
            "mistral_ai.request.parallel_tool_calls": False,
            "mistral_ai.request.prompt_mode": "reasoning",
            "mistral_ai.request.prompt_cache_key": "tenant-7",
            "mistral_ai.request.safe_prompt": True,
            "mistral_ai.request.service_tier": "standard_only",
        }
    )


def test_the_settings_beside_the_arguments_of_the_completion_are_recorded_too() -> None:
    library = {"type": "document_library", "library_ids": ["lib_1"]}
    args = {"temperature": 0.5}
    request = start_request({"tools": [library], "agent_version": 2, "completion_args": args})
    expected = {**CHAT, "gen_ai.agent.version": "2", "gen_ai.data_source.id": "lib_1"}
    assert request.attributes == {**expected, "gen_ai.request.temperature": 0.5}


@pytest.mark.parametrize("settings", [None, UNSET, {}, [], 7, "temperature", CompletionArgs()])
def test_settings_that_were_not_sent_are_not_recorded(settings: object) -> None:
    assert said(start_request({"completion_args": settings})) == ("chat", CHAT, NOBODY)


@pytest.mark.parametrize("field", SETTINGS)
@pytest.mark.parametrize("unusable", [None, UNSET, b"x", {"x": 1}, object()])
def test_a_setting_of_the_wrong_type_is_not_recorded(field: str, unusable: object) -> None:
    request = start_request({"completion_args": {field: unusable}})
    assert said(request) == ("chat", CHAT, NOBODY)


@pytest.mark.parametrize(
    ("settings", "key", "value"),
    [
        (CompletionArgs(temperature=0.3), "gen_ai.request.temperature", 0.3),
        (CompletionArgs(stop="END"), "gen_ai.request.stop_sequences", ["END"]),
        ({"stop": ("END", "STOP")}, "gen_ai.request.stop_sequences", ["END", "STOP"]),
        (CompletionArgs(response_format=ResponseFormat()), "gen_ai.output.type", "text"),
        ({"response_format": {"type": "json_object"}}, "gen_ai.output.type", "json"),
    ],
)
def test_settings_may_be_the_sdks_model_or_a_dict(settings: Any, key: str, value: object) -> None:
    request = start_request({"completion_args": settings})
    assert typed(request.attributes) == typed({**CHAT, key: value})


class FunctionName:
    def __init__(self) -> None:
        self.name = "add"


class ToolChoice:
    def __init__(self) -> None:
        self.function = FunctionName()
        self.type = "function"


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("none", "none"),
        ("a" * 300, "a" * 255 + "…"),
        ({"type": "function", "function": {"name": "add"}}, "add"),
        (ToolChoice(), "add"),
        # The Responses API has the name one level up.
        ({"type": "function", "name": "add"}, "add"),
        ({"type": "function", "function": "add"}, None),
        ({}, None),
        (["auto"], None),
        (7, None),
        (UNSET, None),
    ],
)
def test_a_choice_of_tools_is_its_word_or_the_functions_name(choice: object, told: object) -> None:
    request = model_request("chat", {"tool_choice": choice})
    expected = {} if told is None else {"mistral_ai.request.tool_choice": told}
    assert request.attributes == {**CHAT, **expected}


class Library:
    def __init__(self, ids: object) -> None:
        self.library_ids = ids
        self.TYPE = "document_library"


def endless() -> Any:
    raise AssertionError("a generator of the caller's was read")
    yield


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        ([{"type": "web_search"}], None),
        ([{"type": "document_library", "library_ids": ["lib_1"]}], "lib_1"),
        ((Library(["lib_1", "lib_2"]), {"library_ids": ("lib_2", "lib_3")}), "lib_1,lib_2,lib_3"),
        ([Library(["l" * 200, "m" * 200])], "l" * 200 + "," + "m" * 54 + "…"),
        ([Library([7, None, ""])], None),
        ([Library("lib_1")], None),
        ([Library(endless())], None),
        (endless(), None),
        ([None, 7, "lib"], None),
        (UNSET, None),
    ],
)
def test_the_document_libraries_among_the_tools_are_a_data_source(
    tools: object, told: object
) -> None:
    request = start_request({"tools": tools})
    expected = {} if told is None else {"gen_ai.data_source.id": told}
    assert request.attributes == {**CHAT, **expected}


@pytest.mark.parametrize(
    ("conversation", "told"),
    [
        ("conv_1", "conv_1"),
        ({"id": "conv_1"}, "conv_1"),
        ("c" * 300, "c" * 255 + "…"),
        ({"id": 7}, None),
        (UNSET, None),
        (None, None),
    ],
)
def test_a_request_of_the_responses_api_may_name_its_conversation(
    conversation: object, told: object
) -> None:
    request = model_request("chat", {"conversation": conversation})
    expected = {} if told is None else {"gen_ai.conversation.id": told}
    assert request.attributes == {**CHAT, **expected}
