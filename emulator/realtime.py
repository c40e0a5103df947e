# SPDX-License-Identifier: Apache-2.0
"""The realtime sessions: websockets on the same port, with scenarios of their own.

A scenario lists what the server says. Before an event with ``hears`` it waits for a message of that
type from the client, so that both directions have their turn.
"""

from __future__ import annotations

import asyncio
import functools
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl

import yaml

from emulator import checks
from emulator.state import DEFAULT_MODEL, RecordedRequest, State

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

SCENARIOS: Final = Path(__file__).parent / "scenarios" / "realtime"
_SCENARIO_HEADER: Final = "x-emulator-scenario"
_SLOWER_HEADER: Final = "x-emulator-slower"
_CONTROLS: Final = ("after", "hears", "raw", "repeat")
# close: with a close frame, whose code may be an error's; cut: without; hang: not at all.
_ENDS: Final = ("close", "cut", "hang", "no_answer")
REQUEST_ID: Final = "ws-emulated"


@dataclass(frozen=True)
class Line:
    """One event of the server's; ``raw`` is sent as it stands."""

    payload: dict[str, Any]
    after: float = 0.0
    hears: str | None = None
    raw: str | None = None
    repeat: int = 1


@dataclass(frozen=True)
class Talk:
    """How one session goes: refused with a status and a body, or events, a pause and an end."""

    status: int = 101
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    events: list[Line] = field(default_factory=list[Line])
    end: str = "close"
    pause: float = 0.0
    code: int = 1000
    reason: str = ""


@dataclass(frozen=True)
class _Path:
    """A row: which scenario answers by default, and how the server describes the session."""

    scenario: str
    session: dict[str, Any]


PATHS: Final = {
    "/v1/audio/transcriptions/realtime": _Path(
        "heard", {"audio_format": {"encoding": "pcm_s16le", "sample_rate": 16000}}
    ),
    "/v1/audio/speech/realtime": _Path(
        "spoken",
        {
            "voice": "voice_1",
            "is_ref_audio": False,
            "streaming_mode": "responsive",
            "response_format": "pcm",
            "expressiveness": 1.0,
        },
    ),
}


def _line(item: dict[str, Any]) -> Line:
    controls = {key: item[key] for key in _CONTROLS if key in item}
    payload = {key: value for key, value in item.items() if key not in _CONTROLS}
    if ("raw" in item) == ("type" in item):
        raise ValueError(f"an event has either 'type' or 'raw': {item}")
    return Line(payload, **controls)


def _talk(data: dict[str, Any]) -> Talk:
    events = [_line(item) for item in data.pop("events", [])]
    talk = Talk(**data, events=events)  # a misspelt key raises TypeError here
    if talk.end not in _ENDS:
        raise ValueError(f"unknown end {talk.end!r}")
    return talk


@functools.cache
def load_talks() -> dict[str, Talk]:
    """Read every file of the folder; the name of a scenario is the name of its file."""
    return {
        path.stem: _talk(yaml.safe_load(path.read_text(encoding="utf-8")))
        for path in sorted(SCENARIOS.glob("*.yaml"))
    }


class _Ears:
    """What the client has said, and whether it is still there."""

    def __init__(self, heard: list[Any]) -> None:
        self.heard = heard
        self.gone = False
        self._changed = asyncio.Event()

    async def listen(self, receive: Receive) -> None:
        """Take in messages until the client leaves."""
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self.gone = True
                self._changed.set()
                return
            text = message.get("text") or (message.get("bytes") or b"").decode(errors="replace")
            with suppress(ValueError):
                self.heard.append(json.loads(text))
            self._changed.set()

    async def wait_for(self, kind: str | None) -> None:
        """Return when a message of this type has come, or the client left; None: when it left."""
        while not self.gone and not (kind and any(one.get("type") == kind for one in self.heard)):
            self._changed.clear()
            await self._changed.wait()


async def converse(state: State, scope: Scope, receive: Receive, send: Send) -> None:
    """Hold one session, from its handshake to its end."""
    headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
    query = dict(parse_qsl(scope["query_string"].decode()))
    heard: list[Any] = []
    # The list grows while the session lasts.
    body = {"query": query, "heard": heard}
    state.record(RecordedRequest("WEBSOCKET", scope["path"], headers, body))
    await receive()
    try:
        row, talk = _asked(scope["path"], headers)
        slower = checks.number(headers, _SLOWER_HEADER, 1)
    except checks.Refused as refused:
        await _refuse(refused.status_code, refused.body, send)
        return
    if talk.status != 101:
        await _refuse(talk.status, talk.body, send)
        return
    if talk.end == "no_answer":
        await receive()
        return
    await send({"type": "websocket.accept"})
    ears = _Ears(heard)
    listening = asyncio.create_task(ears.listen(receive))
    try:
        names = {"request_id": REQUEST_ID, "model": query.get("model", DEFAULT_MODEL)}
        await _speak(talk, {**row.session, **names}, slower, ears, send)
        await asyncio.sleep(talk.pause * slower)
        transport: asyncio.Transport = cast("Any", send).__self__.transport
        if talk.end == "cut":
            transport.abort()
        elif talk.end == "close" and not ears.gone:
            await send({"type": "websocket.close", "code": talk.code, "reason": talk.reason})
        await ears.wait_for(None)
    finally:
        listening.cancel()


def _asked(path: str, headers: dict[str, str]) -> tuple[_Path, Talk]:
    """Return the row and the scenario that a handshake asks for, unless it is refused."""
    row = PATHS.get(path)
    if row is None:
        raise checks.api_error(404, "Not Found", "invalid_request_error", "3000")
    checks.authorization(headers)
    name = headers.get(_SCENARIO_HEADER, row.scenario)
    if name not in load_talks():
        raise checks.invalid(checks.problem(["header", _SCENARIO_HEADER], "Unknown scenario"))
    return row, load_talks()[name]


async def _refuse(status: int, body: dict[str, Any], send: Send) -> None:
    headers = [(b"content-type", b"application/json")]
    start = {"type": "websocket.http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": json.dumps(body).encode()})


async def _speak(
    talk: Talk, session: dict[str, Any], slower: float, ears: _Ears, send: Send
) -> None:
    """Send the events, as long as the client is there."""
    for line in talk.events:
        if line.hears is not None:
            await ears.wait_for(line.hears)
        for _ in range(line.repeat):
            # Also when there is nothing to wait for: the client's messages must have their turn.
            await asyncio.sleep(line.after * slower)
            if ears.gone:
                return
            payload = dict(line.payload)
            if payload.get("type") in ("session.created", "session.updated"):
                payload["session"] = {**session, **payload.get("session", {})}
            if payload.get("model") == "{model}":
                payload["model"] = session["model"]
            text = json.dumps(payload) if line.raw is None else line.raw
            await send({"type": "websocket.send", "text": text})
