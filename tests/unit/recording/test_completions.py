# SPDX-License-Identifier: Apache-2.0
"""Chunks of completions on a fake clock: how each stream ends, whatever a server invents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from opentelemetry.instrumentation.genai.mistralai._recording.completions import CompletionRecorder
from opentelemetry.instrumentation.genai.mistralai._recording.responses import (
    HANDLERS,
    ResponseRecorder,
)
from tests.support import names as s
from tests.support.fake_completions import ID, Chunk, Shape, Told, choice, chunk, tokens
from tests.support.fake_events import MODEL, UNSET, Event, Unknown
from tests.support.fakes import Ended


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(monkeypatch)


# The request named no model: the response does.
IDENTITY: Final[dict[str, object]] = {
    s.RESPONSE_ID: ID,
    s.RESPONSE_MODEL: MODEL,
    s.REQUEST_MODEL: MODEL,
}
USED: Final[dict[str, object]] = {
    s.USAGE_INPUT_TOKENS: 5,
    s.USAGE_OUTPUT_TOKENS: 7,
    s.USAGE_TOTAL_TOKENS: 12,
}
BROKEN = ConnectionError("gone")
OPEN = (chunk(choice()), chunk(choice(content="Hello")))
FINISHED = (*OPEN, chunk(choice(reason="stop"), usage=tokens()))
LATE = (*OPEN, chunk(choice(reason="stop")), chunk(usage=tokens()))
# One of two choices is finished: so is the stream, but not the completion.
HALF = (chunk(choice(0, "stop", "Hello"), choice(1, content="Good")),)
NONE: dict[str, Any] = {}
A, STOP = chunk(choice(content="a")), chunk(choice(0, "stop"))
CUT = ("incomplete_stream", NONE, None)
RAISED = ("ConnectionError", NONE, BROKEN)
# What came, what then happened, when it ended, how, and why it failed.
ENDINGS: dict[str, tuple[Any, str, Any, float, str, Any]] = {
    "nothing came": ((), "exhausted", (), 9, "failed", CUT),
    "no finish reason": (OPEN, "exhausted", (), 9, "failed", CUT),
    "one choice unfinished": (HALF, "exhausted", (), 9, "failed", CUT),
    "broken before it finished": (OPEN, "failed", (BROKEN,), 9, "failed", RAISED),
    "broken after it finished": (FINISHED, "failed", (BROKEN,), 9, "failed", RAISED),
    "closed before it finished": (OPEN, "left", ("closed",), 9, "closed", None),
    "cancelled before it finished": (OPEN, "left", ("cancelled",), 9, "cancelled", None),
    "never read": ((), "dropped", (), 0.1, "abandoned", None),
    "dropped before it finished": (OPEN, "dropped", (), 0.3, "abandoned", None),
    "one choice unfinished, dropped": (HALF, "dropped", (), 0.2, "abandoned", None),
    "exhausted": (FINISHED, "exhausted", (), 0.4, "completed", None),
    "closed after it finished": (FINISHED, "left", ("closed",), 0.4, "completed", None),
    "cancelled after it finished": (FINISHED, "left", ("cancelled",), 0.4, "completed", None),
    "dropped after it finished": (FINISHED, "dropped", (), 0.4, "completed", None),
    "usage after the finish reason": (LATE, "exhausted", (), 0.5, "completed", None),
    "dropped after late usage": (LATE, "dropped", (), 0.5, "completed", None),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_each_way_to_end_is_told_with_its_time(told: Told, name: str) -> None:
    events, happens, args, at, outcome, failure = ENDINGS[name]
    told.receives(*events)
    assert told.call.endings == []
    getattr(told.recorder, happens)(*args)
    finished, half = events in (FINISHED, LATE), events == HALF
    first = (0.2 if half else 0.3) if events else None
    expected: dict[str, Any] = {s.STREAM_OUTCOME: outcome, **(USED if finished else {})}
    if finished or half:
        expected[s.RESPONSE_FINISH_REASONS] = ["stop"]
    if events:
        expected |= {**IDENTITY, s.RESPONSE_TIME_TO_FIRST_CHUNK: first}
    used = (5, 7, 12, None, NONE) if finished else (None, None, None, None, NONE)
    model = MODEL if events else None
    assert told.end() == Ended(at, outcome, expected, used, model, first, failure)


def test_a_stream_that_has_ended_changes_no_more(told: Told) -> None:
    told.receives(*FINISHED)
    told.recorder.exhausted()
    ended = told.end()
    told.receives(chunk(choice(1, "length", "more"), usage=tokens(999)))
    told.recorder.failed(BROKEN)
    told.recorder.left("closed")
    told.recorder.dropped()
    assert told.end() is ended


def test_the_choices_of_a_completion_are_told_in_their_order(told: Told) -> None:
    told.receives(
        chunk(choice(1, content="Good"), choice(0)),
        chunk(choice(1, "length"), choice(0, content="Hello")),
        chunk(choice(0, "stop"), usage=tokens()),
    )
    told.recorder.exhausted()
    assert told.end().attributes == {
        **IDENTITY,
        **USED,
        s.RESPONSE_FINISH_REASONS: ["stop", "length"],
        s.RESPONSE_TIME_TO_FIRST_CHUNK: 0.2,
        s.STREAM_OUTCOME: "completed",
    }


def test_a_choice_that_no_server_should_invent_is_not_kept(told: Told) -> None:
    told.receives(*(chunk(choice(index, "stop")) for index in range(1000)))
    told.receives(chunk(choice(-1, "stop"), choice("0", "stop"), choice(None, "stop")))
    told.recorder.exhausted()
    assert told.end().attributes[s.RESPONSE_FINISH_REASONS] == ["stop"] * 128


@pytest.mark.parametrize(
    ("pieces", "usage", "reasons", "error"),
    [
        # What was spent is told in the middle, and the caller leaves, or reads to the end.
        ((chunk(choice(content="b"), usage=tokens()), A), (5, 7), None, None),
        ((chunk(choice(content="b"), usage=tokens()), A, STOP), (5, 7), ["stop"], None),
        # A choice begins between the pieces of another, and never ends.
        ((chunk(choice(1, content="b")), A, STOP), (None, None), ["stop"], CUT[0]),
    ],
)
def test_of_pieces_that_bring_more_than_text_everything_is_read(
    told: Told, pieces: Any, usage: Any, reasons: Any, error: str | None
) -> None:
    told.receives(A, A, *pieces)
    told.recorder.exhausted() if reasons else told.recorder.left("closed")
    ended = told.end()
    assert ended.usage[:2] == usage
    assert ended.attributes.get(s.RESPONSE_FINISH_REASONS) == reasons
    assert (ended.failure[0] if ended.failure else None) == error


def test_what_the_caller_makes_of_a_piece_is_not_what_was_said(told: Told) -> None:
    piece = chunk(choice(content="a"))
    told.receives(A, A, piece)
    piece.data.choices[0].finish_reason, piece.data.usage = "length", tokens()
    told.recorder.left("closed")
    ended = told.end()
    assert (ended.outcome, ended.usage[:2]) == ("closed", (None, None))


def test_only_content_and_tool_calls_are_chunks_of_output(told: Told) -> None:
    told.call.record_chunk_times = True
    told.recorder = CompletionRecorder(told.call)
    call = Shape(id="c", index=0, function=Shape(name="f", arguments=""))
    told.receives(
        chunk(choice()),
        chunk(usage=tokens()),
        chunk(choice(content=None)),
        chunk(choice(tool_calls=[call])),
        chunk(choice()),
        chunk(choice(content="x")),
    )
    told.recorder.left("closed")
    assert told.end().first_chunk == 0.5
    assert told.call.chunks == [(MODEL, 0.2)]


def test_tool_calls_that_come_in_pieces_are_joined_and_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told(monkeypatch, clean=str)

    def piece(index: int, call_id: str, name: str, text: str) -> dict[str, Any]:
        return {"id": call_id, "index": index, "function": {"name": name, "arguments": text}}

    told.receives(
        chunk(choice(tool_calls=[piece(0, "call_1", "weather", '{"city": ')])),
        chunk(choice(tool_calls=[piece(1, "call_2", "time", "")])),
        chunk(choice(tool_calls=[piece(1, "null", "", '{"z": 1'), piece(0, "null", "", "2}")])),
        chunk(choice(tool_calls=[piece(1, "null", "", "}")])),
        chunk(choice(reason="tool_calls")),
    )
    told.recorder.exhausted()
    assert told.end().attributes[s.RESPONSE_FINISH_REASONS] == ["tool_call"]
    first = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": 2}}
    second = {"type": "tool_call", "id": "call_2", "name": "time", "arguments": {"z": 1}}
    assert told.call.said == [[([first, second], "tool_call")]]


def test_each_choice_of_a_stream_that_was_cut_says_for_itself_why_it_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told(monkeypatch, str)
    told.receives(chunk(choice(0, content="a"), choice(1, "stop", "b")))
    told.recorder.exhausted()
    parts = [[{"type": "text", "content": text}] for text in "ab"]
    assert told.call.said == [[(parts[0], "error"), (parts[1], "stop")]]


HOSTILE: list[Any] = [
    None,
    UNSET,
    True,
    -1,
    10**30,
    "",
    "\ud800",
    [],
    [None],
    [[1]],
    {},
    {"raw": 1},
]
FIELDS: Final = "delta text item_id response error code usage usage_info model id choices message"
NAMES: Final = ("name", "arguments")
OF_RESPONSES: Final = "id model status output incomplete_details error usage choices"


def shapes(junk: Any) -> Iterator[Any]:
    """Everything that can be received, with junk in each place in turn."""
    call: dict[str, Any] = {"id": "c", "index": 0, "function": {"name": "f", "arguments": "{}"}}
    calls = [{**call, name: junk} for name in call]
    calls += [{**call, "function": {"name": "f", "arguments": "", name: junk}} for name in NAMES]
    yield from (junk, Chunk(junk), chunk(junk), chunk(usage=junk), chunk(id=junk, model=junk))
    yield from (chunk(choices=junk), chunk(choice(junk)), chunk(choice(0, junk)))
    yield from (chunk(choice(content=junk)), chunk(choice(content=[junk, {"text": junk}])))
    yield from (chunk(choice(tool_calls=given)) for given in (junk, [junk], *([c] for c in calls)))
    yield chunk(Shape(index=0, delta=junk, message=junk, finish_reason=None))
    items = [junk, {"content": junk}, {"arguments": junk, "name": junk, "call_id": junk}]
    for name in (junk, *HANDLERS):
        yield from (Event(name, junk), Event(name, Unknown(junk)))
        yield from (Event(name, Shape(**{of: junk})) for of in FIELDS.split())
        for told in ({"output": items}, *({of: junk} for of in OF_RESPONSES.split())):
            yield Event(name, Shape(response={"status": "completed", **told}))


@pytest.mark.parametrize("kind", [CompletionRecorder, ResponseRecorder])
@pytest.mark.parametrize("clean", [None, str], ids=["off", "on"])
@pytest.mark.parametrize("junk", HOSTILE, ids=repr)
def test_no_shape_that_a_server_invents_raises_or_leaves_the_span_open(
    monkeypatch: pytest.MonkeyPatch, kind: type[CompletionRecorder], clean: Any, junk: Any
) -> None:
    for shape in shapes(junk):
        told, whole = (Told(monkeypatch, clean, kind=kind) for _ in range(2))
        told.receives(shape, shape)
        told.recorder.exhausted()
        whole.recorder.on_response(getattr(shape, "data", shape))
        assert (told.end().outcome is None, whole.end().outcome) == (False, None)
