# SPDX-License-Identifier: Apache-2.0
"""Whole spans of chat, agents and fill-in-the-middle, streamed and not, sync and async."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from opentelemetry import trace

from emulator import Emulator
from tests.support import names as s
from tests.support import sdk
from tests.support.completions import (
    BOTH,
    KEEPS_EXTRA_USAGE,
    METHODS,
    MODEL,
    Ask,
    City,
    answered,
    arguments,
    ask_sync,
    assert_is,
    place,
    usage,
    whole,
)
from tests.support.fakes import typed
from tests.support.recording import Recording, Span


@BOTH
@pytest.mark.parametrize("kind", ["complete", "stream"])
def test_a_chat_with_every_setting(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, kind: str
) -> None:
    settings: dict[str, Any] = {
        "temperature": 0, "top_p": 0.9, "max_tokens": 100, "stop": "END", "random_seed": 7,
        "presence_penalty": 0.5, "frequency_penalty": 1, "n": 2,
        "response_format": {"type": "json_object"},
    }  # fmt: skip
    told = {} if sdk.VERSION < (2, 4) else {"reasoning_effort": "high"}  # none to set before
    ask(client, f"chat.{kind}", "chat_choices", **settings, **told)
    expected = {
        **place(emulator),
        s.OPERATION_NAME: "chat",
        s.REQUEST_MODEL: MODEL,
        s.REQUEST_TEMPERATURE: 0.0,
        s.REQUEST_TOP_P: 0.9,
        s.REQUEST_MAX_TOKENS: 100,
        s.REQUEST_STOP_SEQUENCES: ["END"],
        s.REQUEST_SEED: 7,
        s.REQUEST_PRESENCE_PENALTY: 0.5,
        s.REQUEST_FREQUENCY_PENALTY: 1.0,
        s.REQUEST_CHOICE_COUNT: 2,
        s.OUTPUT_TYPE: "json",
        **({s.REQUEST_REASONING_LEVEL: "high"} if told else {}),
        **answered(MODEL, "stop", "length"),
        **usage(5, 11, 16),
    }
    assert_is(whole(recording, streamed=kind == "stream"), Span(f"chat {MODEL}", expected))


@BOTH
@pytest.mark.parametrize("kind", ["complete", "stream"])
def test_an_agent(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, kind: str
) -> None:
    result = ask(client, f"agents.{kind}", n=1)
    model = (result[0].data if kind == "stream" else result).model
    agent = {s.OPERATION_NAME: "invoke_agent", s.AGENT_ID: "ag_1"}
    # It names an agent, whose model only the response knows.
    agent[s.REQUEST_MODEL] = model
    expected = {**place(emulator), **agent, **answered(model, "stop"), **usage(14, 9, 23)}
    assert_is(whole(recording, streamed=kind == "stream"), Span("invoke_agent", expected))


@BOTH
@pytest.mark.parametrize("kind", ["complete", "stream"])
def test_the_middle_of_code(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, kind: str
) -> None:
    ask(client, f"fim.{kind}", suffix="# end", max_tokens=9)
    model = "codestral-latest"
    code = {s.OPERATION_NAME: "text_completion", s.REQUEST_MODEL: model}
    said = {s.REQUEST_MAX_TOKENS: 9, **answered(model, "stop")}
    expected = {**place(emulator), **code, **said, **usage(11, 16, 27)}
    span = whole(recording, streamed=kind == "stream")
    assert_is(span, Span(f"text_completion {model}", expected))


@BOTH
@pytest.mark.parametrize("kind", ["parse", "parse_stream"])
def test_parse_calls_complete_or_stream_inside_and_is_one_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, kind: str
) -> None:
    result = ask(client, f"chat.{kind}", "chat_json", response_format=City)
    if kind == "parse":
        assert result.choices[0].message.parsed == City(city="Paris", population=2103000)
    assert recording.started == 1
    asked = {s.OPERATION_NAME: "chat", s.REQUEST_MODEL: MODEL}
    asked[s.OUTPUT_TYPE] = "json"
    expected = {**place(emulator), **asked, **answered(MODEL, "stop"), **usage(31, 13, 44)}
    assert_is(whole(recording, streamed=kind != "parse"), Span(f"chat {MODEL}", expected))


@BOTH
@pytest.mark.parametrize("method", METHODS)
def test_cached_and_reasoning_tokens_are_told_where_the_sdk_keeps_them(
    client: Any, recording: Recording, ask: Ask, method: str
) -> None:
    ask(client, method, "chat_cached")
    attributes = whole(recording, streamed=method.endswith("stream")).attributes
    kept = {s.USAGE_CACHE_READ: 1920, s.USAGE_REASONING: 96}
    used = {key: value for key, value in attributes.items() if "usage" in key}
    assert typed(used) == typed(usage(2048, 120, 2168) | (kept if KEEPS_EXTRA_USAGE else {}))


@pytest.mark.parametrize("kind", ["complete", "stream"])
def test_tool_calls_are_the_finish_reason(client: Any, recording: Recording, kind: str) -> None:
    ask_sync(client, f"chat.{kind}", "chat_tool_calls")
    assert recording.span().attributes[s.RESPONSE_FINISH_REASONS] == ["tool_call"]


def test_the_span_is_a_child_of_the_callers_who_stays_current(
    client: Any, recording: Recording
) -> None:
    start = recording.tracer_provider.get_tracer("caller").start_as_current_span
    with start("caller") as caller:
        client.chat.complete(**arguments("chat"))
        for _ in client.chat.stream(**arguments("chat")):
            assert trace.get_current_span() is caller
        assert trace.get_current_span() is caller
    parents = [span.parent.span_id for span in recording.spans() if span.parent]
    assert parents == [caller.get_span_context().span_id] * 2


def test_typed_arguments_say_the_same_as_dicts(client: Any, recording: Recording) -> None:
    models: Any = importlib.import_module(f"{sdk.ROOT}.models")
    unset: Any = importlib.import_module(f"{sdk.ROOT}.types").UNSET
    named_format: dict[str, Any] = {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": {}},
    }
    typed_format = models.ResponseFormat(
        type="json_schema", json_schema=models.JSONSchema(name="x", schema_definition={})
    )
    for given in (named_format, typed_format):
        absent = {"temperature": unset, "max_tokens": None, "random_seed": unset, "n": None}
        client.chat.complete(**arguments("chat"), response_format=given, stop=["A", "B"], **absent)
    one, other = (dict(span.attributes or {}) for span in recording.spans())
    assert (one, one[s.OUTPUT_TYPE]) == (other, "json")
    asked = {key: value for key, value in one.items() if key.startswith(s.REQUEST)}
    stops = {s.REQUEST_STOP_SEQUENCES: ("A", "B")}
    assert asked == {s.REQUEST_MODEL: MODEL, **stops}


@BOTH
@pytest.mark.parametrize("kind", ["complete", "stream"])
def test_the_tier_and_the_tokens_of_sound_are_told_where_the_sdk_keeps_them(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, kind: str
) -> None:
    ask(client, f"chat.{kind}", "chat_tier")
    asked = {s.OPERATION_NAME: "chat", s.REQUEST_MODEL: MODEL}
    told: dict[str, Any] = {}
    if KEEPS_EXTRA_USAGE:
        told[s.USAGE_INPUT_AUDIO] = 50
        told[s.USAGE_OUTPUT_AUDIO] = 7
    # Before 2.10 the tier is no field of the SDK's.
    if sdk.VERSION >= (2, 10):
        told[s.RESPONSE_SERVICE_TIER] = "priority"
    expected = {**place(emulator), **asked, **answered(MODEL, "stop"), **usage(64, 12, 76), **told}
    assert_is(whole(recording, streamed=kind == "stream"), Span(f"chat {MODEL}", expected))
