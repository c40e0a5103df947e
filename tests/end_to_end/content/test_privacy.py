# SPDX-License-Identifier: Apache-2.0
"""None of the user's words in any signal while capture is off; redacted when it is on."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, Final

import pytest

from emulator.outputs import conversation_response
from opentelemetry.instrumentation.genai.mistralai import ContentMode, instrument, uninstrument
from tests.end_to_end.conftest import Run, read_sync
from tests.support import sdk
from tests.support.agent_runs import MODEL, STREAMED, RunException, prepared
from tests.support.agent_runs import run as run_loop
from tests.support.recording import Recording

TELLING = "xyzzy-telling"
WORDS: dict[str, Any] = {
    "inputs": f"{TELLING}-input",
    "instructions": f"{TELLING}-instruction",
    "description": f"{TELLING}-description",
    "name": f"{TELLING}-name",
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": f"{TELLING}-tool",
                "parameters": {"type": "object", "properties": {f"{TELLING}-parameter": {}}},
            },
        }
    ],
}
SCENARIOS = [
    "answer", "function_call", "web_search", "error_event", "error_then_done", "broken_json",
    "html", "http_400", "http_401", "http_422", "http_500", "done_rejected", "unknown_event",
    "connectors", "cut",
]  # fmt: skip


def everything(recording: Recording, records: list[logging.LogRecord]) -> str:
    """All signals as one text."""
    spans = [span.to_json() for span in recording.finished()]
    logs = [record.getMessage() + str(record.exc_info) for record in records]
    events = [repr(vars(record)) for record in recording.logs()]
    return "\n".join([*spans, repr(recording.metrics()), *logs, *events])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_with_capture_off_no_word_of_the_users_is_in_any_signal(
    client: Any,
    run: Run,
    recording: Recording,
    scenario: str,
    no_log_records: list[logging.LogRecord],
) -> None:
    try:
        run(client, scenario, **WORDS)
    except Exception as exc:  # noqa: BLE001 -- what is raised is the matter of another test
        # Without this the test could not fail: some errors do repeat the user's words.
        repeats = TELLING in str(exc)
    else:
        repeats = False
    assert repeats or scenario not in {"http_400", "http_401", "http_422", "http_500", "html"}
    assert recording.spans()
    assert TELLING not in everything(recording, no_log_records)


def failing(client: Any) -> None:
    """A call that is refused with a body that repeats the input."""
    with pytest.raises(Exception, match=TELLING):
        read_sync(client, "http_400", inputs=f"{TELLING}-input")


def exception_on_span(recording: Recording) -> dict[str, Any]:
    """The attributes of the span's exception event."""
    (event,) = recording.the_span().events
    return dict(event.attributes or {})


def exception_in_log(recording: Recording) -> dict[str, Any]:
    """The attributes of the log event."""
    name = "gen_ai.client.operation.exception"
    (record,) = [record for record in recording.logs() if record.event_name == name]
    assert record.severity_number is not None
    assert record.severity_number.value == 13
    context: Any = recording.the_span().get_span_context()
    assert (record.trace_id, record.span_id) == (context.trace_id, context.span_id)
    return dict(record.attributes or {})


def test_an_exception_without_capture_has_its_type_and_frames(
    client: Any, recording: Recording
) -> None:
    failing(client)
    seen = exception_on_span(recording)
    assert seen == exception_in_log(recording)
    assert seen.keys() == {"exception.type", "exception.stacktrace"}
    assert seen["exception.type"].endswith("SDKError")
    lines = seen["exception.stacktrace"].splitlines()
    assert lines
    assert all(line.startswith('  File "') and ", line " in line for line in lines)
    assert any(line.endswith("in start_stream") for line in lines)


@pytest.mark.parametrize(
    ("mode", "on_span", "on_event"),
    [
        (ContentMode.SPAN_ONLY, True, False),
        ("event_only", False, True),
        ("SPAN_AND_EVENT", True, True),
        ("no_content", False, False),
    ],
)
def test_capture_says_where_an_exceptions_words_may_go(
    client: Any, recording: Recording, mode: Any, on_span: bool, on_event: bool
) -> None:
    instrument(capture_content=mode)
    failing(client)
    for seen, captured in ((exception_on_span, on_span), (exception_in_log, on_event)):
        attributes = seen(recording)
        assert ("exception.message" in attributes) == captured
        assert (TELLING in repr(attributes)) == captured


def test_redact_sees_every_text_first(client: Any, recording: Recording) -> None:
    instrument(capture_content="span_only", redact=lambda text: text.replace(TELLING, "[redacted]"))
    failing(client)
    seen = repr(exception_on_span(recording))
    assert "[redacted]-input" in seen
    assert TELLING not in seen


def test_a_redact_that_raises_drops_the_text_and_is_logged_once(
    client: Any, recording: Recording, no_log_records: list[logging.LogRecord]
) -> None:
    def redact(text: str) -> str:
        raise ValueError(text)

    instrument(capture_content="span_and_event", redact=redact)
    failing(client)
    assert exception_on_span(recording).keys() == {"exception.type"}
    assert exception_in_log(recording).keys() == {"exception.type"}
    assert [record.getMessage().split(" at ")[0] for record in no_log_records] == [
        "telemetry failed (redact): ValueError"
    ]
    no_log_records.clear()


@pytest.mark.parametrize(
    ("value", "captured", "warnings"),
    [("span_only", True, 0), ("TRUE", False, 1), ("false", False, 1), ("", False, 0),
     ("everything", False, 1)],
)  # fmt: skip
def test_the_environment_decides_where_the_argument_does_not(
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
    no_log_records: list[logging.LogRecord],
    value: str,
    captured: bool,
    warnings: int,
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", value)
    recording = Recording()
    instrument(**recording.providers)
    try:
        failing(client)
    finally:
        uninstrument()
    assert ("exception.message" in exception_on_span(recording)) == captured
    assert len(no_log_records) == warnings
    no_log_records.clear()


Payload = dict[str, Any]
AT: Final = "2026-11-01T12:00:00.000000Z"
TOOL: Final = {"id": "tool_1", "name": "web_search", "output_index": 0}
HANDOFF: Final = {"id": "handoff_1", "output_index": 1}
CALL: Final = {"id": "fc_1", "name": "get_weather", "tool_call_id": "call_1", "output_index": 3}
SAY: Final = {"id": "msg_1", "output_index": 2, "content_index": 0, "role": "assistant",
              "model": MODEL}  # fmt: skip
STARTED: Final = {"type": "conversation.response.started", "conversation_id": "conv_1"}
DONE: Final = {
    "type": "conversation.response.done",
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
}
# SDK 1.8 knows no arguments of tools, and takes no function calls as inputs.
TELLS_CALLS: Final = sdk.VERSION >= (1, 9)


def telling(place: str) -> str:
    """A word that tells where it was found."""
    return f"{TELLING}-{place}"


def arguments(place: str) -> str:
    return json.dumps({telling(f"{place}-key"): telling(place)})


def call() -> Payload:
    return {"type": "function.call.delta", **CALL, "arguments": f'{{"city": "{telling("call")}"}}'}


def rounds() -> list[Payload]:
    """A conversation with the user's words wherever the API may put them."""
    search = arguments("argument")
    handed = {"type": "agent.handoff.done", **HANDOFF, "next_agent_id": "ag_2"}
    say = {"type": "message.output.delta", **SAY}
    link = {"url": f"https://{telling('url')}.example", "description": telling("never-description")}
    found = {"type": "tool_reference", "tool": "web_search", "title": telling("title"), **link}
    return [
        STARTED,
        {"type": "tool.execution.started", **TOOL, "arguments": "" if TELLS_CALLS else search},
        *([{"type": "tool.execution.delta", **TOOL, "arguments": search}] * TELLS_CALLS),
        {"type": "tool.execution.done", **TOOL, "info": {telling("info-key"): telling("info")}},
        {"type": "agent.handoff.started", **HANDOFF, "previous_agent_id": "ag_1",
         "previous_agent_name": "first"},
        {**handed, "next_agent_name": "second"},
        {**say, "content": telling("text")},
        {**say, "content": {"type": "text", "text": telling("chunk")}},
        {**say, "content": found},
        {**say, "content": {"type": "image_url", "image_url": f"https://{telling('image')}.example"}},
        {**say, "content": {"type": "document_url", "document_url": telling("document"),
                            "document_name": telling("never-name")}},
        {**say, "content": {"type": "tool_file", "tool": "image_generation", "file_id": "file_1",
                            "file_name": telling("never-file")}},
        call(),
        DONE,
    ]  # fmt: skip


# Before 2.0 conversations have no metadata.
METADATA: Final = {"metadata": {telling("never-key"): telling("never-metadata")}}
REQUEST: Final[dict[str, Any]] = {
    "model": MODEL,
    "name": telling("never-conversation"),
    "description": telling("never-description"),
    "instructions": telling("instruction"),
    "tools": [{"type": "function", "function": {
        "name": "get_weather", "description": telling("never-tool"),
        "parameters": {"type": "object", "properties": {telling("never-parameter"): {}}}}}],
    "completion_args": {
        "stop": "END",
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "x", "schema": {"description": telling("never-schema")}}},
    },
    "inputs": [
        {"role": "user", "content": telling("input")},
        {"role": "user", "content": [
            {"type": "text", "text": telling("input-chunk")},
            {"type": "image_url", "image_url": f"https://{telling('input-image')}.example"}]},
        *([{"type": "function.call", "tool_call_id": "call_1", "name": "f",
            "arguments": arguments("input-call")}] * TELLS_CALLS),
        {"type": "function.result", "tool_call_id": "call_1", "result": telling("result")},
    ],
    **(METADATA if sdk.VERSION >= (2,) else {}),
}  # fmt: skip


def asked(client: Any, *, streamed: bool, **changed: Any) -> Any:
    """A start that is full of the user's words; to the end of its stream, if it has one."""
    if not streamed:
        return client.beta.conversations.start(**{**REQUEST, **changed})
    return list(client.beta.conversations.start_stream(**{**REQUEST, **changed}))


def served(*answers: list[Payload], sent: list[Any] | None = None) -> Any:
    """A client whose requests are answered with these events in turn, as a stream or not."""
    left = list(answers)

    def handle(request: Any) -> Any:
        body = json.loads(request.content)
        if sent is not None:
            sent.append(body)
        payloads = [{"created_at": AT, **payload} for payload in left.pop(0)]
        if not body.get("stream"):
            if "code" in payloads[-1]:
                return sdk.httpx.Response(400, json=payloads[-1])
            return sdk.httpx.Response(200, json=conversation_response("conv_1", payloads))
        lines = [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in payloads]
        kind = {"content-type": "text/event-stream"}
        return sdk.httpx.Response(200, text="".join(lines), headers=kind)

    transport = sdk.httpx.MockTransport(handle)
    return sdk.Mistral(
        api_key="key",
        client=sdk.httpx.Client(transport=transport),
        async_client=sdk.httpx.AsyncClient(transport=transport),
    )


ANSWER: Final[list[Payload]] = [
    STARTED,
    {"type": "message.output.delta", **SAY, "content": "a"},
    DONE,
]
BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["response", "stream"])


async def loop(recorded: Callable[..., Any], *, streamed: bool, fails: bool = False) -> None:
    """An agent loop whose function takes and returns the user's words, or raises them."""

    def get_weather(city: str) -> str:
        """Tells the weather."""
        assert city == telling("call")
        recorded()
        if fails:
            raise ValueError(telling("exception"))
        return telling("local-result")

    context = prepared(get_weather, continue_on_fn_error=False)
    client = served([STARTED, call(), DONE], ANSWER)
    try:
        inputs = telling("loop-input")
        await run_loop(client.beta.conversations, context, streamed=streamed, inputs=inputs)
    except RunException:
        assert fails


@BOTH
def test_a_conversation_full_of_words(
    recording: Recording, no_log_records: list[logging.LogRecord], *, streamed: bool
) -> None:
    sent: list[Any] = []
    with served(rounds(), sent=sent) as client:
        answer = asked(client, streamed=streamed)
    # Without these the test could not fail.
    assert json.dumps(sent).count(TELLING) >= (12 if TELLS_CALLS else 10)
    assert str(answer).count(TELLING) >= 8
    names = {span.name for span in recording.spans()}
    assert names >= {"execute_tool web_search", "execute_tool agent_handoff second"}
    assert TELLING not in everything(recording, no_log_records)


@BOTH
def test_a_conversation_that_fails(
    recording: Recording, no_log_records: list[logging.LogRecord], *, streamed: bool
) -> None:
    error = {"type": "conversation.response.error", "message": telling("error"), "code": 500}
    with served([*rounds()[:-1], error]) as client:
        try:
            asked(client, streamed=streamed)
        except Exception as exc:  # noqa: BLE001 -- which one differs by line
            assert TELLING in str(exc)  # noqa: PT017 -- a stream ends without
    assert "ERROR" in {span.status.status_code.name for span in recording.spans()}
    assert TELLING not in everything(recording, no_log_records)


@STREAMED
@pytest.mark.parametrize("fails", [False, True], ids=["returns", "raises"])
async def test_an_agent_loop(
    recording: Recording, no_log_records: list[logging.LogRecord], *, streamed: bool, fails: bool
) -> None:
    calls: list[None] = []
    await loop(lambda: calls.append(None), streamed=streamed, fails=fails)
    assert len(calls) == 1
    names = [span.name for span in recording.spans()]
    assert "execute_tool get_weather" in names
    assert TELLING not in everything(recording, no_log_records)


@pytest.mark.parametrize(
    ("mode", "on_spans", "on_events"),
    [("span_only", True, False), ("event_only", False, True), ("span_and_event", True, True)],
)
@BOTH
def test_words_are_only_where_they_are_wanted(
    recording: Recording, mode: str, *, on_spans: bool, on_events: bool, streamed: bool
) -> None:
    instrument(capture_content=mode)
    with served(rounds()) as client:
        asked(client, streamed=streamed)
    asyncio.run(loop(lambda: None, streamed=streamed, fails=True))
    spans = "".join(span.to_json() for span in recording.spans())
    events = "".join(repr(vars(record)) for record in recording.logs())
    assert (TELLING in spans, TELLING in events) == (on_spans, on_events)
    assert TELLING not in repr(recording.metrics())
    assert telling("never") not in spans + events
