# SPDX-License-Identifier: Apache-2.0
"""What a stream says is joined once, in the order in which it began, whatever comes in it."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._content.mode import cleaner
from opentelemetry.instrumentation.genai.mistralai._content.transcript import Transcript
from opentelemetry.instrumentation.genai.mistralai._reading.requests import Request
from opentelemetry.instrumentation.genai.mistralai._recording.conversation import (
    ConversationRecorder,
)
from opentelemetry.instrumentation.genai.mistralai._recording.ending import Ending, Outcome
from opentelemetry.instrumentation.genai.mistralai._recording.steps import Step
from tests.support import names as s
from tests.support.content import plainly, text, valid
from tests.support.fake_events import (
    START,
    Data,
    Event,
    Unknown,
    done,
    error,
    handoff_done,
    handoff_started,
    rejected,
    started,
)
from tests.support.fakes import PACKAGE, Ended, FakeCall, FakeClock, counts_of


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{PACKAGE}._log._reported", set[tuple[str, str]]())


@dataclass
class Piece(Data):
    """The data of a message, a function call or a tool."""

    id: Any = "msg_1"
    content: Any = None
    name: Any = None
    tool_call_id: Any = None
    arguments: Any = None
    info: Any = None


def event(event_name: str, /, **fields: Any) -> Event:
    return Event(event_name, Piece(**fields))


def say(content: Any, **fields: Any) -> Event:
    return event("message.output.delta", content=content, **fields)


call = partial(event, "function.call.delta", id="fc_1", name="f", tool_call_id="call_1")
tool_started = partial(event, "tool.execution.started", id="tool_1", name="web_search")
tool_delta = partial(event, "tool.execution.delta", id="tool_1", name="web_search")
tool_done = partial(event, "tool.execution.done", id="tool_1", name="web_search")


@dataclass
class Call(FakeCall):
    """Keeps what was said, too."""

    said: list[Any] = field(default_factory=list[Any])

    def end(self, ending: Ending, at: int) -> bool:
        self.said.append(ending.output)
        self.endings.append(
            Ended(at, ending.outcome, {}, counts_of(ending.usage), closing=ending.closing)
        )
        return len(self.endings) == 1


def recorder(clean: Callable[[str], str | None] = plainly) -> tuple[Call, ConversationRecorder]:
    own = Call(FakeClock(), Request("chat", {}), clean=clean)
    return own, ConversationRecorder(own)


def parts(*events: Event, clean: Callable[[str], str | None] = plainly) -> Any:
    """The parts of what these events say, as the schema has them."""
    own, made = recorder(clean)
    for each in (*events, done()):
        made.see(each)
    (((said, reason),),) = own.said
    message = {"role": "assistant", "parts": said, "finish_reason": reason or "stop"}
    return valid(s.OUTPUT_MESSAGES, [message])[0]["parts"]


def calls(arguments: Any, number: int = 1) -> dict[str, Any]:
    return {"type": "tool_call", "id": f"call_{number}", "name": "f", "arguments": arguments}


def server_tool(arguments: Any, *results: Any, call_id: str = "tool_1") -> list[dict[str, Any]]:
    name = "web_search"
    called = {"type": name, "arguments": arguments}
    kind = "server_tool_call_response"
    return [
        {"type": "server_tool_call", "id": call_id, "name": name, "server_tool_call": called},
        *({"type": kind, "id": call_id, kind: {"type": name, "result": r}} for r in results),
    ]


def thinking(thought: Any) -> dict[str, Any]:
    return {"type": "thinking", "thinking": thought}


HOSTILE: list[Any] = [
    None, 7, b"a", [None], [7], {}, [{}], [[]], {"text": None}, {"thinking": [None]},
    {"thinking": 7}, {"image_url": []}, Unknown({}),
]  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE, ids=repr)
def test_content_of_a_shape_that_nobody_knows_harms_nothing(
    content: Any, caplog: pytest.LogCaptureFixture
) -> None:
    said = parts(say("a"), say(content), say("b"))
    assert (said[0], said[-1]) in {0: [(text("a"), text("b"))], 1: [(text("ab"),) * 2]}[
        len(said) < 2
    ]
    assert caplog.records == []


@pytest.mark.parametrize("made", [call, tool_started, tool_delta, tool_done])
@pytest.mark.parametrize(("name", "value"), [
    ("id", None), ("name", None), ("arguments", 7), ("arguments", [None]), ("arguments", "\ud800"),
    ("info", "a"), ("info", [None, 7]), ("tool_call_id", None), ("tool_call_id", 7)])  # fmt: skip
def test_calls_without_what_they_should_have_harm_nothing(
    made: Any, name: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    said = parts(say("a"), made(**{name: value}), say("b"))
    assert [said[0], said[-1]] == [text("a"), text("b")]
    assert len(said) >= 3
    assert caplog.records == []


@pytest.mark.parametrize("clean", [plainly, None], ids=["captured", "off"])
def test_a_tool_with_an_id_of_no_use_is_the_same_span_with_capture(clean: Any) -> None:
    own = Call(FakeClock(), Request("chat", {}), clean=clean)
    made = ConversationRecorder(own)
    for name in ("started", "done"):
        made.see(rejected(f"tool.execution.{name}", id=["tool_1"], name="web_search"))
    assert [(child.name, child.is_open) for child in own.children] == [
        ("execute_tool web_search", False)
    ]


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_inside_redact_does_not_leave_the_span_open(
    exception: type[BaseException],
) -> None:
    def clean(_: str) -> str:
        raise exception

    own, made = recorder(clean)
    made.see(say("a"))
    with pytest.raises(exception):
        made.see(done())
    assert [ended.outcome for ended in own.endings] == [Outcome.COMPLETED]


def test_a_response_that_an_interrupt_cut_off_tells_its_steps_and_its_words_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def step(told: Step) -> None:
        FakeCall.step(own, told)
        if told.ended is not None:
            raise KeyboardInterrupt

    own, made = recorder()
    monkeypatch.setattr(own, "step", step)
    entries = [
        {"type": "message.output", "content": "a"},
        {"type": "tool.execution", "id": "tool_1", "name": "web_search", "created_at": START,
         "completed_at": START},
    ]  # fmt: skip
    response = SimpleNamespace(outputs=entries, usage={"prompt_tokens": 7}, conversation_id="c")
    with pytest.raises(KeyboardInterrupt):
        made.on_response(response)
    assert (own.endings, [child.name for child in own.children]) == (
        [],
        ["execute_tool web_search"],
    )
    made.dropped()
    assert [(ended.outcome, ended.usage[0], ended.closing) for ended in own.endings] == [
        (None, 7, response)
    ]
    assert [child.name for child in own.children] == ["execute_tool web_search"]
    (((said, _),),) = own.said
    assert [part for part in said if part["type"] == "text"] == [text("a")]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], []),
        ([say("a"), say(""), say("b"), say(None), say("c")], [text("abc")]),
        ([say("a"), say({"text": "b"}), say([{"text": "c"}, {"text": "d"}])], [text("abcd")]),
        ([say("a"), say("b", id="msg_2"), say("c")], [text("a"), text("b"), text("c")]),
        ([say(thinking([{"text": "a"}])), say(thinking([{"text": "b"}, {"tool": "t"}])),
          say("c"), say(thinking("d"))],
         [{"type": "reasoning", "content": "ab"}, {"type": "unknown", "tool": "t"}, text("c"),
          {"type": "reasoning", "content": "d"}]),
        ([say("a"), say({"type": "file", "file_id": "f"}), say("b")],
         [text("a"), {"type": "file", "modality": "document", "file_id": "f"}, text("b")]),
        ([call(arguments='{"a"'), call(id="fc_2", tool_call_id="call_2", arguments="[1"),
          call(arguments=": 1}"), call(id="fc_2", tool_call_id="call_2", arguments="]")],
         [calls({"a": 1}), calls([1], 2)]),
        ([call(arguments={"a": 1})], [calls({"a": 1})]),
        ([call(arguments=""), call()], [calls("")]),
        ([tool_started(), tool_delta(arguments='{"q"'), say("a"), tool_delta(arguments=": 1}"),
          tool_done(info={"n": 3})], [*server_tool({"q": 1}, {"n": 3}), text("a")]),
        ([tool_done(info={"n": 3})], server_tool("", {"n": 3})),
        ([tool_started(arguments="1"), tool_done(), tool_started(arguments="2"),
          tool_done(info=[1])], [*server_tool(1), *server_tool(2, [1])]),
        ([started(), handoff_started(), handoff_done(), say("a")], [text("a")]),
        ([rejected("message.output.delta", content="a"), rejected("function.call.delta", id="x",
          tool_call_id="call_1", name="f", arguments="[]")], [text("a"), calls([])]),
        ([say("a"), error(), say("b")], [text("a")]),
    ],
)  # fmt: skip
def test_a_response_is_one_list_of_parts_in_the_order_they_began(
    events: list[Event], said: list[Any]
) -> None:
    assert parts(*events) == said


def test_a_text_is_redacted_once_and_whole() -> None:
    seen: list[str] = []

    def clean(given: str) -> str:
        seen.append(given)
        return given

    parts(say("se"), say("cr"), say("et"), clean=clean)
    assert seen == ["secret"]


def test_deltas_are_joined_in_linear_time() -> None:
    def seconds(count: int) -> float:
        transcript = Transcript()
        data: dict[str, object] = {"id": "m", "content": "twenty characters..."}
        piece: dict[str, object] = {"id": "fc_1", "tool_call_id": "c", "name": "f"}
        piece["arguments"] = "1" * 20
        # Other processes must not count.
        began = time.thread_time()
        for _ in range(count):
            transcript.on_message(data)
        for _ in range(count):
            transcript.on_call(piece)
        assert len(transcript.parts(plainly)) == 2
        return time.thread_time() - began

    few = min(seconds(2_000) for _ in range(5))
    assert min(seconds(20_000) for _ in range(3)) < 40 * few


@pytest.mark.parametrize("last", [done(), error(), None], ids=["done", "error", "closed"])
def test_what_was_said_is_let_go_when_the_span_has_ended(last: Event | None) -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        own, made = recorder(lambda _: "short")
        for number in range(200):
            made.see(say(f"{number}" * 5_000))
        assert tracemalloc.get_traced_memory()[0] - before > 1_000_000
        made.see(last) if last is not None else made.left(Outcome.CLOSED)
        assert own.said == [[([text("short")], None)]]
        # The caller still has the stream, and in it is the recorder.
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()


# What fails costs itself alone


@pytest.mark.parametrize(
    ("info", "told"),
    [
        ({"score": float("nan")}, '{"score": "NaN"}'),
        ({"score": [float("inf"), -float("inf")]}, '{"score": ["Infinity", "-Infinity"]}'),
        ({(1, 2): "a", 3: 4}, '{"[1, 2]": "a", "3": 4}'),
        ({"big": 2**70, "nan": float("nan")}, f'{{"big": "{2**70}", "nan": "NaN"}}'),
        ({"bytes": b"a", "set": {1}}, '{"bytes": null, "set": null}'),
    ],
    ids=repr,
)
def test_what_json_lacks_costs_a_tool_neither_its_content_nor_its_end(
    info: Any, told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own, made = recorder()
    for module in ("recorder", "conversation"):
        monkeypatch.setattr(f"{PACKAGE}._recording.{module}.monotonic_ns", own.clock)
    for at, each in ((0.1, tool_started()), (0.3, tool_done(info=info)), (0.6, done())):
        own.clock.set(at)
        made.see(each)
    (child,) = own.children
    assert child.attributes[s.TOOL_CALL_RESULT] == (str, told)
    assert (child.started, child.ended) == (0.1, 0.3)
    assert caplog.records == []


@pytest.mark.parametrize("clean", [plainly, cleaner(lambda text: text)])
def test_a_result_without_end_is_bounded_and_harms_nothing(
    clean: Any, caplog: pytest.LogCaptureFixture
) -> None:
    endless: list[Any] = []
    endless += [endless, endless]
    said = parts(say("a"), tool_done(info=endless), say("b"), clean=clean)
    assert (said[0], said[-1]) == (text("a"), text("b"))
    assert caplog.records == []


def test_a_part_that_fails_costs_that_part_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def clean(given: str) -> str:
        if given == "b":
            raise OSError(given)
        return given

    said = parts(say("a"), say("b", id="2"), say("c", id="3"), clean=clean)
    assert said == [text("a"), text("c")]
    assert [record.getMessage().partition(" at ")[0] for record in caplog.records] == [
        "telemetry failed (read content): OSError"
    ]


def test_a_tools_content_that_fails_costs_not_the_tools_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def clean(_: str) -> str:
        raise OSError

    own, made = recorder(clean)
    for module in ("recorder", "conversation"):
        monkeypatch.setattr(f"{PACKAGE}._recording.{module}.monotonic_ns", own.clock)
    told = tool_done(info={"a": 1})
    for at, each in ((0.1, tool_started(arguments="1")), (0.3, told), (0.6, done())):
        own.clock.set(at)
        made.see(each)
    (child,) = own.children
    assert (child.started, child.ended) == (0.1, 0.3)
    assert s.TOOL_CALL_ARGUMENTS not in child.attributes
    assert len(caplog.records) == 2
