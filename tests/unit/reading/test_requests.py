# SPDX-License-Identifier: Apache-2.0
"""What a request says before it is sent, and where to; reading it takes nothing from the caller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._reading.create_agent import create_agent_request
from opentelemetry.instrumentation.genai.mistralai._reading.requests import (
    Request,
    locate,
    model_request,
    start_request,
)
from opentelemetry.instrumentation.genai.mistralai._reading.searches import search_request
from opentelemetry.instrumentation.genai.mistralai._reading.turns import (
    append_request,
    follow,
    restart_request,
)
from tests.support import names as s
from tests.support.fake_events import UNSET
from tests.support.fakes import typed

CHAT = {s.OPERATION_NAME: "chat", s.PROVIDER_NAME: "mistral_ai"}
AGENT = {s.OPERATION_NAME: "invoke_agent", s.PROVIDER_NAME: "mistral_ai"}
UNUSABLE = [None, UNSET, "", 7, b"model", ["model"], object()]
NOBODY = (None, None, None)


def said(request: Request) -> tuple[str, dict[str, Any], tuple[str | None, ...]]:
    """Span name, attributes, and model, agent and conversation."""
    assert request.operation == request.attributes[s.OPERATION_NAME]
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
    attributes = {**CHAT, s.REQUEST_MODEL: "m"}
    assert said(request) == ("chat m", attributes, ("m", None, None))


def test_a_start_with_an_agent_invokes_it_and_no_name_is_made_up() -> None:
    request = start_request({"agent_id": "ag_1", "agent_version": 3})
    attributes = {**AGENT, s.AGENT_ID: "ag_1", s.AGENT_VERSION: "3"}
    assert said(request) == ("invoke_agent", attributes, (None, "ag_1", None))


@pytest.mark.parametrize(
    ("version", "recorded"),
    [("prod", {s.AGENT_VERSION: "prod"}), (0, {s.AGENT_VERSION: "0"})]
    + [(unusable, dict[str, str]()) for unusable in (None, UNSET, "", 1.5)],
)
def test_an_agent_version_is_recorded_as_text(version: object, recorded: dict[str, str]) -> None:
    request = start_request({"agent_id": "ag_1", "agent_version": version})
    assert request.attributes == {**AGENT, s.AGENT_ID: "ag_1", **recorded}


@pytest.mark.parametrize("name", [None, UNSET, "", 7])
def test_a_new_agent_without_a_name_is_not_named_after_its_model(name: object) -> None:
    request = create_agent_request({"model": "m", "name": name})
    attributes = {**CHAT, s.OPERATION_NAME: "create_agent", s.REQUEST_MODEL: "m"}
    assert said(request) == ("create_agent", attributes, ("m", None, None))


@pytest.mark.parametrize("unusable", [None, UNSET, "", 7, ["docs"]])
def test_a_search_of_what_is_no_index_is_named_after_nothing(unusable: object) -> None:
    request = search_request({"index_name": unusable, "retriever": unusable})
    assert said(request) == ("retrieval", {**CHAT, s.OPERATION_NAME: "retrieval"}, NOBODY)
    assert request.measured == "timed"


@pytest.mark.parametrize(
    ("top_k", "known"), [(5, 5), ("5", 5), (5.0, 5), (None, None), ("x", None)]
)
def test_how_many_a_search_may_find_has_its_old_name_and_its_new_one(
    top_k: object, known: int | None
) -> None:
    names = (s.REQUEST_TOP_K, s.RETRIEVAL_TOP_K)
    request = search_request({"index_name": "docs", "retriever": {"top_k": top_k}})
    limits = {} if known is None else dict.fromkeys(names, known)
    asked = {s.OPERATION_NAME: "retrieval", s.DATA_SOURCE_ID: "docs"}
    assert typed(request.attributes) == typed({**CHAT, **asked, **limits})


def test_the_top_k_of_a_chat_is_the_setting_alone() -> None:
    request = model_request("chat", {"top_k": 40})
    assert typed(request.attributes) == typed({**CHAT, s.REQUEST_TOP_K: 40})


def test_a_model_that_is_an_enum_is_its_value() -> None:
    request = start_request({"model": Model.SMALL})
    attributes = {**CHAT, s.REQUEST_MODEL: "mistral-small-latest"}
    assert typed(request.attributes) == typed(attributes)
    assert request.span_name == "chat mistral-small-latest"


def test_an_append_is_a_chat_until_the_response_says_more() -> None:
    request = append_request({"conversation_id": "conv_1"})
    attributes = {**CHAT, s.CONVERSATION_ID: "conv_1"}
    assert said(request) == ("chat", attributes, (None, None, "conv_1"))


def test_an_append_takes_from_the_turn_before_the_operation_and_nothing_else() -> None:
    request = append_request({"conversation_id": "conv_1"})
    assert request.continues == "conv_1"
    follow(request, "invoke_agent", None)
    attributes = {**AGENT, s.CONVERSATION_ID: "conv_1"}
    assert said(request) == ("invoke_agent", attributes, (None, None, "conv_1"))
    request = append_request({"conversation_id": "conv_2"})
    follow(request, None, None)
    assert said(request) == (
        "chat",
        {**CHAT, s.CONVERSATION_ID: "conv_2"},
        (None, None, "conv_2"),
    )


def test_a_restart_names_where_it_comes_from_since_the_api_answers_with_a_new_conversation() -> (
    None
):
    request = restart_request({"conversation_id": "conv_1", "agent_version": "prod"})
    follow(request, "invoke_agent", None)
    attributes = {**AGENT, s.AGENT_VERSION: "prod"}
    attributes[s.RESTARTED_FROM] = "conv_1"
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
            s.REQUEST_TEMPERATURE: 1.0,
            s.REQUEST_TOP_P: 0.5,
            s.REQUEST_MAX_TOKENS: 64,
            s.REQUEST_FREQUENCY_PENALTY: -0.5,
            s.REQUEST_PRESENCE_PENALTY: 0.0,
            s.REQUEST_STOP_SEQUENCES: ["END", "STOP"],
            s.REQUEST_SEED: 0,
            s.REQUEST_REASONING_LEVEL: "high",
            s.OUTPUT_TYPE: "json",
            s.REQUEST_TOP_K: 40,
            s.REQUEST_TOOL_CHOICE: "any",
            s.REQUEST_PARALLEL_TOOL_CALLS: False,
            s.REQUEST_PROMPT_MODE: "reasoning",
            s.REQUEST_PROMPT_CACHE_KEY: "tenant-7",
            s.REQUEST_SAFE_PROMPT: True,
            s.REQUEST_SERVICE_TIER: "standard_only",
        }
    )


def test_the_settings_beside_the_arguments_of_the_completion_are_recorded_too() -> None:
    library = {"type": "document_library", "library_ids": ["lib_1"]}
    args = {"temperature": 0.5}
    request = start_request({"tools": [library], "agent_version": 2, "completion_args": args})
    expected = {**CHAT, s.AGENT_VERSION: "2", s.DATA_SOURCE_ID: "lib_1"}
    assert request.attributes == {**expected, s.REQUEST_TEMPERATURE: 0.5}


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
        (CompletionArgs(temperature=0.3), s.REQUEST_TEMPERATURE, 0.3),
        (CompletionArgs(stop="END"), s.REQUEST_STOP_SEQUENCES, ["END"]),
        ({"stop": ("END", "STOP")}, s.REQUEST_STOP_SEQUENCES, ["END", "STOP"]),
        (CompletionArgs(response_format=ResponseFormat()), s.OUTPUT_TYPE, "text"),
        ({"response_format": {"type": "json_object"}}, s.OUTPUT_TYPE, "json"),
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
    expected = {} if told is None else {s.REQUEST_TOOL_CHOICE: told}
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
    expected = {} if told is None else {s.DATA_SOURCE_ID: told}
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
    expected = {} if told is None else {s.CONVERSATION_ID: told}
    assert request.attributes == {**CHAT, **expected}


class Sdk:
    """An SDK object, configured for a server."""

    def __init__(self, url: str) -> None:
        self.sdk_configuration = self
        self._url = url

    def get_server_details(self) -> tuple[str, dict[str, str]]:
        return self._url, {}


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://api.mistral.ai", ("api.mistral.ai", 443)),
        ("http://127.0.0.1:8080/v1", ("127.0.0.1", 8080)),
        ("http://[::1]", ("::1", 80)),
        ("https://user:secret@Proxy.Example:8443/x?key=secret", ("proxy.example", 8443)),
        ("unix:/run/socket", (None, None)),
        # Half a surrogate pair cannot be encoded.
        ("http://a\ud800b", ("a?b", 80)),
        ("", (None, None)),
    ],
)
def test_the_server_is_host_and_port_and_no_secret(
    url: str, server: tuple[str | None, int | None]
) -> None:
    assert server_of(Sdk(url), {}) == server
    assert server_of(Sdk("https://other"), {"server_url": url}) == server


def server_of(sdk: object, kwargs: dict[str, object]) -> tuple[str | None, int | None]:
    """Where a request is found to go; the attributes say the same."""
    request = Request("chat", {})
    locate(request, sdk, kwargs)
    address, port, provider = request.server
    assert provider == "mistral_ai"
    found = {s.SERVER_ADDRESS: address, s.SERVER_PORT: port}
    assert request.attributes == {key: value for key, value in found.items() if value is not None}
    return address, port


def test_a_server_that_cannot_be_known_leaves_the_call_without_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert server_of(object(), {}) == (None, None)
    assert len(caplog.records) <= 1


@pytest.mark.parametrize("url", [None, UNSET])
def test_a_server_url_that_was_not_sent_leaves_the_clients(url: object) -> None:
    assert server_of(Sdk("http://client:1"), {"server_url": url}) == ("client", 1)
