# SPDX-License-Identifier: Apache-2.0
"""Whole spans of chat, agents and fill-in-the-middle, streamed and not, sync and async."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any, Final

import pytest
from opentelemetry import trace
from pydantic import BaseModel

from emulator import Emulator
from tests.end_to_end import sdk
from tests.end_to_end.recording import Recording, Span
from tests.fakes import typed

MODEL: Final = "mistral-small-latest"
MESSAGES: Final = [{"role": "user", "content": "Hello?"}]
FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
# The least that each method must be given.
ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "chat": {"model": MODEL, "messages": MESSAGES},
    "agents": {"agent_id": "ag_1", "messages": MESSAGES},
    "fim": {"model": "codestral-latest", "prompt": "def larger(a, b):"},
}
METHODS: Final = [f"{api}.{kind}" for api in ARGUMENTS for kind in ("complete", "stream")]
# Before 1.9 the SDK drops what its model of usage does not know: cached and reasoning tokens.
KEEPS_EXTRA_USAGE: Final = sdk.VERSION >= (1, 9)

Ask = Callable[..., Any]


def arguments(method: str, scenario: str | None = None, **more: Any) -> dict[str, Any]:
    """All arguments of a call, which the emulator answers with this scenario."""
    headers = {"http_headers": {"x-emulator-scenario": scenario}} if scenario else {}
    return {**ARGUMENTS.get(method.partition(".")[0], {}), **headers, **more}


def named(client: Any, method: str) -> Any:
    """The method of this dotted name."""
    for name in method.split("."):
        client = getattr(client, name)
    return client


def is_stream(result: Any) -> bool:
    """Whether a call answered with one of the SDK's streams."""
    return type(result).__name__.startswith("EventStream")


def ask_sync(client: Any, method: str, scenario: str | None = None, **more: Any) -> Any:
    """Makes a call; of a stream, reads all events."""
    result = named(client, method)(**arguments(method, scenario, **more))
    return list(result) if is_stream(result) else result


def ask_async(client: Any, method: str, scenario: str | None = None, **more: Any) -> Any:
    """The same with the async twin, in an event loop and with a client of its own."""

    async def ask() -> Any:
        # Without verify=False, loading certificates takes longer than all the rest.
        async with sdk.httpx.AsyncClient(verify=False) as http:
            known = client.sdk_configuration
            own = sdk.Mistral(
                "key", server_url=known.server_url, client=known.client, async_client=http
            )
            result = await named(own, f"{method}_async")(**arguments(method, scenario, **more))
            return [event async for event in result] if is_stream(result) else result

    return asyncio.run(ask())


BOTH: Final = pytest.mark.parametrize("ask", [ask_sync, ask_async], ids=["sync", "async"])


def place(emulator: Emulator) -> dict[str, Any]:
    """What every span and every metric of a call says."""
    return {
        "gen_ai.provider.name": "mistral_ai",
        "server.address": "127.0.0.1",
        "server.port": int(emulator.url.rpartition(":")[2]),
    }


def usage(prompt: int, completion: int, total: int) -> dict[str, Any]:
    """Usage as the attributes of a span."""
    return {
        "gen_ai.usage.input_tokens": prompt,
        "gen_ai.usage.output_tokens": completion,
        "mistral_ai.usage.total_tokens": total,
    }


def answered(model: str, *reasons: str) -> dict[str, Any]:
    """What a completion says of itself."""
    identity = {"gen_ai.response.id": "cmpl_1", "gen_ai.response.model": model}
    return {**identity, "gen_ai.response.finish_reasons": list(reasons)}


def whole(recording: Recording, *, streamed: bool) -> Span:
    """The only span; of a stream, without what only the run can tell, once that is checked."""
    span = recording.span()
    if streamed:
        first_chunk = span.attributes.pop(FIRST_CHUNK)
        took = recording.the_span()
        assert isinstance(first_chunk, float)
        assert 0 < first_chunk <= ((took.end_time or 0) - (took.start_time or 0)) / 1e9
        assert span.attributes.pop("gen_ai.request.stream") is True
        assert span.attributes.pop("mistral_ai.stream.outcome") == "completed"
    return span


def assert_is(span: Span, expected: Span) -> None:
    """Compares two whole spans, and the types of all attributes: 1 == 1.0 == True."""
    assert typed(span.attributes) == typed(expected.attributes)
    assert span == expected


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
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": MODEL,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.stop_sequences": ["END"],
        "gen_ai.request.seed": 7,
        "gen_ai.request.presence_penalty": 0.5,
        "gen_ai.request.frequency_penalty": 1.0,
        "gen_ai.request.choice.count": 2,
        "gen_ai.output.type": "json",
        **({"gen_ai.request.reasoning.level": "high"} if told else {}),
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
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": "ag_1"}
    expected = {**place(emulator), **agent, **answered(model, "stop"), **usage(14, 9, 23)}
    assert_is(whole(recording, streamed=kind == "stream"), Span("invoke_agent", expected))


@BOTH
@pytest.mark.parametrize("kind", ["complete", "stream"])
def test_the_middle_of_code(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, kind: str
) -> None:
    ask(client, f"fim.{kind}", suffix="# end", max_tokens=9)
    model = "codestral-latest"
    code = {"gen_ai.operation.name": "text_completion", "gen_ai.request.model": model}
    said = {"gen_ai.request.max_tokens": 9, **answered(model, "stop")}
    expected = {**place(emulator), **code, **said, **usage(11, 16, 27)}
    span = whole(recording, streamed=kind == "stream")
    assert_is(span, Span(f"text_completion {model}", expected))


class City(BaseModel):
    """What `parse` makes of the emulator's JSON."""

    city: str
    population: int


@BOTH
@pytest.mark.parametrize("kind", ["parse", "parse_stream"])
def test_parse_calls_complete_or_stream_inside_and_is_one_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, kind: str
) -> None:
    result = ask(client, f"chat.{kind}", "chat_json", response_format=City)
    if kind == "parse":
        assert result.choices[0].message.parsed == City(city="Paris", population=2103000)
    assert recording.started == 1
    asked = {"gen_ai.operation.name": "chat", "gen_ai.request.model": MODEL}
    asked["gen_ai.output.type"] = "json"
    expected = {**place(emulator), **asked, **answered(MODEL, "stop"), **usage(31, 13, 44)}
    assert_is(whole(recording, streamed=kind != "parse"), Span(f"chat {MODEL}", expected))


@BOTH
@pytest.mark.parametrize("method", METHODS)
def test_cached_and_reasoning_tokens_are_told_where_the_sdk_keeps_them(
    client: Any, recording: Recording, ask: Ask, method: str
) -> None:
    ask(client, method, "chat_cached")
    attributes = whole(recording, streamed=method.endswith("stream")).attributes
    usages = (("cache_read.input_tokens", 1920), ("reasoning.output_tokens", 96))
    kept = {f"gen_ai.usage.{name}": count for name, count in usages}
    used = {key: value for key, value in attributes.items() if "usage" in key}
    assert typed(used) == typed(usage(2048, 120, 2168) | (kept if KEEPS_EXTRA_USAGE else {}))


@pytest.mark.parametrize("kind", ["complete", "stream"])
def test_tool_calls_are_the_finish_reason(client: Any, recording: Recording, kind: str) -> None:
    ask_sync(client, f"chat.{kind}", "chat_tool_calls")
    assert recording.span().attributes["gen_ai.response.finish_reasons"] == ["tool_call"]


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
    assert (one, one["gen_ai.output.type"]) == (other, "json")
    asked = {key: value for key, value in one.items() if key.startswith("gen_ai.request.")}
    stops = {"gen_ai.request.stop_sequences": ("A", "B")}
    assert asked == {"gen_ai.request.model": MODEL, **stops}
