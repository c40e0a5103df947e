# SPDX-License-Identifier: Apache-2.0
"""Whether the user's words may be recorded, past which redactor, and how much of them."""

from __future__ import annotations

import logging

import pytest

from opentelemetry.instrumentation.genai.mistralai._content.mode import (
    Content,
    ContentMode,
    Part,
    cleaner,
    mode_from_environment,
    to_json,
)
from tests.support import names as s
from tests.support.content import valid
from tests.support.fakes import PACKAGE

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
KIB_64 = 65_536
CUT = "…[cut]"


@pytest.fixture(autouse=True)
def log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(f"{PACKAGE}._log._reported", set[tuple[str, str]]())
    caplog.set_level(logging.DEBUG)
    return caplog


def test_without_the_variable_nothing_is_captured(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert mode_from_environment() is ContentMode.NO_CONTENT
    assert log.records == []


@pytest.mark.parametrize(
    "value", ["yes", "1", "true", "False", "span", "SPAN-ONLY", "span_only,event_only"]
)
def test_an_unknown_value_is_off_with_one_warning_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture, value: str
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert [mode_from_environment() for _ in range(3)] == [ContentMode.NO_CONTENT] * 3
    warning = (
        f"{VARIABLE}={value} is none of no_content, span_only, event_only, span_and_event:"
        " content is not captured"
    )
    assert [(record.levelname, record.getMessage()) for record in log.records] == [
        ("WARNING", warning)
    ]


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        ("", ContentMode.NO_CONTENT),
        ("  ", ContentMode.NO_CONTENT),
        ("no_content", ContentMode.NO_CONTENT),
        ("span_only", ContentMode.SPAN_ONLY),
        ("event_only", ContentMode.EVENT_ONLY),
        ("span_and_event", ContentMode.SPAN_AND_EVENT),
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

    redacted = [cleaner(redact)("the user's words") for _ in range(2)]
    messages = [record.getMessage() for record in log.records]
    assert (redacted, len(messages)) == ([None, None], 1)
    assert messages[0].startswith("telemetry failed (redact): ValueError at ")
    assert "words" not in messages[0]


@pytest.mark.parametrize("returned", [None, b"bytes", 7, ["text"]])
def test_a_redactor_that_returns_no_string_drops_the_text(
    returned: object, log: pytest.LogCaptureFixture
) -> None:
    safely = cleaner(lambda _: returned)
    assert [safely("the user's words"), safely("more")] == [None, None]
    assert [(record.levelname, record.getMessage()) for record in log.records] == [
        ("WARNING", "redact did not return a string; the text was dropped")
    ]


def test_a_redactor_sees_every_text_and_what_it_returns_is_recorded() -> None:
    safely = cleaner(lambda text: text.replace("secret", "***"))
    assert [safely("a secret"), safely("")] == ["a ***", ""]


def test_without_a_redactor_texts_stay_as_they_are() -> None:
    assert cleaner(None)("the user's words") == "the user's words"


# How much


def size(value: object) -> int:
    """Bytes of JSON, as on a span."""
    return len(to_json(value).encode())


def texts(count: int, each: str) -> list[Part]:
    return [{"type": "text", "content": each} for _ in range(count)]


def user(*parts: Part) -> Part:
    return {"role": "user", "parts": list(parts)}


def recorded_of(content: Content, *output: Part) -> dict[str, list[Part]]:
    told = {s.RESPONSE_FINISH_REASONS: ["stop"]}
    return content.structures([(list(output), None)] if output else [], told)


@pytest.mark.parametrize("character", ["a", "é", "€", "😀"])
def test_a_text_of_64_kib_is_whole_and_of_a_longer_one_the_cut_is_seen(character: str) -> None:
    width = len(character.encode())
    whole = character * (KIB_64 // width)
    assert cleaner(None)(whole) == whole
    for too_long in (whole + character, whole + "a" * width, whole * 20):
        cut = cleaner(None)(too_long) or ""
        assert KIB_64 - 4 < len(cut.encode()) <= KIB_64
        assert cut.endswith(CUT)
        assert too_long.startswith(cut[: -len(CUT)])


def test_redact_sees_the_whole_text_before_it_is_cut_and_may_make_it_longer() -> None:
    seen: list[str] = []

    def redact(text: str) -> str:
        seen.append(text)
        return text.replace("secret", "[redacted]")

    # What is across the cut must not be left in half.
    for before in range(KIB_64 - 20, KIB_64 + 2):
        cleaned = cleaner(redact)("a" * before + "secret" * 20) or ""
        assert len(seen.pop()) == before + 120
        assert "s" not in cleaned
        assert cleaned.endswith(CUT)
        assert len(cleaned.encode()) <= KIB_64


def test_half_a_character_is_replaced_so_that_it_can_be_exported() -> None:
    def redact(text: str) -> str:
        return text + "\ud800"

    assert (cleaner(None)("a\ud800"), cleaner(redact)("a")) == ("a?", "a?")
    assert len((cleaner(redact)("\ud83d" * KIB_64 * 2) or "").encode()) <= KIB_64


def test_content_is_what_it_is_by_its_attributes_names() -> None:
    content = Content([user(*texts(1, "a"))], texts(1, "b"), [{"type": "x", "name": "x"}])
    given: dict[str, list[Part]] = {
        s.OUTPUT_MESSAGES: [{"role": "assistant", "parts": texts(1, "c"), "finish_reason": "stop"}],
        s.SYSTEM_INSTRUCTIONS: texts(1, "b"),
        s.TOOL_DEFINITIONS: [{"type": "x", "name": "x"}],
        s.INPUT_MESSAGES: [user(*texts(1, "a"))],
    }
    assert recorded_of(content, *texts(1, "c")) == given
    given[s.OUTPUT_MESSAGES][0]["finish_reason"] = "error"
    failed = {s.ERROR_TYPE: "500"}
    assert content.structures([(texts(1, "c"), None)], failed) == given
    # The caller left: the model might have gone on.
    del given[s.OUTPUT_MESSAGES][0]["finish_reason"]
    assert content.structures([(texts(1, "c"), None)], {}) == given
    assert content.structures([(texts(1, "c"), "")], failed) == given
    del given[s.OUTPUT_MESSAGES]
    assert content.structures([([], None)], {}) == recorded_of(content) == given
    assert recorded_of(Content([], [], [])) == {}


BIG = texts(7, "a" * KIB_64)


@pytest.mark.parametrize(
    ("messages", "instructions", "tools", "output"),
    [
        ([user(*BIG, *BIG)], [], [], texts(1, "b")),
        ([user(part) for part in BIG * 2], texts(1, "c"), [], texts(1, "b")),
        ([user(*BIG)], texts(1, "c"), [{"type": "x", "name": "x"}], BIG * 2),
        ([user(*texts(1, "c"))], BIG, [{"type": "x", "name": "x"}] * 100_000, BIG),
        ([user(*texts(1, "c"))], [], [], texts(20_000, "b")),
        ([user(*texts(1, "c"))], [], [], texts(9, "\0" * KIB_64)),
        ([user(*texts(1, "c"))], [], [], [{"type": "x", "y": [["€"] * 1000] * 200}]),
    ],
)
def test_all_content_of_a_span_is_512_kib_at_most_and_what_is_left_out_is_seen(
    messages: list[Part], instructions: list[Part], tools: list[Part], output: list[Part]
) -> None:
    given = {
        s.OUTPUT_MESSAGES: output,
        s.SYSTEM_INSTRUCTIONS: instructions,
        s.TOOL_DEFINITIONS: tools,
        s.INPUT_MESSAGES: messages,
    }
    recorded = recorded_of(Content(messages, instructions, tools), *output)
    assert sum(size(value) for value in recorded.values()) <= 8 * KIB_64
    # Nothing disappears without a trace, and what is said of it conforms to the schemas.
    assert recorded.keys() == {key for key, value in given.items() if value}
    assert CUT in to_json(recorded)
    for key, value in recorded.items():
        valid(key, value)


def test_the_answer_is_kept_before_the_question() -> None:
    answer = {"role": "assistant", "parts": BIG, "finish_reason": "stop"}
    recorded = recorded_of(Content([user(*BIG)], texts(1, "c"), []), *BIG)
    assert recorded[s.OUTPUT_MESSAGES] == [answer]
    assert recorded[s.SYSTEM_INSTRUCTIONS] == texts(1, "c")
    (question,) = recorded[s.INPUT_MESSAGES]
    assert question["parts"] == texts(1, CUT)


@pytest.mark.parametrize("length", range(0, 60, 3))
def test_messages_are_left_out_only_after_one_that_says_so(length: int) -> None:
    messages = [user(*texts(1, "a" * length)) for _ in range(8 * KIB_64 // 50)]
    kept = recorded_of(Content(messages, [], []))[s.INPUT_MESSAGES]
    assert len(kept) < len(messages)
    assert kept[:-1] == messages[: len(kept) - 1]
    assert kept[-1]["parts"][-1]["content"] == CUT
