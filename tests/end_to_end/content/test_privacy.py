# SPDX-License-Identifier: Apache-2.0
"""None of the user's words in any signal while capture is off; redacted when it is on."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai import ContentMode, instrument, uninstrument
from tests.support import names as s
from tests.support.agent_runs import STREAMED
from tests.support.conversations import Run
from tests.support.recording import Recording
from tests.support.telling import (
    BOTH,
    TELLING,
    TELLS_CALLS,
    asked,
    everything,
    failing,
    loop,
    rounds,
    served,
    telling,
)

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


def exception_on_span(recording: Recording) -> dict[str, Any]:
    """The attributes of the span's exception event."""
    (event,) = recording.the_span().events
    return dict(event.attributes or {})


def exception_in_log(recording: Recording) -> dict[str, Any]:
    """The attributes of the log event."""
    name = s.EXCEPTION_EVENT
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
    assert seen.keys() == {s.EXCEPTION_TYPE, s.EXCEPTION_STACKTRACE}
    assert seen[s.EXCEPTION_TYPE].endswith("SDKError")
    lines = seen[s.EXCEPTION_STACKTRACE].splitlines()
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
        assert (s.EXCEPTION_MESSAGE in attributes) == captured
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
    assert exception_on_span(recording).keys() == {s.EXCEPTION_TYPE}
    assert exception_in_log(recording).keys() == {s.EXCEPTION_TYPE}
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
    assert (s.EXCEPTION_MESSAGE in exception_on_span(recording)) == captured
    assert len(no_log_records) == warnings
    no_log_records.clear()


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
