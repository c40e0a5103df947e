# SPDX-License-Identifier: Apache-2.0
"""The completions of the emulator, chat, agents and FIM: asked by the real SDK over real HTTP."""

from __future__ import annotations

import importlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from emulator import Emulator
from emulator.scenario import COMPLETION, load_scenarios
from tests.support.sdk import VERSION, Mistral, httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES = [{"role": "user", "content": "Hello"}]
METHODS: dict[str, dict[str, Any]] = {
    "chat": {"model": "mistral-small-latest", "messages": MESSAGES},
    "agents": {"agent_id": "ag_1", "messages": MESSAGES},
    "fim": {"model": "codestral-latest", "prompt": "def larger(a, b):", "suffix": "# end"},
}
# The content of each choice and why it ended; None: the stream does not say why.
TOLD: dict[str, list[tuple[str, str | None]]] = {
    "chat": [("A completion is read chunk by chunk.", "stop")],
    "fim": [("    if a > b:\n        return a\n    return b", "stop")],
    "chat_usage_after": [("Hello world", "stop")],
    "chat_choices": [("Hello world", "stop"), ("Good mor", "length")],
    "chat_choices_together": [("Hello world", "stop"), ("Good mor", "length")],
    "chat_cached": [("Hello", "stop")],
    "chat_tier": [("Hello", "stop")],
    "chat_no_finish": [("Hello wor", None)],
    "chat_no_done": [("Hello world", "stop")],
    "chat_after_done": [("Hello world", "stop")],
    "chat_ping": [("Hello world", "stop")],
    "chat_json": [('{"city": "Paris", "population": 2103000}', "stop")],
    "chat_no_usage": [("Hello world", "stop")],
}
VERTEX = "/v1/projects/p/locations/l/publishers/mistralai/models"
UNPARSABLE = r"Response validation failed|validation error|Input should be|Field required"
ENDS = {
    "chat_cut": r"incomplete chunked read|peer closed",
    "chat_inside_chunk": r"incomplete chunked read|peer closed",
    "chat_reset": r"reset by peer|104",
    "chat_hang": r"timed out",
    "chat_broken_json": rf"{UNPARSABLE}|parsing|model_attributes_type",
    "chat_error_midway": UNPARSABLE,
}


@pytest.fixture(scope="module")
def client(emulator: Emulator) -> Iterator[Any]:
    with Mistral(api_key="key", server_url=emulator.url, timeout_ms=1_000) as made:
        yield made


def asking(scenario: str | None) -> dict[str, Any]:
    return {"http_headers": {"x-emulator-scenario": scenario}} if scenario else {}


def complete(client: Any, scenario: str | None = None, method: str = "chat") -> Any:
    return getattr(client, method).complete(**METHODS[method], **asking(scenario))


def streamed(client: Any, scenario: str | None = None, method: str = "chat") -> list[Any]:
    with getattr(client, method).stream(**METHODS[method], **asking(scenario)) as stream:
        return list(stream)


def joined(chunks: list[Any]) -> list[tuple[str, str | None]]:
    """Return what the chunks say in each choice, in order."""
    texts: dict[int, str] = {}
    reasons: dict[int, str | None] = {}
    for choice in (choice for chunk in chunks for choice in chunk.data.choices):
        assert reasons.get(choice.index) is None, "nothing comes after the finish reason"
        texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
        reasons[choice.index] = choice.finish_reason
    return [(texts[index], reasons[index]) for index in sorted(texts)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("status", [401, 422, 429, 500, 503])
def test_http_errors_are_raised(client: Any, method: str, status: int) -> None:
    for ask in (complete, streamed):
        with pytest.raises(Exception, match=r"Hello|larger") as caught:
            ask(client, f"http_{status}", method)
        assert getattr(caught.value, "status_code", 422) == status  # 1.8 does not say it of a 422


@pytest.mark.parametrize("scenario", ENDS)
def test_a_stream_that_breaks_tells_what_came_before(client: Any, scenario: str) -> None:
    read: list[Any] = []
    stream = client.chat.stream(**METHODS["chat"], **asking(scenario))
    with stream, pytest.raises(Exception, match=ENDS[scenario]):
        read.extend(iter(lambda: next(stream), None))
    assert joined(read)[0][0].startswith("Hello")


def test_a_completion_breaks_as_its_stream(client: Any) -> None:
    for scenario in ("chat_cut", "chat_reset", "chat_hang"):
        with pytest.raises(httpx.TransportError, match=ENDS[scenario]):
            complete(client, scenario)
    with pytest.raises(Exception, match="Internal error about") as caught:
        complete(client, "chat_error_midway")
    assert getattr(caught.value, "status_code", None) == 500


def test_what_is_no_completion_is_rejected(client: Any) -> None:
    assert streamed(client, "chat_empty") == []
    for scenario in ("chat_no_usage", "chat_empty"):
        with pytest.raises(Exception, match=UNPARSABLE):
            complete(client, scenario)
    with pytest.raises(Exception, match="answers conversation, this endpoint is completion"):
        complete(client, "answer")


def test_retries_end_in_the_answer_of_the_endpoint(emulator: Emulator, client: Any) -> None:
    emulator.clear()
    for status in ("429", "503"):
        with pytest.raises(Exception, match=status):
            complete(client, "retry_then_ok", "fim")
    assert complete(client, "retry_then_ok", "fim").choices[0].message.content == TOLD["fim"][0][0]


@pytest.mark.parametrize(
    ("path", "body", "missing"),
    [
        ("/v1/chat/completions", {"model": "m"}, ["messages"]),
        ("/v1/chat/completions", {}, ["model", "messages"]),
        ("/v1/agents/completions", {"messages": MESSAGES}, ["agent_id"]),
        ("/v1/fim/completions", {"model": "m", "messages": MESSAGES}, ["prompt"]),
        ("/models/chat/completions", {"model": "m"}, ["messages"]),
        (f"{VERTEX}/m:rawPredict", {"model": "m"}, ["messages|prompt"]),
    ],
)
def test_what_is_missing_is_said(
    emulator: Emulator, path: str, body: dict[str, Any], missing: list[str]
) -> None:
    headers = {"Authorization": "Bearer key"}
    answer = httpx.post(emulator.url + path, json=body, headers=headers)
    assert answer.status_code == 422
    assert [problem["loc"] for problem in answer.json()["detail"]] == [["body", m] for m in missing]
    assert httpx.post(emulator.url + path, json=body).status_code == 401


@pytest.mark.parametrize("method", METHODS)
def test_each_method_has_an_answer_of_its_own(client: Any, method: str) -> None:
    answer, chunks = complete(client, method=method), streamed(client, method=method)
    assert type(answer).__name__ == f"{'FIM' if method == 'fim' else 'Chat'}CompletionResponse"
    model = METHODS[method].get("model", "mistral-medium-latest")
    assert {answer.model, *(chunk.data.model for chunk in chunks)} == {model}
    assert abs(answer.created - time.time()) < 5
    expected = TOLD["fim" if method == "fim" else "chat"]
    assert joined(chunks) == expected == [(answer.choices[0].message.content, "stop")]
    assert answer.usage == chunks[-1].data.usage


@pytest.mark.parametrize("scenario", [name for name in TOLD if name != "fim"])
def test_a_completion_says_what_its_stream_says(client: Any, scenario: str) -> None:
    chunks = streamed(client, scenario)
    assert {type(chunk).__name__ for chunk in chunks} == {"CompletionEvent"}
    assert joined(chunks) == TOLD[scenario]
    if scenario == "chat_no_usage":
        assert not any(chunk.data.usage for chunk in chunks)
        return
    answer = complete(client, scenario)
    read = [(choice.message.content, choice.finish_reason) for choice in answer.choices]
    assert read == [(text, reason or "error") for text, reason in TOLD[scenario]]
    assert [chunk.data.usage for chunk in chunks if chunk.data.usage] == [answer.usage]
    assert chunks[-1].data.usage.total_tokens > 0
    assert (chunks[-1].data.choices == []) is (scenario == "chat_usage_after")


def test_cached_tokens_are_extras_of_the_usage(client: Any) -> None:
    whole, chunk = complete(client, "chat_cached"), streamed(client, "chat_cached")[-1].data
    for extra in (whole.usage.model_extra, chunk.usage.model_extra):
        assert (extra is None) is (VERSION < (1, 9, 3))
        if extra is not None:
            assert extra["num_cached_tokens"] == 1920
            assert extra["prompt_tokens_details"] == {"cached_tokens": 1920}
            assert extra["completion_tokens_details"] == {"reasoning_tokens": 96}


def test_tool_calls_come_in_pieces(client: Any) -> None:
    pieces: list[Any] = []
    for chunk in streamed(client, "chat_tool_calls"):
        pieces += chunk.data.choices[0].delta.tool_calls or []
    named = [(call.index, call.id, call.function.name) for call in pieces if call.function.name]
    assert named == [(0, "call_1", "get_weather"), (1, "call_2", "get_time")]
    assert {call.id for call in pieces if not call.function.name} == {"null"}  # the SDK's default
    (choice,) = complete(client, "chat_tool_calls").choices
    assert choice.finish_reason == "tool_calls"
    calls = [(call.index, call.id, call.function.name) for call in choice.message.tool_calls]
    assert calls == named
    for call in choice.message.tool_calls:
        texts = (piece.function.arguments for piece in pieces if piece.index == call.index)
        assert "".join(texts) == call.function.arguments
    arguments = [json.loads(call.function.arguments) for call in choice.message.tool_calls]
    assert arguments == [{"city": "Paris"}, {"zone": "Europe/Paris"}]


@pytest.mark.skipif(VERSION < (1, 9, 3), reason="no ThinkChunk yet")
def test_thinking_is_chunks_of_content(client: Any) -> None:
    contents = [chunk.data.choices[0].delta.content for chunk in streamed(client, "chat_thinking")]
    thoughts = [type(one).__name__ for content in contents[:2] for one in content]
    assert thoughts == ["ThinkChunk"] * 2
    assert contents[2:] == ["Hello", " world"]
    content = complete(client, "chat_thinking").choices[0].message.content
    assert [type(one).__name__ for one in content] == ["ThinkChunk", "ThinkChunk", "TextChunk"]
    assert content[2].text == "Hello world"


def test_parse_reads_the_json(client: Any) -> None:
    pydantic = importlib.import_module("pydantic")
    city = pydantic.create_model("City", city=(str, ...), population=(int, ...))
    answer = client.chat.parse(city, **METHODS["chat"], **asking("chat_json"))
    assert answer.choices[0].message.parsed == city(city="Paris", population=2103000)
    with client.chat.parse_stream(city, **METHODS["chat"], **asking("chat_json")) as stream:
        assert joined(list(stream)) == TOLD["chat_json"]


async def test_the_asynchronous_client_reads_the_same(emulator: Emulator) -> None:
    async with Mistral(api_key="key", server_url=emulator.url) as client:
        answer = await client.chat.complete_async(**METHODS["chat"])
        stream = await client.chat.stream_async(**METHODS["chat"])
        chunks = [chunk async for chunk in stream]
    assert joined(chunks) == TOLD["chat"] == [(answer.choices[0].message.content, "stop")]


def test_each_scenario_for_completions_was_asked_for() -> None:
    others = {"chat_thinking", "chat_tool_calls", "chat_long", "chat_deprecated", "chat_empty"}
    scenarios = load_scenarios()
    found = {name for name in scenarios if scenarios[name].api == COMPLETION}
    assert found == {*TOLD, *ENDS, *others}


def test_a_model_on_its_way_out_says_so(client: Any) -> None:
    assert complete(client, "chat_deprecated").choices[0].finish_reason == "stop"
    with pytest.raises(httpx.ResponseNotRead):
        streamed(client, "chat_deprecated")
    assert len(streamed(client, "chat_long")) == 10_002
