# SPDX-License-Identifier: Apache-2.0
"""The last turn of each conversation, and what a response makes of a turn's operation and name."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._otel.surroundings import LastTurns, last_turns
from opentelemetry.instrumentation.genai.mistralai._reading.fields import name_of
from tests.support import names as s
from tests.support.fake_events import (
    MODEL,
    Event,
    delta,
    done,
    error,
    function_call,
    handoff_started,
    old_function_call,
    old_tool_started,
    rejected,
    started,
    tool_done,
    tool_started,
)
from tests.support.fakes import Story

CHAT = ("chat", f"chat {MODEL}")
NOTHING = (None, None)
AGENT = ("invoke_agent", "invoke_agent")
BY_AGENT = delta(agent_id="ag_1")


@pytest.mark.parametrize("conversation_id", [None, "", "conv_unknown"])
def test_an_unknown_conversation_has_no_last_turn(conversation_id: str | None) -> None:
    turns = LastTurns()
    turns.remember("conv_1", "chat", None)
    assert turns.last(conversation_id)[0] is None


def test_a_later_turn_replaces_the_one_before() -> None:
    turns = LastTurns()
    turns.remember("conv_1", "chat", None)
    turns.remember("conv_1", "invoke_agent", None)
    assert turns.last("conv_1")[0] == "invoke_agent"


def test_1024_conversations_are_remembered_and_not_one_more() -> None:
    turns = LastTurns()
    for n in range(1025):
        turns.remember(f"conv_{n}", "chat", None)
    known = [n for n in range(1025) if turns.last(f"conv_{n}")[0] is not None]
    assert known == list(range(1, 1025))


def test_a_conversation_that_goes_on_is_not_forgotten_first() -> None:
    turns = LastTurns(2)
    for conversation_id in ("conv_1", "conv_2", "conv_1", "conv_3"):
        turns.remember(conversation_id, "chat", None)
    assert [turns.last(f"conv_{n}")[0] for n in (1, 2, 3)] == ["chat", None, "chat"]


def test_a_turn_that_an_append_has_just_read_is_not_forgotten_first() -> None:
    turns = LastTurns(2)
    turns.remember("conv_1", "chat", None)
    turns.remember("conv_2", "chat", None)
    turns.last("conv_1")[0]
    turns.remember("conv_3", "chat", None)
    assert [turns.last(f"conv_{n}")[0] for n in (1, 2, 3)] == ["chat", None, "chat"]


def test_threads_that_write_at_once_keep_the_bound() -> None:
    turns = LastTurns(8)
    together = threading.Barrier(4)
    failures: list[Exception] = []

    def write(name: str) -> None:
        together.wait()
        try:
            for n in range(500):
                turns.remember(f"{name}_{n % 20}", "chat", None)
                turns.last(f"{name}_{n % 7}")[0]
        except Exception as exc:  # noqa: BLE001 -- any at all fails the test
            failures.append(exc)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = [turns.last(f"{name}_{n}")[0] for name in "abcd" for n in range(20)]
    assert (failures, len([turn for turn in known if turn])) == ([], 8)


def test_there_is_no_lock_that_a_fork_or_a_late_gevent_patch_could_leave_held() -> None:
    held = vars(LastTurns()).values()
    assert not [value for value in held if hasattr(value, "acquire")]


@pytest.mark.parametrize("length", [257, 2_000_000])
def test_a_conversation_whose_id_was_cut_is_not_remembered(length: int) -> None:
    turns, cut = LastTurns(), name_of("c" * length)
    assert cut is not None
    turns.remember(cut, "chat", None)
    assert (turns.last(cut)[0], turns.last(name_of("c" * (length + 1)))[0]) == (None, None)


def test_a_conversation_with_the_longest_id_is_remembered() -> None:
    turns, longest = LastTurns(), "c" * 256
    turns.remember(longest, "chat", None)
    assert (turns.last(longest)[0], turns.last("c" * 255)[0]) == ("chat", None)


def test_the_map_of_the_process_is_such_a_map() -> None:
    assert isinstance(last_turns, LastTurns)


# Request first, response decides


@pytest.mark.parametrize(
    ("events", "corrected"),
    [
        ([], NOTHING),
        ([started()], NOTHING),
        ([error()], NOTHING),
        ([delta(model=None)], NOTHING),
        ([delta(model="", agent_id="")], NOTHING),
        ([old_tool_started(), old_function_call()], NOTHING),
        ([delta()], CHAT),
        ([delta(), delta(model="another", id="msg_2")], CHAT),
        ([function_call()], CHAT),
        ([tool_started()], CHAT),
        ([old_tool_started(), delta()], CHAT),
        ([BY_AGENT], AGENT),
        ([delta(agent_id="ag_1", model=None)], AGENT),
        ([handoff_started()], AGENT),
        ([rejected("message.output.delta", agent_id="ag_1")], AGENT),
        ([rejected("message.output.delta", model=MODEL)], CHAT),
        ([delta(), delta(agent_id="ag_1", id="msg_2")], AGENT),
        ([delta(), BY_AGENT], AGENT),
        # What came between is no piece: whose the next ones are is read again.
        ([tool_started(0.1), delta(0.1), tool_done(0.2), BY_AGENT, delta()], AGENT),
        ([BY_AGENT, delta(agent_id="ag_2", id="msg_2"), handoff_started()], AGENT),
    ],
)
def test_the_first_output_event_that_names_an_agent_or_a_model_corrects_a_nameless_chat(
    monkeypatch: pytest.MonkeyPatch, events: list[Event], corrected: tuple[str | None, str | None]
) -> None:
    story = Story(monkeypatch)
    story.asks("chat", conversation_id="conv_1")
    story.receives(*((0.3, event) for event in events))
    story.recorder.left("closed")
    (ended,) = story.call.endings
    assert ended.corrected == corrected


@pytest.mark.parametrize(
    ("operation", "request_names", "event"),
    [
        ("chat", {"model": "mistral-small-latest"}, delta()),
        ("invoke_agent", {"agent_id": "ag_1"}, delta()),
        ("invoke_agent", {"agent_id": "ag_1"}, delta(agent_id="ag_2")),
        ("invoke_agent", {}, delta()),
    ],
)
def test_what_the_request_said_is_not_corrected(
    monkeypatch: pytest.MonkeyPatch, operation: str, request_names: dict[str, Any], event: Event
) -> None:
    story = Story(monkeypatch)
    story.asks(operation, **request_names)
    story.receives((0.3, event))
    story.recorder.left("closed")
    (ended,) = story.call.endings
    assert ended.corrected == NOTHING


@pytest.mark.parametrize(
    ("operation", "events", "remembered"),
    [
        ("chat", [done()], "chat"),
        ("chat", [error()], "chat"),
        ("chat", [BY_AGENT, done()], "invoke_agent"),
        ("invoke_agent", [delta(), done()], "invoke_agent"),
    ],
)
def test_a_turn_is_to_be_remembered_with_its_final_operation(
    monkeypatch: pytest.MonkeyPatch, operation: str, events: list[Event], remembered: str
) -> None:
    story = Story(monkeypatch)
    story.asks(operation)
    story.receives((0.2, started()), *((0.3, event) for event in events))
    (ended,) = story.call.endings
    assert ended.conversation_id == "conv_1"
    assert (ended.corrected[0] or operation) == remembered


def test_a_restarted_turn_is_remembered_under_the_conversation_that_the_api_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = Story(monkeypatch)
    story.asks("chat", conversation_id="conv_1")
    story.receives((0.2, started(conversation_id="conv_2")), (0.3, done()))
    (ended,) = story.call.endings
    assert ended.attributes[s.CONVERSATION_ID] == "conv_2"
    assert ended.conversation_id == "conv_2"


@pytest.mark.parametrize("answer", [None, "", 7])
def test_an_append_keeps_its_conversation_when_the_response_names_none(
    monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    story = Story(monkeypatch)
    story.asks("chat", conversation_id="conv_1")
    story.receives((0.2, started(conversation_id=answer)), (0.3, done()))
    (ended,) = story.call.endings
    assert ended.attributes[s.CONVERSATION_ID] == "conv_1"


@pytest.mark.parametrize(
    ("handoffs", "told"),
    [
        ([handoff_started()], {s.AGENT_ID: "ag_1", s.AGENT_NAME: "router"}),
        ([handoff_started(previous_agent_name=None)], {s.AGENT_ID: "ag_1"}),
        ([handoff_started(previous_agent_id=None)], {}),
        (
            [delta(agent_id="ag_0"), handoff_started(), handoff_started(previous_agent_id="ag_0")],
            {s.AGENT_ID: "ag_0"},
        ),
        (
            [handoff_started(), handoff_started(previous_agent_id="ag_2", previous_agent_name="b")],
            {s.AGENT_ID: "ag_1", s.AGENT_NAME: "router"},
        ),
    ],
)
def test_the_agent_is_the_first_and_its_name_comes_from_the_first_handoff_if_that_is_its_own(
    monkeypatch: pytest.MonkeyPatch, handoffs: list[Event], told: dict[str, str]
) -> None:
    story = Story(monkeypatch)
    story.receives(*((0.3, event) for event in handoffs), (0.5, done()))
    (ended,) = story.call.endings
    attributes = ended.attributes
    assert {key: attributes[key] for key in attributes if "agent" in key} == told
