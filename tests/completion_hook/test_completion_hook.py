# SPDX-License-Identifier: Apache-2.0
"""The completion hook: what it is given, when, and what it can never spoil."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.util.genai.completion_hook import (  # pyright: ignore[reportMissingTypeStubs]
    CompletionHook,
    load_completion_hook,
)
from opentelemetry.util.genai.types import (  # pyright: ignore[reportMissingTypeStubs]
    FunctionToolDefinition,
    GenericToolDefinition,
    InputMessage,
    OutputMessage,
    TextPart,
    ToolCallRequestPart,
)

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import UNCHANGED, instrument, uninstrument
from opentelemetry.instrumentation.genai.mistralai import _log as _guard
from opentelemetry.instrumentation.genai.mistralai._otel.telemetry import Switch
from tests.support import names as s
from tests.support.content import INPUT, OUTPUT, content, details
from tests.support.conversations import Run, ask_sync, read_sync, with_defaults
from tests.support.recording import Recording, wait_until
from tests.support.said import ASKS, HELLO, SAID
from tests.support.sdk import Mistral

EMIT, CAPTURE = "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT", "span_and_event"
MODES = ["no_content", "span_only", "event_only", "span_and_event"]
ADD: dict[str, Any] = {"type": "function", "function": {"name": "add", "parameters": {}}}
WORDS: dict[str, Any] = {"instructions": "Be brief.", "tools": [{"type": "web_search"}, ADD]}
LONG = "long " * 200_000


class Keeps:
    """Keeps what it was called with, and marks span and event."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def on_completion(self, **kwargs: Any) -> None:
        self.calls.append(kwargs)
        kwargs["span"].set_attribute("mine", "ref")
        if (record := kwargs["log_record"]) is not None:
            record.attributes = {**record.attributes, "mine": "ref"}


@pytest.fixture(autouse=True)
def first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been logged yet in this process."""
    monkeypatch.setattr(_guard, "_reported", set[tuple[str, str]]())


@pytest.mark.parametrize("mode", MODES)
@ASKS
def test_the_hook_gets_the_familys_messages_whatever_the_mode(
    client: Any, ask: Run, recording: Recording, mode: str
) -> None:
    hook = Keeps()
    assert isinstance(hook, CompletionHook)
    instrument(completion_hook=hook, capture_content=mode)
    ask(client, "answer", **WORDS)
    (given,) = hook.calls
    span, record = given.pop("span"), given.pop("log_record")
    assert given == {
        "inputs": [InputMessage("user", [TextPart("Hello?")])],
        "outputs": [
            OutputMessage("assistant", [TextPart(SAID["answer"]["parts"][0]["content"])], "stop")
        ],
        "system_instruction": [TextPart("Be brief.")],
        "tool_definitions": [
            GenericToolDefinition(name="web_search", type="web_search"),
            FunctionToolDefinition("add", None, None),
        ],
    }
    assert span.get_span_context() == recording.the_span().context
    assert (recording.the_span().attributes or {})["mine"] == "ref"
    # The mode says where content goes besides.
    assert (content(recording.the_span()) != {}) == ("span" in mode)
    assert [(log.attributes or {})["mine"] for log in recording.logs()] == ["ref"] * (
        "event" in mode
    )
    assert (record is not None) == ("event" in mode)


@ASKS
@pytest.mark.parametrize("scenario", SAID)
def test_the_hook_is_told_what_a_span_would_be_told(
    client: Any, ask: Run, recording: Recording, scenario: str
) -> None:
    hook = Keeps()
    instrument(completion_hook=hook)
    ask(client, scenario, **({"agent_id": "ag_1"} if scenario == "handoff_chain" else {}))
    (given,) = hook.calls
    assert recording.started >= 1
    assert list(map(plainly, given["inputs"])) == HELLO
    assert list(map(plainly, given["outputs"])) == [SAID[scenario]]


def plainly(message: Any) -> dict[str, Any]:
    """A message as its JSON, without what it does not say."""
    told = asdict(message)
    del told["name"]
    told["parts"] = [{k: v for k, v in part.items() if v is not None} for part in told["parts"]]
    return {key: value for key, value in told.items() if value is not None}


def test_a_completions_messages_are_told_too(client: Any, recording: Recording) -> None:
    hook = Keeps()
    instrument(completion_hook=hook)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]
    client.chat.complete(model="mistral-small-latest", messages=messages)
    (given,) = hook.calls
    assert recording.started == 1
    assert given["inputs"] == [
        InputMessage("system", [TextPart("Be brief.")]),
        InputMessage("user", [TextPart("Hello?")]),
    ]
    assert [message.role for message in given["outputs"]] == ["assistant"]
    assert given["tool_definitions"] is None


def test_the_hook_is_shown_texts_whole_and_redacted_and_nobody_else_is(
    client: Any, recording: Recording
) -> None:
    hook = Keeps()
    instrument(
        completion_hook=hook, capture_content=CAPTURE, redact=lambda t: t.replace("secret", "[-]")
    )
    read_sync(client, "answer", inputs=f"secret {LONG}", instructions=LONG)
    (given,) = hook.calls
    assert given["inputs"][0].parts == [TextPart(f"[-] {LONG}")]
    assert given["system_instruction"] == [TextPart(LONG)]
    for said in (content(recording.the_span()), details_of(recording)[0]):
        (text,) = [part["content"] for part in said[INPUT][0]["parts"]]
        assert len(text.encode()) == 65_536
        assert text.startswith("[-] long")
        assert text.endswith("…[cut]")


def details_of(recording: Recording) -> list[dict[str, Any]]:
    return [said for said, _ in details(recording)]


def test_a_servers_tools_arguments_stay_cut_on_their_span(
    client: Any, recording: Recording
) -> None:
    instrument(completion_hook=Keeps(), capture_content="span_only", redact=lambda _: "é" * 100_000)
    read_sync(client, "tools_interleaved")
    tools = [span for span in recording.spans() if span.name == "execute_tool web_search"]
    sizes = [len(str((span.attributes or {})[s.TOOL_CALL_ARGUMENTS])) for span in tools]
    assert sizes
    assert all(30_000 < size < 32_800 for size in sizes)


def test_half_a_surrogate_pair_is_no_trouble_for_a_hook(client: Any, recording: Recording) -> None:
    hook = Keeps()
    instrument(completion_hook=hook, redact=lambda text: f"{text}\ud83d")
    read_sync(client, "answer", inputs="Zoë")
    assert recording.started == 1
    assert hook.calls[0]["inputs"][0].parts == [TextPart("Zoë?")]


@pytest.mark.parametrize("scenario", ["error_event", "http_500"])
def test_a_failed_call_is_told_too(client: Any, recording: Recording, scenario: str) -> None:
    hook = Keeps()
    instrument(completion_hook=hook)
    try:
        read_sync(client, scenario)
    except Exception:  # noqa: BLE001 -- which one differs by line
        assert scenario == "http_500"
    (given,) = hook.calls
    assert recording.the_span().status.status_code.name == "ERROR"
    assert given["inputs"] == [InputMessage("user", [TextPart("Hello?")])]


@pytest.mark.parametrize("leaving", ["close", "drop"])
def test_what_was_said_until_the_caller_left_is_told(
    client: Any, recording: Recording, leaving: str
) -> None:
    hook = Keeps()
    instrument(completion_hook=hook)
    stream = client.beta.conversations.start_stream(**with_defaults("answer", {}))
    assert [next(stream), next(stream)]
    if leaving == "close":
        stream.response.close()
    del stream
    wait_until(lambda: len(recording.finished()) == 1)
    (given,) = hook.calls
    (message,) = given["outputs"]
    assert message.parts == [TextPart("A stream")]


def test_function_calls_are_the_familys_parts(client: Any, recording: Recording) -> None:
    hook = Keeps()
    instrument(completion_hook=hook)
    ask_sync(client, "function_call")
    assert recording.started == 1
    (message,) = hook.calls[0]["outputs"]
    assert message.parts == [ToolCallRequestPart({"city": "Paris"}, "get_weather", "call_1")]


@pytest.mark.parametrize("emit", ["true", "True ", None])
def test_the_event_is_given_to_the_hook_before_it_is_emitted(
    client: Any, monkeypatch: pytest.MonkeyPatch, emit: str | None
) -> None:
    if emit is not None:
        monkeypatch.setenv(EMIT, emit)
    recording, hook = Recording(), Keeps()
    instrument(**recording.providers, completion_hook=hook)
    try:
        read_sync(client, "answer")
    finally:
        uninstrument()
    logs = recording.logs()
    assert [log.event_name for log in logs] == [s.DETAILS_EVENT] * (emit is not None)
    for log in logs:
        attributes = log.attributes or {}
        assert (attributes["mine"], attributes[s.OPERATION_NAME]) == ("ref", "chat")
        assert not attributes.keys() & {INPUT, OUTPUT}


def test_a_hook_that_raises_is_logged_once_and_costs_nothing_else(
    client: Any, recording: Recording, no_log_records: list[logging.LogRecord]
) -> None:
    class Fails(Keeps):
        def on_completion(self, **kwargs: Any) -> None:
            super().on_completion(**kwargs)
            raise RuntimeError("the user's words")

    seen: list[Any] = []

    def on_response(_span: Any, _result: Any) -> None:
        seen.append(1)

    instrument(completion_hook=Fails(), capture_content=CAPTURE, response_hook=on_response)
    for _ in range(3):
        assert len(read_sync(client, "agent")) == 4
    assert (len(recording.spans()), len(details_of(recording)), seen) == (3, 3, [1, 1, 1])
    assert all(content(span)[INPUT] == HELLO for span in recording.spans())
    (record,) = no_log_records
    assert record.getMessage().startswith(
        "telemetry failed (completion_hook.on_completion): RuntimeError at "
    )
    no_log_records.clear()


def test_it_is_called_where_no_span_is_recorded_and_where_there_is_no_provider(
    emulator: Emulator,
) -> None:
    hook = Keeps()
    for provider in (TracerProvider(sampler=ALWAYS_OFF), None):
        instrument(tracer_provider=provider, completion_hook=hook)
        try:
            with Mistral(api_key="key", server_url=emulator.url) as client:
                read_sync(client, "answer")
        finally:
            uninstrument()
    assert [given["inputs"][0].parts for given in hook.calls] == [[TextPart("Hello?")]] * 2


def test_embeddings_are_not_told_as_in_the_rest_of_the_family(
    client: Any, recording: Recording
) -> None:
    hook = Keeps()
    instrument(completion_hook=hook, capture_content=CAPTURE)
    client.embeddings.create(model="mistral-embed", inputs="Hello?")
    assert (recording.started, hook.calls, recording.logs()) == (1, [], [])


def test_none_takes_it_out_again_and_nothing_leaves_it(client: Any, recording: Recording) -> None:
    hook = Keeps()
    instrument(completion_hook=hook)
    instrument()
    instrument(completion_hook=UNCHANGED)
    instrument(capture_content="span_only")
    read_sync(client, "answer")
    assert len(hook.calls) == 1
    instrument(completion_hook=None)
    read_sync(client, "answer")
    assert (len(hook.calls), recording.started) == (1, 2)


def test_a_hook_that_does_nothing_is_none(client: Any, recording: Recording) -> None:
    # What util-genai loads where the environment names no hook.
    instrument(completion_hook=load_completion_hook())
    read_sync(client, "answer")
    assert recording.started == 1
    telemetry = Switch.telemetry
    assert telemetry is not None
    assert not telemetry.always_reads
    assert not telemetry.content_on_spans
    assert telemetry.clean is telemetry.clean_whole
