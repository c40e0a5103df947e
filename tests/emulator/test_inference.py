# SPDX-License-Identifier: Apache-2.0
"""What the emulator answers beside conversations and completions, and the clients of the clouds."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest

from emulator import Emulator
from tests.support import methods
from tests.support.completions import METHODS as COMPLETIONS
from tests.support.sdk import VERSION, Mistral, httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAT = [{"role": "user", "content": "Hello"}]
URL = {"type": "document_url", "document_url": "https://example.com/hello.pdf"}
AUDIO = {"file_name": "hello.mp3", "content": b"\x00\xff\r\n--not a boundary\r\n"}
INPUT = "input" if VERSION >= (2,) else "inputs"
TRANSCRIBE = "audio.transcriptions.complete"
HEAR = "audio.transcriptions.stream"
SPEAK = "audio.speech.complete"
RESPOND = "responses.create"
# Each method, and what it must be given; chat and its kin have tests of their own.
SINCE = methods.came_with()
METHODS: dict[str, dict[str, Any]] = {
    method: given for method, given in methods.GIVEN.items() if method not in COMPLETIONS
} | {
    "embeddings.create": {"model": "m", "inputs": "Hello"},
    RESPOND: {"model": "m", "input": "Hello"},
    TRANSCRIBE: {"model": "m", "file": AUDIO},
    HEAR: {"model": "m", "file_url": "https://Hello"},
    "beta.agents.create": {"model": "m", "name": "A", "instructions": "Hello"},
}
STREAMS: dict[str, dict[str, Any]] = {HEAR: {}, SPEAK: {"stream": True}, RESPOND: {"stream": True}}
REQUIRED = {
    "model input": "embeddings moderations chat/moderations classifications responses",
    "document": "ocr",
    "model file|file_url|file_id": "audio/transcriptions",
    "input": "audio/speech",
    "model name": "agents",
    "retriever": "context/search-indexes/docs/search rag/managed_indexes/docs/search",
    "source_id pattern": "context/search-indexes/docs/grep rag/managed_indexes/docs/grep",
}


@pytest.fixture(scope="module")
def client(emulator: Emulator) -> Iterator[Any]:
    with Mistral(api_key="key", server_url=emulator.url, timeout_ms=2_000) as made:
        yield made


def ask(client: Any, method: str, scenario: str | None = None, **more: Any) -> Any:
    """Call a method; skip the test when the SDK is too old to have it."""
    if SINCE[method] > VERSION:
        pytest.skip(f"{method} came with {SINCE[method]}")
    arguments = METHODS[method]
    for name in method.split("."):
        client = getattr(client, name)
    headers = {"x-emulator-scenario": scenario} if scenario else {}
    return client(**{**arguments, **more}, http_headers=headers)


def events(client: Any, method: str, scenario: str | None = None) -> list[Any]:
    """Return the data of the events; their type is the one on the line above them."""
    with ask(client, method, scenario, **STREAMS[method]) as stream:
        read = list(stream)
    assert [event.event for event in read] == [event.data.type for event in read]
    return [event.data for event in read]


def kinds(read: list[Any]) -> list[str]:
    return [type(event).__name__ for event in read]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("status", [400, 422, 429, 500])
def test_http_errors_are_raised(client: Any, method: str, status: int) -> None:
    with pytest.raises(Exception, match=r"Hello|hello|null|body.detail") as caught:
        ask(client, method, f"http_{status}", **STREAMS.get(method, {}))
    assert getattr(caught.value, "status_code", 422) == status  # 1.8 does not say it of a 422


@pytest.mark.parametrize("method", STREAMS)
def test_a_stream_that_breaks_raises(client: Any, method: str) -> None:
    scenario = {HEAR: "transcription_cut", SPEAK: "speech_cut", RESPOND: "response_cut"}[method]
    with ask(client, method, scenario, **STREAMS[method]) as stream:
        assert next(stream).data.type
        with pytest.raises(httpx.RemoteProtocolError):
            list(stream)


@pytest.mark.parametrize("fields", REQUIRED)
def test_what_is_missing_is_said(emulator: Emulator, fields: str) -> None:
    for path in REQUIRED[fields].split():
        url = f"{emulator.url}/v1/{path}"
        answer = httpx.post(url, json={}, headers={"Authorization": "Bearer key"})
        missing = [problem["loc"] for problem in answer.json()["detail"]]
        assert (answer.status_code, missing) == (422, [["body", name] for name in fields.split()])
        assert httpx.post(url, json={}).status_code == 401


def test_embeddings_have_the_size_that_was_asked_for(client: Any) -> None:
    answer = ask(client, "embeddings.create", inputs=["a", "b", "c"])
    assert [item.index for item in answer.data] == [0, 1, 2]
    assert {len(item.embedding) for item in answer.data} == {1024}
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (12, 12)
    if VERSION >= (1, 12):
        (one,) = ask(client, "embeddings.create", output_dimension=4).data
        assert one.embedding == [0, 0.25, 0.5, 0.75]
        with pytest.raises(Exception, match="Not a positive integer"):
            ask(client, "embeddings.create", output_dimension=-1)


@pytest.mark.parametrize(
    ("method", "name", "one"),
    [
        ("moderate", "inputs", "a"),
        ("moderate_chat", "inputs", CHAT * 3),
        ("classify", "inputs", "a"),
        ("classify_chat", INPUT, {"messages": CHAT}),
    ],
)
def test_each_input_has_a_result(client: Any, method: str, name: str, one: Any) -> None:
    for count, given in ((1, one), (2, [one, one])):
        results = ask(client, f"classifiers.{method}", None, **{name: given}).results
        assert len(results) == count
        if method.startswith("moderate"):
            assert results[-1].category_scores == {"violence_and_threats": 0.91, "pii": 0.02}
        else:
            assert results[-1]["mood"].scores == {"good": 0.75, "bad": 0.25}


def test_a_document_has_two_pages(client: Any) -> None:
    answer = ask(client, "ocr.process")
    assert [page.markdown for page in answer.pages] == ["# First page", "Second page"]
    assert (answer.usage_info.pages_processed, answer.usage_info.doc_size_bytes) == (2, 20480)


def test_audio_is_transcribed(emulator: Emulator, client: Any) -> None:
    emulator.clear()
    answer = ask(client, TRANSCRIBE, timestamp_granularities=["segment"])
    (request,) = emulator.requests
    assert (request.body["model"], request.body["file"]) == ("m", "hello.mp3")
    told = events(client, HEAR)
    names = ["Language", "TextDelta", "SegmentDelta", "TextDelta", "SegmentDelta", "Done"]
    assert kinds(told) == [f"TranscriptionStream{name}" for name in names]
    assert told[1].text + told[3].text == told[-1].text == answer.text
    assert (answer.language, told[-1].language, told[0].audio_language) == ("en", "en", "en")
    for whole in (answer, told[-1]):
        assert (whole.usage.prompt_audio_seconds, whole.usage.total_tokens) == (2, 12)
        assert [segment.end for segment in whole.segments] == [told[2].end, told[4].end]


def test_text_is_spoken(client: Any) -> None:
    first, second, done = events(client, SPEAK)
    assert kinds([first, second, done]) == ["SpeechStreamAudioDelta"] * 2 + ["SpeechStreamDone"]
    assert first.audio_data + second.audio_data == ask(client, SPEAK).audio_data
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (6, 25)


def test_a_response_tells_all_its_usage(client: Any) -> None:
    told = events(client, RESPOND)
    assert [event.sequence_number for event in told] == list(range(7))
    assert kinds([told[0], told[-1]]) == ["ResponsesCreatedEvent", "ResponsesCompletedEvent"]
    assert (told[0].response.status, told[0].response.output) == ("in_progress", [])
    text = "".join(event.delta for event in told if event.type == "response.output_text.delta")
    for whole in (ask(client, RESPOND), told[-1].response):
        assert kinds(whole.output) == ["ResponsesReasoningItem", "ResponsesOutputMessage"]
        assert whole.output[1].content[0].text == text == "Hello world"
        assert (whole.status, whole.model) == ("completed", "m")
        usage = whole.usage
        assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (1500, 90, 1590)
        assert usage.input_tokens_details.cached_tokens == 1024
        assert usage.input_tokens_details.cache_write_tokens == 256
        assert usage.output_tokens_details.reasoning_tokens == 64


def test_a_response_may_end_otherwise(client: Any) -> None:
    with pytest.raises(Exception, match="Internal error about: Hello"):
        ask(client, RESPOND, "response_error")
    assert events(client, RESPOND, "response_error")[-1].code == "server_error"
    last = events(client, RESPOND, "response_failed")[-1].response
    for failed in (ask(client, RESPOND, "response_failed"), last):
        assert (failed.status, failed.error.message) == ("failed", "Failed about: Hello")
    last = events(client, RESPOND, "response_incomplete")[-1].response
    for short in (ask(client, RESPOND, "response_incomplete"), last):
        assert (short.status, short.usage.output_tokens) == ("incomplete", 1)
        assert short.incomplete_details.reason == "max_output_tokens"
    (call,) = ask(client, RESPOND, "response_function_call").output
    parts = events(client, RESPOND, "response_function_call")
    assert (call.name, call.arguments) == ("get_weather", '{"city": "Paris"}')
    assert "".join(part.delta for part in parts if part.type.endswith("delta")) == call.arguments


def test_an_agent_is_made_of_the_request(client: Any) -> None:
    made = ask(client, "beta.agents.create", tools=[{"type": "web_search"}])
    assert (made.name, made.model, made.instructions) == ("A", "m", "Hello")
    assert kinds(made.tools) == ["WebSearchTool"]
    assert client.beta.agents.get(agent_id=made.id).id == made.id
    changed = client.beta.agents.update(agent_id="ag_2", name="B")
    assert (changed.id, changed.name, changed.version) == ("ag_2", "B", 1)


def clouds(url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    # Google's client imports google.auth, which with a token it does not use: not installed here.
    for name in ("", ".auth", ".auth.credentials", ".auth.transport", ".auth.transport.requests"):
        monkeypatch.setitem(sys.modules, f"google{name}", MagicMock())
    if VERSION >= (2,):
        azure = importlib.import_module("mistralai.azure.client").MistralAzure("key", None, url)
        make = importlib.import_module("mistralai.gcp.client").MistralGCP
    else:
        azure = importlib.import_module("mistralai_azure").MistralAzure("key", url)
        make = importlib.import_module("mistralai_gcp").MistralGoogleCloud
    google = make(region="here", project_id="mine", access_token="token")  # noqa: S106
    google.sdk_configuration.server_url = url  # 1.x does not take it as an argument
    return azure, google


def test_each_cloud_has_its_paths(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator.clear()
    azure, google = clouds(emulator.url, monkeypatch)
    chat = {"model": "mistral-large-2411", "messages": CHAT}
    fim = {"model": "codestral-2501", "prompt": "def", "suffix": "end"}
    for api, arguments in ((azure.chat, chat), (google.chat, chat), (google.fim, fim)):
        answer = api.complete(**arguments)
        with api.stream(**arguments) as stream:
            chunks = [chunk.data for chunk in stream]
        texts = [chunk.choices[0].delta.content for chunk in chunks]
        assert "".join(texts) == answer.choices[0].message.content
        assert (chunks[-1].usage, chunks[-1].choices[0].finish_reason) == (answer.usage, "stop")
    paths = ["/models/chat/completions" if VERSION >= (2,) else "/v1/chat/completions"] * 2
    models = "/v1/projects/mine/locations/here/publishers/mistralai/models"
    for model in ("mistral-large-2411", "codestral-2501"):
        paths += [f"{models}/{model}:rawPredict", f"{models}/{model}:streamRawPredict"]
    if VERSION >= (1, 12):
        assert azure.ocr.process(model="m", document=URL).usage_info.pages_processed == 2
        paths.append("/providers/mistral/azure/ocr" if VERSION >= (2,) else "/v1/ocr")
    assert [request.path for request in emulator.requests] == paths
