# SPDX-License-Identifier: Apache-2.0
"""request_hook and response_hook: called once, with what they were promised, harming nobody."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import _log as _guard
from opentelemetry.instrumentation.genai.mistralai import instrument
from tests.support import names as s
from tests.support.conversations import Run
from tests.support.programs import run as run_program
from tests.support.recording import Recording, plain


@pytest.fixture(autouse=True)
def first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been logged yet in this process."""
    monkeypatch.setattr(_guard, "_reported", set[tuple[str, str]]())


def test_hooks_are_called_once_with_what_the_call_says(
    client: Any, run: Run, recording: Recording
) -> None:
    seen: list[Any] = []

    def on_request(span: Any, kwargs: Mapping[str, Any]) -> None:
        assert span.is_recording()
        seen.append((dict(span.attributes)[s.OPERATION_NAME], kwargs["inputs"]))
        span.set_attribute("mine.request", "yes")

    def on_response(span: Any, closing: Any) -> None:
        assert span.is_recording()
        seen.append((dict(span.attributes)[s.STREAM_OUTCOME], closing.event))
        span.set_attribute(s.STREAM_OUTCOME, "mine")

    instrument(request_hook=on_request, response_hook=on_response)
    run(client, "agent")
    assert seen == [("chat", "Hello?"), ("completed", "conversation.response.done")]
    attributes = recording.span().attributes
    assert (attributes["mine.request"], attributes[s.STREAM_OUTCOME]) == ("yes", "mine")


@pytest.mark.parametrize(
    ("scenario", "closing"),
    [
        ("error_event", "conversation.response.error"),
        ("error_then_done", "conversation.response.error"),
        ("no_done", None),
        ("http_400", None),
        ("cut", None),
    ],
)
def test_the_response_hook_gets_the_closing_event_or_none(
    client: Any, run: Run, recording: Recording, scenario: str, closing: str | None
) -> None:
    seen: list[Any] = []
    instrument(response_hook=lambda _span, result: seen.append(result))
    try:
        run(client, scenario)
    except Exception:  # noqa: BLE001 -- compared elsewhere
        assert scenario in ("http_400", "cut")
    assert [event and event.event for event in seen] == [closing]
    assert recording.the_span().status.status_code.name == "ERROR"


def test_hooks_that_raise_are_logged_once_and_harm_nobody(
    client: Any,
    run: Run,
    recording: Recording,
    no_log_records: list[logging.LogRecord],
) -> None:
    def fails(_span: Any, _argument: Any) -> None:
        raise RuntimeError("the user's words")

    instrument(request_hook=fails, response_hook=fails)
    events = [run(client, "agent") for _ in range(3)]
    assert [len(read) for read in events] == [4, 4, 4]
    spans = [plain(span) for span in recording.finished()]
    assert recording.started == len(spans) == 3
    assert {(span.status, len(span.events)) for span in spans} == {("UNSET", 0)}
    messages = [record.getMessage() for record in no_log_records]
    assert [message.split(":")[0] for message in messages] == [
        "telemetry failed (request_hook(span, kwargs))",
        "telemetry failed (response_hook(span, result))",
    ]
    assert not any("words" in message for message in messages)
    no_log_records.clear()


def test_a_hook_cannot_change_the_request(
    client: Any,
    emulator: Emulator,
    run: Run,
    recording: Recording,
    no_log_records: list[logging.LogRecord],
) -> None:
    def meddles(_span: Any, kwargs: Any) -> None:
        kwargs["inputs"] = "Something else"

    instrument(request_hook=meddles)
    run(client, "agent")
    assert [request.body["inputs"] for request in emulator.requests] == ["Hello?"]
    assert recording.span().status == "UNSET"
    assert len(no_log_records) == 1
    no_log_records.clear()


def test_hooks_are_not_called_for_spans_that_are_not_recorded(emulator: Emulator) -> None:
    source = """
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
        def hook(span, argument):
            emit("called")
        provider = TracerProvider(sampler=ALWAYS_OFF)
        instrument(tracer_provider=provider, request_hook=hook, response_hook=hook)
        assert len(list(start())) == 4
    """
    ran = run_program(source, emulator.url)
    assert (ran.code, ran.stderr, ran.lines) == (0, "", [])
