# SPDX-License-Identifier: Apache-2.0
"""Whole spans of embeddings, classifiers, OCR, audio, responses and new agents, sync and async."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from emulator import Emulator
from tests.support import names as s
from tests.support import sdk
from tests.support.completions import BOTH, MESSAGES, Ask, ask_sync, assert_is, place, usage
from tests.support.methods import AUDIO, CLASSIFIED, PAPER
from tests.support.other_calls import (
    ASKED,
    EMBED,
    HEAR,
    HEAR_STREAM,
    MODEL,
    RESPOND,
    SINCE,
    SPEAK,
    STREAM,
)
from tests.support.recording import Recording, Span

EMBEDDING_SETTINGS: Final = sdk.VERSION >= (1, 9)
AUDIO_SECONDS: Final = {s.USAGE_AUDIO_SECONDS: 2}
RESPONDED: Final = {
    **usage(1500, 90, 1590),
    s.USAGE_CACHE_READ: 1024,
    s.USAGE_CACHE_WRITE: 256,
    s.USAGE_CACHE_CREATION: 256,
    s.USAGE_REASONING: 64,
}
NO_DETAILS: Final = {
    s.USAGE_CACHE_READ: 0,
    s.USAGE_CACHE_WRITE: 0,
    s.USAGE_CACHE_CREATION: 0,
    s.USAGE_REASONING: 0,
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
    return {s.RESPONSE_ID: response_id, s.RESPONSE_MODEL: "m"}


REFUSED: Final = {
    **identified("resp_1"),
    **usage(5, 6, 11),
    **NO_DETAILS,
    s.RESPONSE_SERVICE_TIER: "priority",
}
SPOKEN: Final = {s.OUTPUT_TYPE: "speech"}
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
         {s.RESPONSE_MODEL: "m", s.USAGE_PAGES: 2,
          s.USAGE_DOCUMENT_BYTES: 20480}),
    Told(HEAR, {**MODEL, "file": AUDIO}, "generate_content",
         {s.RESPONSE_MODEL: "m"} | usage(4, 8, 12) | AUDIO_SECONDS),
    Told(HEAR_STREAM, {**MODEL, "file": AUDIO}, "generate_content",
         {s.RESPONSE_MODEL: "m"} | usage(4, 8, 12) | AUDIO_SECONDS, outcome="completed"),
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
         REFUSED | {s.CONVERSATION_ID: "conv_1"}, "response_refusal",
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
    first_chunk = span.attributes.pop(s.RESPONSE_TIME_TO_FIRST_CHUNK, None)
    # The last news of a failed response comes after its first piece; what is not streamed has none.
    assert isinstance(first_chunk, float) == (told.outcome is not None)
    expected = {
        **place(emulator),
        s.OPERATION_NAME: told.operation,
        s.REQUEST_MODEL: "m",
        **told.attributes,
    }
    if told.outcome is not None:
        expected |= {s.REQUEST_STREAM: True, s.STREAM_OUTCOME: told.outcome}
    if told.reasons:
        expected[s.RESPONSE_FINISH_REASONS] = told.reasons
    if told.error is not None:
        expected[s.ERROR_TYPE] = told.error
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
    assert attributes[s.EMBEDDINGS_DIMENSIONS] == 4
    assert attributes[s.REQUEST_ENCODING_FORMATS] == ["float"]


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
    asked = {key: attributes[key] for key in attributes if key.startswith(s.REQUEST)}
    assert asked == {
        s.REQUEST_MODEL: "m",
        s.REQUEST_MAX_TOKENS: 9,
        s.REQUEST_TEMPERATURE: 1.0,
        s.REQUEST_REASONING_LEVEL: "high",
        s.REQUEST_PREVIOUS_RESPONSE: "resp_0",
    }
    assert attributes[s.OUTPUT_TYPE] == "json"


@BOTH
def test_a_new_agent_is_named_in_its_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask
) -> None:
    settings = {"temperature": 0.5, "max_tokens": 9, "response_format": {"type": "text"}}
    made = ask(client, "beta.agents.create", **MODEL, name="writer", completion_args=settings)
    # Neither what it is told nor what it may do is in a span.
    expected = {
        **place(emulator),
        s.OPERATION_NAME: "create_agent",
        s.REQUEST_MODEL: "m",
        s.REQUEST_TEMPERATURE: 0.5,
        s.REQUEST_MAX_TOKENS: 9,
        s.OUTPUT_TYPE: "text",
        s.AGENT_NAME: "writer",
        s.AGENT_ID: made.id,
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
    outcomes = [(span.attributes or {})[s.STREAM_OUTCOME] for span in recording.spans()]
    last = {"response": "completed", "response_failed": "failed"}[scenario]
    assert outcomes == ["closed" if scenario == "response" else last, last]
