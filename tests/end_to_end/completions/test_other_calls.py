# SPDX-License-Identifier: Apache-2.0
"""Whole spans of embeddings, classifiers, OCR, audio, responses and new agents, sync and async."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from emulator import Emulator
from tests.support import methods, sdk
from tests.support.completions import (
    BOTH,
    FIRST_CHUNK,
    MESSAGES,
    Ask,
    ask_sync,
    assert_is,
    place,
    usage,
)
from tests.support.recording import Recording, Span

HEAR: Final = "audio.transcriptions.complete"
HEAR_STREAM: Final = "audio.transcriptions.stream"
SPEAK: Final = "audio.speech.complete"
RESPOND: Final = "responses.create"
# Before which version of the SDK there is nothing to test.
SINCE: Final = methods.came_with()
EMBEDDING_SETTINGS: Final = sdk.VERSION >= (1, 9)
CLASSIFIED: Final = methods.CLASSIFIED
AUDIO: Final = methods.AUDIO
PAPER: Final = methods.PAPER
AUDIO_SECONDS: Final = {"mistral_ai.usage.audio_seconds": 2}
RESPONDED: Final = {
    **usage(1500, 90, 1590),
    "gen_ai.usage.cache_read.input_tokens": 1024,
    "gen_ai.usage.cache_write.input_tokens": 256,
    "gen_ai.usage.cache_creation.input_tokens": 256,
    "gen_ai.usage.reasoning.output_tokens": 64,
}
NO_DETAILS: Final = {
    "gen_ai.usage.cache_read.input_tokens": 0,
    "gen_ai.usage.cache_write.input_tokens": 0,
    "gen_ai.usage.cache_creation.input_tokens": 0,
    "gen_ai.usage.reasoning.output_tokens": 0,
}


@dataclass
class Told:
    """A call, and what its span says besides where it went and which model was asked for."""

    method: str
    given: dict[str, Any]
    operation: str
    attributes: dict[str, Any]
    scenario: str | None = None
    outcome: str | None = None
    """Of a stream."""
    error: str | None = None
    raised: bool = False
    chunks: bool = True
    reasons: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return " ".join(filter(None, (self.method, self.scenario, self.outcome and "streamed")))


def identified(response_id: str) -> dict[str, Any]:
    return {"gen_ai.response.id": response_id, "gen_ai.response.model": "m"}


REFUSED: Final = {
    **identified("resp_1"),
    **usage(5, 6, 11),
    **NO_DETAILS,
    "mistral_ai.response.service_tier": "priority",
}
MODEL: Final = {"model": "m"}
SPOKEN: Final = {"gen_ai.output.type": "speech"}
ASKED: Final[dict[str, Any]] = {**MODEL, "input": "Hello?"}
STREAM: Final[dict[str, Any]] = {"stream": True}
EMBED: Final[dict[str, Any]] = {**MODEL, "inputs": ["Hello", "you"]}
CUT: Final = f"{sdk.HTTP}.RemoteProtocolError"
CALLS: Final = [
    Told("embeddings.create", EMBED, "embeddings", identified("emb_1") | usage(12, 0, 12)),
    Told("classifiers.moderate", {**MODEL, "inputs": "Hello"}, "moderation", identified("mod_1")),
    Told("classifiers.moderate_chat", {**MODEL, "inputs": MESSAGES}, "moderation",
         identified("mod_1")),
    Told("classifiers.classify", {**MODEL, "inputs": "Hello"}, "classification",
         identified("cls_1")),
    Told("classifiers.classify_chat", {**MODEL, CLASSIFIED: {"messages": MESSAGES}},
         "classification", identified("cls_1")),
    Told("ocr.process", {**MODEL, "document": PAPER}, "generate_content",
         {"gen_ai.response.model": "m", "mistral_ai.usage.pages": 2,
          "mistral_ai.usage.document_bytes": 20480}),
    Told(HEAR, {**MODEL, "file": AUDIO}, "generate_content",
         {"gen_ai.response.model": "m"} | usage(4, 8, 12) | AUDIO_SECONDS),
    Told(HEAR_STREAM, {**MODEL, "file": AUDIO}, "generate_content",
         {"gen_ai.response.model": "m"} | usage(4, 8, 12) | AUDIO_SECONDS, outcome="completed"),
    Told(HEAR_STREAM, {**MODEL, "file": AUDIO}, "generate_content", {}, "transcription_cut",
         "failed", CUT, raised=True),
    Told(SPEAK, ASKED, "generate_content", SPOKEN),
    Told(SPEAK, {**ASKED, "stream": False}, "generate_content", SPOKEN),
    Told(SPEAK, ASKED | STREAM, "generate_content", SPOKEN | usage(6, 25, 31),
         outcome="completed"),
    Told(SPEAK, ASKED | STREAM, "generate_content", SPOKEN, "speech_cut", "failed", CUT,
         raised=True),
    Told(RESPOND, ASKED, "chat", identified("resp_1") | RESPONDED, reasons=["stop"]),
    Told(RESPOND, ASKED | STREAM, "chat", identified("resp_1") | RESPONDED, outcome="completed",
         reasons=["stop"]),
    Told(RESPOND, ASKED, "chat", identified("resp_1") | usage(5, 1, 6) | NO_DETAILS,
         "response_incomplete", reasons=["max_output_tokens"]),
    Told(RESPOND, ASKED | STREAM, "chat", identified("resp_1") | usage(5, 1, 6) | NO_DETAILS,
         "response_incomplete", "completed", reasons=["max_output_tokens"]),
    Told(RESPOND, ASKED, "chat", identified("resp_1") | usage(60, 12, 72) | NO_DETAILS,
         "response_function_call", reasons=["tool_call"]),
    Told(RESPOND, ASKED | STREAM, "chat", identified("resp_1") | usage(60, 12, 72) | NO_DETAILS,
         "response_function_call", "completed", reasons=["tool_call"]),
    Told(RESPOND, ASKED, "chat", REFUSED, "response_refusal", reasons=["content_filter"]),
    Told(RESPOND, ASKED | STREAM, "chat", REFUSED, "response_refusal", "completed",
         reasons=["content_filter"]),
    Told(RESPOND, ASKED | {"conversation": {"id": "conv_1"}}, "chat",
         REFUSED | {"gen_ai.conversation.id": "conv_1"}, "response_refusal",
         reasons=["content_filter"]),
    Told(RESPOND, ASKED, "chat", identified("resp_1"), "response_failed", error="server_error"),
    Told(RESPOND, ASKED | STREAM, "chat", identified("resp_1"), "response_failed", "failed",
         "server_error"),
    Told(RESPOND, ASKED | STREAM, "chat", identified("resp_1"), "response_error", "failed",
         "server_error"),
    Told(RESPOND, ASKED | STREAM, "chat", identified("resp_1"), "response_cut", "failed", CUT,
         raised=True),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize("told", CALLS, ids=str)
def test_a_call_is_one_whole_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, told: Told
) -> None:
    if SINCE.get(told.method, (0,)) > sdk.VERSION:
        pytest.skip(f"{told.method} came with {SINCE[told.method]}")
    raised: BaseException | None = None
    try:
        ask(client, told.method, told.scenario, **told.given)
    except Exception as exc:  # noqa: BLE001 -- which one is the matter of another test
        raised = exc
    assert (raised is not None) == told.raised
    span = recording.span()
    first_chunk = span.attributes.pop(FIRST_CHUNK, None)
    # The last news of a failed response comes after its first piece; what is not streamed has none.
    assert isinstance(first_chunk, float) == (told.outcome is not None)
    expected = {
        **place(emulator),
        "gen_ai.operation.name": told.operation,
        "gen_ai.request.model": "m",
        **told.attributes,
    }
    if told.outcome is not None:
        expected |= {"gen_ai.request.stream": True, "mistral_ai.stream.outcome": told.outcome}
    if told.reasons:
        expected["gen_ai.response.finish_reasons"] = told.reasons
    if told.error is not None:
        expected["error.type"] = told.error
    status = "ERROR" if told.error else "UNSET"
    events = ["exception"] if told.raised else []
    assert_is(
        span, Span(f"{told.operation} m", expected, "CLIENT", status, told.error, None, events)
    )


@BOTH
@pytest.mark.skipif(not EMBEDDING_SETTINGS, reason="embeddings have no settings before 1.9")
def test_embeddings_have_settings(client: Any, recording: Recording, ask: Ask) -> None:
    settings = {"output_dimension": 4, "encoding_format": "float"}
    ask(client, "embeddings.create", **EMBED, **settings)
    attributes = recording.span().attributes
    assert attributes["gen_ai.embeddings.dimension.count"] == 4
    assert attributes["gen_ai.request.encoding_formats"] == ["float"]


@pytest.mark.skipif(SINCE[RESPOND] > sdk.VERSION, reason="responses came with 3.4")
def test_a_response_has_settings_of_its_own_names(client: Any, recording: Recording) -> None:
    given: dict[str, Any] = {
        "max_output_tokens": 9,
        "temperature": 1,
        "reasoning": {"effort": "high"},
        "previous_response_id": "resp_0",
        "text": {"format": {"type": "json_object"}},
    }
    ask_sync(client, RESPOND, **ASKED, **given)
    attributes = recording.span().attributes
    asked = {key: attributes[key] for key in attributes if key.startswith("gen_ai.request.")}
    assert asked == {
        "gen_ai.request.model": "m",
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.temperature": 1.0,
        "gen_ai.request.reasoning.level": "high",
        "gen_ai.request.previous_response.id": "resp_0",
    }
    assert attributes["gen_ai.output.type"] == "json"


@BOTH
def test_a_new_agent_is_named_in_its_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask
) -> None:
    settings = {"temperature": 0.5, "max_tokens": 9, "response_format": {"type": "text"}}
    made = ask(client, "beta.agents.create", **MODEL, name="writer", completion_args=settings)
    # Neither what it is told nor what it may do is in a span.
    expected = {
        **place(emulator),
        "gen_ai.operation.name": "create_agent",
        "gen_ai.request.model": "m",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.output.type": "text",
        "gen_ai.agent.name": "writer",
        "gen_ai.agent.id": made.id,
    }
    assert_is(recording.span(), Span("create_agent writer", expected))


def test_other_methods_have_no_span(client: Any, recording: Recording) -> None:
    made = client.beta.agents.create(**MODEL, name="writer")
    client.beta.agents.get(agent_id=made.id)
    client.beta.agents.update(agent_id=made.id, name="reader")
    assert [span.name for span in recording.spans()] == ["create_agent writer"]


@pytest.mark.parametrize("scenario", ["response", "response_failed"])
@pytest.mark.skipif(SINCE[RESPOND] > sdk.VERSION, reason="responses came with 3.4")
def test_a_response_is_left_before_and_after_its_last_event(
    client: Any, recording: Recording, scenario: str
) -> None:
    for reads in (2, None):
        headers = {"x-emulator-scenario": scenario}
        with client.responses.create(**ASKED, **STREAM, http_headers=headers) as stream:
            for n, event in enumerate(stream):
                if n == reads or event.event in ("response.completed", "response.failed"):
                    break
    outcomes = [(span.attributes or {})["mistral_ai.stream.outcome"] for span in recording.spans()]
    last = {"response": "completed", "response_failed": "failed"}[scenario]
    assert outcomes == ["closed" if scenario == "response" else last, last]
