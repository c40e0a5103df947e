# SPDX-License-Identifier: Apache-2.0
"""Named events of the Responses API, transcription and speech on a fake clock."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import pytest

from opentelemetry.instrumentation.genai.mistralai._recording.responses import ResponseRecorder
from tests.support import names as s
from tests.support.fake_completions import ID, Shape, Told, event, tokens
from tests.support.fake_events import MODEL, UNSET, Event, Unknown

Make = partial(Told, kind=ResponseRecorder)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    return Make(monkeypatch)


def responds(status: str, **more: Any) -> Event:
    fields: dict[str, Any] = {"id": ID, "model": MODEL, "status": status, "output": [], **more}
    return event(f"response.{status}", response=Shape(**fields))


AUDIO = event("speech.audio.delta", audio_data="AAAA")
STARTED = event("response.created", response=Shape(id=ID, model=MODEL, status="in_progress"))
LIMIT, ERROR = Shape(reason="max_output_tokens"), Shape(code="server_error", message="about you")
CALL = Shape(type="function_call", arguments="{}")
# The last event, how the stream ended, the finish reasons, and why it failed.
ENDS_OF_OTHERS: list[tuple[Event, str, list[str] | None, str | None]] = [
    (event("transcription.done", model=MODEL, text="Hi", usage=tokens()), "completed", None, None),
    (event("speech.audio.done", usage=tokens()), "completed", None, None),
    (responds("completed", usage=tokens()), "completed", ["stop"], None),
    (responds("completed", output=[CALL]), "completed", ["tool_call"], None),
    (responds("incomplete", incomplete_details=LIMIT), "completed", ["max_output_tokens"], None),
    (responds("failed", error=ERROR), "failed", None, "server_error"),
    (event("error", code="rate_limited", message="you"), "failed", None, "rate_limited"),
    (event("error", code="about you"), "failed", None, "_OTHER"),
    (Event("error", Unknown({"type": "error", "code": 500})), "failed", None, "500"),
]


@pytest.mark.parametrize(("last", "outcome", "reasons", "error"), ENDS_OF_OTHERS)
def test_audio_and_responses_say_that_they_are_done(
    told: Told, last: Event, outcome: str, reasons: Any, error: str | None
) -> None:
    told.receives(STARTED, AUDIO, last)
    # A failure is the last word; usage may still come after all else.
    assert bool(told.call.endings) == (outcome == "failed")
    told.recorder.exhausted()
    ended = told.end()
    assert (ended.at, ended.outcome, ended.first_chunk) == (0.4, outcome, 0.3)
    assert ended.attributes.get(s.RESPONSE_FINISH_REASONS) == reasons
    assert ended.failure == (None if error is None else (error, {}, None))
    assert ended.closing is last
    assert ended.attributes[s.RESPONSE_ID] == ID


def test_a_stream_that_said_neither_done_nor_error_has_nothing_for_the_hook(told: Told) -> None:
    told.receives(STARTED, AUDIO)
    told.recorder.left("closed")
    assert told.end().closing is None


def read(named: str, **response: Any) -> Event:
    return event(f"response.{named}", response=Shape(id=ID, model=MODEL, **response))


@pytest.mark.parametrize("status", [None, UNSET, "in_progress", "failed"])
@pytest.mark.parametrize(
    ("named", "outcome", "reasons"),
    [("completed", "completed", ["stop"]), ("incomplete", "completed", ["incomplete"])],
)
def test_the_event_says_that_a_response_is_done_whatever_its_status(
    told: Told, named: str, outcome: str, reasons: list[str] | None, status: Any
) -> None:
    told.receives(STARTED, read(named, status=status, output=[]))
    told.recorder.exhausted()
    ended = told.end()
    assert (ended.outcome, ended.failure) == (outcome, None)
    assert ended.attributes.get(s.RESPONSE_FINISH_REASONS) == reasons


@pytest.mark.parametrize("status", [None, "in_progress", "completed"])
def test_the_event_says_that_a_response_failed_whatever_its_status(told: Told, status: Any) -> None:
    told.receives(STARTED, read("failed", status=status, error=ERROR))
    assert told.end().failure == ("server_error", {}, None)


@pytest.mark.parametrize("named", ["created", "in_progress"])
def test_a_response_that_is_under_way_is_not_done_whatever_its_status(
    told: Told, named: str
) -> None:
    told.receives(read(named, status="completed", output=[]))
    told.recorder.exhausted()
    ended = told.end()
    assert (ended.outcome, ended.failure) == ("failed", ("incomplete_stream", {}, None))
    assert ended.attributes[s.RESPONSE_ID] == ID


THOUGHT = Shape(type="reasoning", summary=[], content=[Shape(type="reasoning_text", text="Hm")])
SUMMARY = Shape(type="reasoning", summary=[Shape(type="summary_text", text="Hm")], content=UNSET)
MESSAGE = Shape(type="message", content=[])
SPOKEN = Shape(type="message", content=[Shape(type="output_text", text="Hi")])
# Events in order, and which of them (from 0) is the first that brings output.
FIRST_CHUNKS: dict[str, tuple[list[Event], int | None]] = {
    "a function call": ([event("response.output_item.added", item=CALL)], 0),
    "a message that is empty still": (
        [
            event("response.output_item.added", item=MESSAGE),
            event("response.output_text.delta"),
            event("response.output_text.delta", delta="Hi"),
        ],
        2,
    ),
    "an item without deltas": ([event("response.output_item.done", item=SPOKEN)], 0),
    "an empty thought": ([event("response.reasoning_text.delta", delta="")], None),
    "no sound": ([event("speech.audio.delta", audio_data="")], None),
    "a summary": ([event("response.output_item.done", item=SUMMARY)], 0),
    "a part without deltas": ([event("response.content_part.done", part=Shape(text="Hi"))], 0),
    "a text without deltas": ([event("response.output_text.done", text="Hi")], 0),
    "no text": ([event("response.output_text.done", text="")], None),
    "a thought without deltas": ([event("response.reasoning_text.done", text="Hm")], 0),
    "arguments without deltas": (
        [event("response.function_call_arguments.done", arguments="{}")],
        0,
    ),
    "nothing but the whole response": ([responds("completed", output=[SPOKEN])], 0),
    "nothing at all": ([responds("completed", output=[])], None),
    "a segment": ([event("transcription.segment", text="Hi", start=0.0, end=1.0)], 0),
    "nothing but the whole text": ([event("transcription.done", text="Hi")], 0),
    "silence": ([event("transcription.language"), event("transcription.done", text="")], None),
}


@pytest.mark.parametrize("name", FIRST_CHUNKS)
def test_the_first_chunk_is_the_first_content_or_tool_call(told: Told, name: str) -> None:
    events, first = FIRST_CHUNKS[name]
    told.receives(STARTED, *events, AUDIO if first is not None else STARTED)
    told.recorder.left("closed")
    assert told.end().first_chunk == (None if first is None else pytest.approx(0.3 + first / 10))


def test_what_deltas_told_is_no_chunk_when_it_is_told_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Make(monkeypatch, chunk_times=True)
    told.receives(
        event("response.output_text.delta", delta="H"),
        event("response.output_text.delta", delta="i"),
        event("response.output_text.done", text="Hi"),
        event("response.output_item.done", item=SPOKEN),
        responds("completed", output=[SPOKEN]),
    )
    ((_, seconds),) = told.call.chunks
    assert seconds == pytest.approx(0.1)


SAID: Final[list[dict[str, Any]]] = [
    {"type": "reasoning", "content": "Hm"},
    {"type": "text", "content": "Hi"},
]
SPEAKS = (
    event("response.reasoning_text.delta", item_id="1", delta="H"),
    event("response.reasoning_text.delta", item_id="1", delta="m"),
    event("response.output_text.delta", item_id="2", delta="Hi"),
)
CALLED: Final[dict[str, Any]] = {"type": "tool_call", "id": None, "name": "", "arguments": {}}
HEARD: Final[list[dict[str, Any]]] = [{"type": "text", "content": "Hi"}]
# Events, and what they say: the parts of the one message, and why it is finished.
SAYINGS: dict[str, tuple[list[Event], list[dict[str, Any]], str]] = {
    "a thought in deltas": ([*SPEAKS], SAID, ""),
    "whole": ([responds("completed", output=[THOUGHT, SPOKEN])], SAID, "stop"),
    "a summary": ([responds("completed", output=[SUMMARY, SPOKEN])], SAID, "stop"),
    "incomplete": ([*SPEAKS, responds("incomplete", incomplete_details=LIMIT, output=[SPOKEN])],
                   HEARD, "max_output_tokens"),
    "incomplete, no reason": ([*SPEAKS, responds("incomplete")], SAID, "incomplete"),
    "incomplete, in a call": (
        [responds("incomplete", incomplete_details=LIMIT, output=[CALL, SPOKEN])],
        [CALLED, *HEARD], "max_output_tokens"),
    "transcribed in deltas": ([event("transcription.text.delta", text="Hi"),
                               event("transcription.done", text="Hi")], HEARD, "stop"),
    "transcribed in segments": ([event("transcription.segment", text="Hi"),
                                 event("transcription.done", text="Hi")], HEARD, "stop"),
    "transcribed in part": ([event("transcription.text.delta", text="Hi")], HEARD, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", SAYINGS)
def test_what_was_said_and_why_it_is_finished(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    events, parts, reason = SAYINGS[name]
    told = Make(monkeypatch, str)
    told.receives(*events)
    told.recorder.left("closed")
    assert told.call.said == [[(parts, reason)]]


@pytest.mark.parametrize(
    ("response", "parts", "reason"),
    [
        (Shape(status="completed", output=[THOUGHT, SPOKEN]), SAID, "stop"),
        (Shape(status="queued", output=[SPOKEN]), HEARD, "queued"),
        (Shape(output=[SPOKEN]), HEARD, "stop"),
        (Shape(status="failed", output=[SPOKEN]), HEARD, "error"),
        (Shape(text="Hi", model=MODEL, usage=tokens()), HEARD, "stop"),
    ],
)
def test_what_a_whole_response_says(
    monkeypatch: pytest.MonkeyPatch, response: Shape, parts: Any, reason: str
) -> None:
    told = Make(monkeypatch, str)
    told.recorder.on_response(response)
    assert told.call.said == [[(parts, reason)]]
    assert told.end().outcome is None


def test_an_error_after_the_last_word_is_not_looked_at(told: Told) -> None:
    last = responds("completed")
    told.receives(STARTED, last, event("error", code="late"), read("failed"))
    told.recorder.exhausted()
    ended = told.end()
    assert (ended.outcome, ended.failure, ended.closing) == ("completed", None, last)
