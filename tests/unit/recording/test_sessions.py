# SPDX-License-Identifier: Apache-2.0
"""What each event of a realtime session means, in any shape that the SDK or a server has for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pytest

from opentelemetry.instrumentation.genai.mistralai._reading.fields import fields_of
from opentelemetry.instrumentation.genai.mistralai._reading.requests import Request
from opentelemetry.instrumentation.genai.mistralai._recording import recorder as _recorder
from opentelemetry.instrumentation.genai.mistralai._recording import sessions
from opentelemetry.instrumentation.genai.mistralai._recording.sessions import SessionRecorder
from tests.support import names as s
from tests.support.fakes import FakeCall, FakeClock

USED: Final = {"prompt_tokens": 4, "completion_tokens": 8, "prompt_audio_seconds": 2}


class Event:
    """An event, as the SDK's models are to us: fields by name."""

    def __init__(self, kind: object, **fields: Any) -> None:
        vars(self).update(type=kind, **fields)


class Text(Event):
    """A delta of text."""

    def __init__(self, text: object) -> None:
        super().__init__("transcription.text.delta", text=text)


class Sound(Event):
    """A delta of sound."""

    def __init__(self, data: object) -> None:
        super().__init__("speech.audio.delta", audio_data=data)


class Unknown(Event):
    """What the SDK makes of an event that it does not know, or cannot read."""

    def __init__(self, payload: Any) -> None:
        kind: Any = fields_of(payload).get("type")
        super().__init__(kind, content=payload, error="unknown event type")


@dataclass
class Call(FakeCall):
    """A call that keeps the output, too."""

    output: Any = None

    def end(self, ending: Any, at: int) -> bool:
        self.output = ending.output
        return super().end(ending, at)


@dataclass
class Told:
    """A session on a fake clock."""

    clock: FakeClock
    call: Call
    recorder: SessionRecorder
    inputs: list[dict[str, Any]]

    def at(self, seconds: float, event: object) -> None:
        """An event arrives."""
        self.clock.set(seconds)
        self.recorder.see(event)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """A session that began at 0.1 s."""
    return session(monkeypatch)


def session(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Told:
    clock = FakeClock()
    for module in (_recorder, sessions):
        monkeypatch.setattr(module, "monotonic_ns", clock)
    clock.set(0.1)
    request = Request("generate_content", {})
    request.model = "m"
    call = Call(clock, request, **options)
    inputs: list[dict[str, Any]] = []
    return Told(clock, call, SessionRecorder(call, inputs), inputs)


def ending(told: Told) -> Any:
    (one,) = told.call.endings
    return one


def attributes(told: Told) -> dict[str, object]:
    """The attributes of the ending."""
    found: dict[str, object] = ending(told).attributes
    return found


def test_a_done_event_ends_the_session_when_it_arrives(told: Told) -> None:
    told.at(0.2, Event("session.created", session=Event(None, request_id="ws", model="resolved")))
    told.at(0.5, Text("Hello"))
    told.at(0.6, Text(" you"))
    told.at(0.7, Event("transcription.done", model="m-1", text="Hello you", usage=dict(USED)))
    told.clock.set(9)
    told.recorder.exhausted()
    told.recorder.left("closed")
    told.recorder.dropped()
    assert attributes(told) == {
        s.RESPONSE_MODEL: "m-1",
        s.RESPONSE_TIME_TO_FIRST_CHUNK: 0.5,
        s.USAGE_INPUT_TOKENS: 4,
        s.USAGE_OUTPUT_TOKENS: 8,
        s.USAGE_AUDIO_SECONDS: 2,
        s.REQUEST_ID: "ws",
        s.STREAM_OUTCOME: "completed",
    }
    assert ending(told).at == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (Event("error", error=Event(None, message="no", code=3001)), "3001"),
        (Event("error", error=Event(None, message={"detail": "no"}, code=3001)), "3001"),
        (Unknown({"type": "error", "error": {"message": "no", "code": "too_loud"}}), "too_loud"),
        (Unknown({"type": "error", "error": {"code": "no code, but words"}}), "_OTHER"),
        (Unknown({"type": "error", "error": ["what"]}), "_OTHER"),
        (Unknown({"type": "error"}), "_OTHER"),
        (Event("error", error=None), "_OTHER"),
    ],
)
def test_an_error_event_ends_the_session_as_failed(told: Told, event: Event, error: str) -> None:
    told.at(0.5, event)
    told.at(0.6, Event("transcription.done", model="m", text="", usage=dict(USED)))
    assert (ending(told).failure or [None])[0] == error
    assert attributes(told)[s.STREAM_OUTCOME] == "failed"
    assert s.USAGE_INPUT_TOKENS not in attributes(told)


@pytest.mark.parametrize("payload", [
    None, [], "text", 7, {"type": 7}, {"type": None}, {}, {"type": "transcription.surprise"},
    {"type": "x" * 10_000}, {"type": ["transcription.done"]},
    {"type": "transcription.text.delta", "text": 7}, {"type": "transcription.text.delta"},
    {"type": "session.updated", "session": [1]}, {"type": "session.created"},
    {"type": "turn.start", "time_s": 0.1}, {"type": "speech.audio.delta", "audio_data": {}},
])  # fmt: skip
def test_an_event_that_nobody_knows_changes_nothing(told: Told, payload: Any) -> None:
    told.at(0.5, Unknown(payload))
    told.at(0.5, payload)
    told.recorder.left("closed")
    assert attributes(told) == {s.STREAM_OUTCOME: "closed"}


def test_a_done_event_that_the_sdk_rejects_is_read_from_its_json(told: Told) -> None:
    payload = {"type": "transcription.done", "model": 7, "text": 7, "usage": {"prompt_tokens": "4"}}
    told.at(0.5, Unknown({**payload, "usage": {**USED, "completion_tokens": -1}}))
    assert attributes(told) == {
        s.USAGE_INPUT_TOKENS: 4,
        s.USAGE_AUDIO_SECONDS: 2,
        s.STREAM_OUTCOME: "completed",
    }


def test_the_models_of_older_lines_are_read_too(told: Told) -> None:
    done = Event(None, model="m-1", text="", usage=dict(USED))
    del done.__dict__["type"]
    vars(done)["TYPE"] = "transcription.done"
    told.at(0.5, done)
    assert attributes(told)[s.USAGE_INPUT_TOKENS] == 4


@pytest.mark.parametrize("kind", ["transcription.segment", "transcription.done"])
def test_without_deltas_the_first_whole_text_is_the_first_output(told: Told, kind: str) -> None:
    told.at(0.5, Text(""))
    told.at(0.6, Event(kind, text="Hello", usage=None))
    told.at(0.7, Text("Hello"))
    told.recorder.left("closed")
    assert attributes(told)[s.RESPONSE_TIME_TO_FIRST_CHUNK] == 0.6


def test_speech_has_a_first_output_too(told: Told) -> None:
    told.at(0.5, Sound("AAAA"))
    told.at(0.6, Event("speech.audio.done", usage=dict(USED)))
    assert attributes(told)[s.RESPONSE_TIME_TO_FIRST_CHUNK] == 0.5


@pytest.mark.parametrize("end", ["exhausted", "failed", "left", "dropped"])
def test_a_session_ends_when_the_sdk_stopped_reading(told: Told, end: str) -> None:
    """What comes between is the closing of the websocket."""
    told.at(0.5, Text("Hello"))
    told.clock.set(0.8)
    told.recorder.stop()
    told.clock.set(3)
    told.recorder.stop()
    arguments: dict[str, tuple[Any, ...]] = {"failed": (OSError(),), "left": ("closed",)}
    getattr(told.recorder, end)(*arguments.get(end, ()))
    assert ending(told).at == pytest.approx(0.5 if end == "dropped" else 0.8)


def test_deltas_between_cost_no_reading(told: Told) -> None:
    told.at(0.5, Text("Hello"))
    broken = Text("you")
    del broken.__dict__["text"]
    told.at(0.6, broken)
    told.recorder.dropped()
    assert ending(told).at == pytest.approx(0.6)


def test_what_was_said_is_kept_only_while_content_is_captured(told: Told) -> None:
    told.at(0.5, Text("Hello"))
    told.recorder.on_sent("words")
    told.at(0.6, Event("transcription.done", text="Hello", usage=None))
    assert (told.call.output, told.inputs) == (None, [])


def test_content_is_what_was_sent_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    told = session(monkeypatch, clean=str.upper)
    for sent in ("hel", "lo", b"123", bytearray(b"4"), memoryview(b"12345678").cast("I"), 7, None):
        told.recorder.on_sent(sent)
    told.at(0.5, Text("it is"))
    told.at(0.6, Text(" warm"))
    told.recorder.left("closed")
    text = {"type": "text", "content": "HELLO"}
    sound = {"type": "omitted_blob", "modality": "audio", "size": 12}
    assert told.inputs == [{"role": "user", "parts": [text, sound]}]
    assert told.call.output == [([{"type": "text", "content": "IT IS WARM"}], "")]


def test_the_done_events_text_is_the_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    told = session(monkeypatch, clean=str)
    told.at(0.5, Text("It is"))
    told.at(0.6, Event("transcription.done", text="It is warm.", usage=None))
    assert told.call.output == [([{"type": "text", "content": "It is warm."}], "stop")]


def test_a_session_of_hours_keeps_no_more_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "Hello!"

    def redact(text: str) -> str:
        return text.replace(name, "-")

    told = session(monkeypatch, clean=redact)
    limit = vars(sessions)["_MAX_KEPT"]
    told.at(0.5, Text("x" * (limit - 3)))
    told.at(0.6, Text(name))
    for _ in range(3):
        told.at(0.7, Text("y" * limit))
    told.recorder.left("closed")
    (((part,), _),) = told.call.output
    # Half a name is no name to whoever looks for one: it is not there.
    assert part["content"].endswith("x…[cut]")
    assert limit - 5000 < len(part["content"]) < limit


def test_an_event_that_an_interrupt_cut_off_is_read_when_the_session_is_dropped(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Event("transcription.done", model="m", text="", usage=dict(USED))

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setitem(sessions.HANDLERS, "transcription.done", interrupt)
        with pytest.raises(KeyboardInterrupt):
            told.at(0.5, done)
    told.clock.set(0.9)
    told.recorder.dropped()
    assert attributes(told)[s.USAGE_INPUT_TOKENS] == 4
    assert attributes(told)[s.STREAM_OUTCOME] == "completed"


def test_chunk_times_are_told_when_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    told = session(monkeypatch, record_chunk_times=True)
    for at in (0.5, 0.6, 0.8):
        told.at(at, Text("x"))
    assert [seconds for _, seconds in told.call.chunks] == pytest.approx([0.1, 0.2])
