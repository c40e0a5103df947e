# SPDX-License-Identifier: Apache-2.0
"""What the emulator makes of a request: its key, its headers, its body, and what came before."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from emulator import Emulator, serve
from emulator.scenario import load_scenarios
from tests.support.raw_http import START, connect, payloads, post, read_all

if TYPE_CHECKING:
    pass


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic abc"])
def test_without_a_key_the_answer_is_401(emulator: Emulator, authorization: str) -> None:
    status, body = post(emulator.url, START, Authorization=authorization)
    assert status == 401
    assert (body["object"], body["message"], body["code"]) == ("error", "Unauthorized", "1001")


def test_an_unknown_path_is_404(emulator: Emulator) -> None:
    for path in ("/v1/unknown", "/v1/conversations/"):
        status, body = post(emulator.url, START, path)
        assert (status, body["object"], body["code"]) == (404, "error", "3000")


@pytest.mark.parametrize(
    ("path", "body", "location"),
    [
        ("", {"model": "m"}, ["body", "inputs"]),
        ("", {"inputs": "x"}, ["body"]),
        ("", {"inputs": "x", "model": "m", "agent_id": "a"}, ["body"]),
        ("", b"{", ["body"]),
        ("", [], ["body"]),
        ("", {"inputs": "x", "model": "m", "tools": ["web_search"]}, ["body", "tools"]),
        ("/conv_1/restart", {"inputs": "x"}, ["body", "from_entry_id"]),
    ],
)
def test_a_wrong_body_is_422(emulator: Emulator, path: str, body: Any, location: Any) -> None:
    status, answer = post(emulator.url, body, f"/v1/conversations{path}")
    assert status == 422
    assert [item["loc"] for item in answer["detail"]] == [location]
    assert all(item["msg"] and item["type"] for item in answer["detail"])


def test_wrong_headers_are_422(emulator: Emulator) -> None:
    status, answer = post(emulator.url, START, **{"x-emulator-scenario": "nothing"})
    assert status == 422
    assert all(name in answer["detail"][0]["msg"] for name in load_scenarios())
    for value in ("soon", "nan"):
        for header in ("x-emulator-clock-offset", "x-emulator-slower"):
            assert post(emulator.url, START, **{header: value})[0] == 422


def test_it_can_be_told_to_take_its_time(emulator: Emulator) -> None:
    slower = {"x-emulator-slower": "5"}
    events = payloads(read_all(connect(emulator.url, START, "echo", **slower)))
    first, last = (datetime.fromisoformat(events[n]["created_at"][:26]) for n in (0, -1))
    # Seven pauses of 20 ms.
    assert last - first > timedelta(seconds=5 * 0.14 * 0.9)


def test_the_offsets_of_the_clock_add_up() -> None:
    with serve(clock_offset=1000) as emulator:
        offset = {"x-emulator-clock-offset": "-400"}
        events = payloads(read_all(connect(emulator.url, START, "created_at_past", **offset)))
    # Python 3.10 cannot parse the Z.
    times = [datetime.fromisoformat(e["created_at"].replace("Z", "+00:00")) for e in events]
    ahead = times[0] - datetime.now(timezone.utc)
    assert timedelta(seconds=590) < ahead < timedelta(seconds=601)
    assert timedelta(seconds=-3601) < times[-1] - times[0] < timedelta(seconds=-3590)


def test_created_at_may_be_anything(emulator: Emulator) -> None:
    def created_at(scenario: str) -> list[Any]:
        events = payloads(read_all(connect(emulator.url, START, scenario)))
        return [event.get("created_at", "absent") for event in events]

    assert created_at("created_at_missing") == ["absent"] * 3
    assert created_at("created_at_naive") == ["2025-05-27T10:00:00.123456"] * 3
    assert created_at("created_at_garbage") == ["yesterday, at noon"] * 3


def test_attempts_are_counted_for_each_key(emulator: Emulator) -> None:
    def status(key: str) -> int:
        headers = {"Authorization": f"Bearer {key}", "x-emulator-scenario": "retry_then_ok"}
        return post(emulator.url, {**START, "stream": False}, **headers)[0]

    assert [status("one") for _ in range(4)] == [429, 503, 200, 200]
    assert status("two") == 429
    emulator.clear()
    assert status("one") == 429


def test_requests_are_recorded(emulator: Emulator) -> None:
    emulator.clear()
    post(emulator.url, {"inputs": "x"}, "/v1/conversations/conv_1", **{"X-Mine": "yes"})
    post(emulator.url, b"{", "/v1/conversations")
    first, second = emulator.requests
    assert (first.method, first.path) == ("POST", "/v1/conversations/conv_1")
    assert first.headers["x-mine"] == "yes"
    assert first.body == {"inputs": "x"}
    assert second.body is None
    emulator.clear()
    assert emulator.requests == []


def test_a_conversation_remembers_who_answers(emulator: Emulator) -> None:
    path = "/v1/conversations"
    _, started = post(emulator.url, {"inputs": "x", "agent_id": "ag_1"})
    _, appended = post(emulator.url, {"inputs": "y"}, f"{path}/{started['conversation_id']}")
    restart = {"inputs": "z", "from_entry_id": "msg_1"}
    _, again = post(emulator.url, restart, f"{path}/{started['conversation_id']}/restart")
    assert started["conversation_id"] == appended["conversation_id"] != again["conversation_id"]
    for answer in (started, appended, again):
        assert answer["outputs"][0]["agent_id"] == "ag_1"
        assert answer["outputs"][0]["model"] is None
    _, unknown = post(emulator.url, {"inputs": "y"}, f"{path}/conv_unknown")
    assert unknown["outputs"][0]["model"] == "mistral-medium-latest"


def test_the_tools_choose_web_search(emulator: Emulator) -> None:
    _, answer = post(emulator.url, {**START, "stream": False, "tools": [{"type": "web_search"}]})
    assert answer["usage"]["connectors"] == {"web_search": 1}


def test_placeholders_are_replaced_once(emulator: Emulator) -> None:
    hostile = {**START, "inputs": 'a "quote", {model} and {n}'}
    status, body = post(emulator.url, hostile, **{"x-emulator-scenario": "http_429"})
    assert status == 429
    assert body["message"].endswith(': a "quote", {model} and {n}')
