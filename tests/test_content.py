# SPDX-License-Identifier: Apache-2.0
"""Whether the user's words may be recorded: off unless asked for, and never past a redactor."""

from __future__ import annotations

import logging

import pytest

from opentelemetry.instrumentation.genai.mistralai._content import (
    ContentMode,
    mode_from_environment,
    redactor,
)
from tests.fakes import PACKAGE

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@pytest.fixture(autouse=True)
def log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(f"{PACKAGE}._guard._reported", set[tuple[str, str]]())
    caplog.set_level(logging.DEBUG)
    return caplog


def test_without_the_variable_nothing_is_captured(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert mode_from_environment() is ContentMode.NO_CONTENT
    assert log.records == []


@pytest.mark.parametrize("value", ["yes", "1", "span", "SPAN-ONLY", "span_only,event_only"])
def test_an_unknown_value_is_off_with_one_warning_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture, value: str
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert [mode_from_environment() for _ in range(3)] == [ContentMode.NO_CONTENT] * 3
    assert [(record.levelname, record.getMessage()) for record in log.records] == [
        ("WARNING", f"{VARIABLE} has an unknown value; content is not captured")
    ]


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        ("", ContentMode.NO_CONTENT),
        ("false", ContentMode.NO_CONTENT),
        ("no_content", ContentMode.NO_CONTENT),
        ("span_only", ContentMode.SPAN_ONLY),
        ("event_only", ContentMode.EVENT_ONLY),
        ("span_and_event", ContentMode.SPAN_AND_EVENT),
        ("true", ContentMode.SPAN_AND_EVENT),
        (" Span_And_Event\n", ContentMode.SPAN_AND_EVENT),
    ],
)
def test_a_known_value_is_taken_without_a_word(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture, value: str, mode: ContentMode
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert (mode_from_environment(), log.records) == (mode, [])


def test_a_mode_says_where_content_goes() -> None:
    assert {mode.value: (mode.on_spans, mode.on_events) for mode in ContentMode} == {
        "no_content": (False, False),
        "span_only": (True, False),
        "event_only": (False, True),
        "span_and_event": (True, True),
    }


def test_a_raising_redactor_drops_the_text_with_one_line_that_does_not_repeat_it(
    log: pytest.LogCaptureFixture,
) -> None:
    def redact(text: str) -> str:
        raise ValueError(text)

    redacted = [redactor(redact)("the user's words") for _ in range(2)]
    messages = [record.getMessage() for record in log.records]
    assert (redacted, len(messages)) == ([None, None], 1)
    assert messages[0].startswith("telemetry failed (redact): ValueError at ")
    assert "words" not in messages[0]


@pytest.mark.parametrize("returned", [None, b"bytes", 7, ["text"]])
def test_a_redactor_that_returns_no_string_drops_the_text(
    returned: object, log: pytest.LogCaptureFixture
) -> None:
    safely = redactor(lambda _: returned)
    assert [safely("the user's words"), safely("more")] == [None, None]
    assert [(record.levelname, record.getMessage()) for record in log.records] == [
        ("WARNING", "redact did not return a string; the text was dropped")
    ]


def test_a_redactor_sees_every_text_and_what_it_returns_is_recorded() -> None:
    safely = redactor(lambda text: text.replace("secret", "***"))
    assert [safely("a secret"), safely("")] == ["a ***", ""]


def test_without_a_redactor_texts_stay_as_they_are() -> None:
    assert redactor(None)("the user's words") == "the user's words"
