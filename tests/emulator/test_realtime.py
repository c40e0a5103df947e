# SPDX-License-Identifier: Apache-2.0
"""The emulator's realtime sessions: real websockets, in both directions, however they end."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from emulator import Emulator, serve
from emulator.realtime import PATHS, SCENARIOS, load_talks

KEY = {"authorization": "Bearer key"}
HEARING, SPEAKING = PATHS


def opened(emulator: Emulator, path: str, scenario: str | None = None, **more: Any) -> Any:
    named = {} if scenario is None else {"x-emulator-scenario": scenario}
    url = f"ws{emulator.url[4:]}{path}?model=m"
    headers = {**KEY, **named, **more}
    return connect(url, additional_headers=headers, open_timeout=2, close_timeout=2)


def heard(websocket: ClientConnection) -> list[Any]:
    """What the server says until it hangs up."""
    return [json.loads(message) for message in websocket]


def test_a_session_waits_for_the_client_and_hangs_up(emulator: Emulator) -> None:
    emulator.clear()
    with opened(emulator, HEARING) as websocket:
        created = json.loads(websocket.recv())
        assert created["session"]["model"] == "m"
        with pytest.raises(TimeoutError):
            websocket.recv(timeout=0.1)
        websocket.send(json.dumps({"type": "input_audio.append", "audio": "AAAA"}))
        websocket.send(json.dumps({"type": "input_audio.end"}))
        assert heard(websocket)[-1]["type"] == "transcription.done"
        with pytest.raises(ConnectionClosedOK):
            websocket.recv()
    (request,) = emulator.requests
    assert (request.method, request.path) == ("WEBSOCKET", HEARING)
    assert [one["type"] for one in request.body["heard"]] == [
        "input_audio.append",
        "input_audio.end",
    ]


@pytest.mark.parametrize(("scenario", "code"), [("cut", None), ("rejected", 1008)])
def test_a_session_ends_badly(emulator: Emulator, scenario: str, code: int | None) -> None:
    with (
        opened(emulator, SPEAKING, scenario) as websocket,
        pytest.raises(ConnectionClosedError) as caught,
    ):
        heard(websocket)
    assert (caught.value.rcvd.code if caught.value.rcvd else None) == code


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (HEARING, {"authorization": "none"}, 401),
        (HEARING, {"x-emulator-scenario": "refused_403"}, 403),
        (HEARING, {"x-emulator-scenario": "nothing"}, 422),
        ("/v1/nothing", {}, 404),
    ],
)
def test_a_handshake_is_refused(
    emulator: Emulator, path: str, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(InvalidStatus) as caught, opened(emulator, path, None, **headers):
        pass
    assert caught.value.response.status_code == status
    assert json.loads(caught.value.response.body or b"")


def test_the_emulator_stops_while_sessions_are_open() -> None:
    with ExitStack() as stack:
        with serve() as emulator:
            sockets = [stack.enter_context(opened(emulator, HEARING, "open")) for _ in range(3)]
            assert all(json.loads(one.recv())["type"] == "session.created" for one in sockets)
        for socket in sockets:
            with pytest.raises(ConnectionClosedError):
                heard(socket)


def test_every_file_is_a_scenario_and_explains_itself() -> None:
    files = {path.stem: path for path in SCENARIOS.iterdir()}
    assert set(files) == set(load_talks())
    for path in files.values():
        assert path.read_text(encoding="utf-8").startswith("# ")
