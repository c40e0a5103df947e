# SPDX-License-Identifier: Apache-2.0
"""Realtime sessions over the emulator's websockets: how to open one, and what its span says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import pytest

from emulator import Emulator
from emulator.realtime import REQUEST_ID
from tests.support import names as s
from tests.support import sdk
from tests.support.completions import place

MODEL: Final = "voxtral-mini-transcribe-realtime-3"
needs_sessions: Final = pytest.mark.skipif(
    sdk.VERSION < (1, 12), reason="realtime transcription came with 1.12"
)
needs_speech: Final = pytest.mark.skipif(
    sdk.VERSION < (3, 6), reason="realtime speech came with 3.6"
)
KINDS: Final = [
    pytest.param("realtime", marks=needs_sessions),
    pytest.param("realtime_speech", marks=needs_speech),
]
# The scenario that stays open, what a session of this kind sends, and the events of the former.
OPEN: Final = {"realtime": "open", "realtime_speech": "open_speech"}
WHOLE: Final = {"realtime": "heard", "realtime_speech": "spoken"}
ALL: Final = 3
DONE: Final = frozenset({"transcription.done", "speech.audio.done"})


@asynccontextmanager
async def asking(emulator: Emulator) -> AsyncGenerator[Any]:
    """A client in this event loop."""
    async with sdk.Mistral(api_key="key", server_url=emulator.url) as client:
        yield client


def given(scenario: str, **more: Any) -> dict[str, Any]:
    """The arguments that choose a scenario."""
    return {"http_headers": {"x-emulator-scenario": scenario}, **more}


async def connect(client: Any, kind: str, scenario: str | None = None, **more: Any) -> Any:
    """Opens a session; the model has no name, as in the SDK's examples."""
    owner = getattr(client.audio, kind)
    return await owner.connect(MODEL, **given(scenario or WHOLE[kind], **more))


def helper(client: Any, kind: str, scenario: str | None = None, **more: Any) -> AsyncIterator[Any]:
    """The events of the SDK's helper, which opens a session, sends, and closes it."""
    arguments = {"model": MODEL, **given(scenario or WHOLE[kind], **more)}
    if kind == "realtime":
        stream: AsyncIterator[Any] = client.audio.realtime.transcribe_stream(sound(), **arguments)
        return stream
    spoken: AsyncIterator[Any] = client.audio.realtime_speech.speak_stream(words(), **arguments)
    return spoken


async def sound() -> AsyncGenerator[bytes]:
    """Fifteen bytes of sound."""
    yield b"\x00" * 10
    yield b"\x01" * 5


async def words() -> AsyncGenerator[str]:
    """What is to be said."""
    yield "Hello,"
    yield " you"


def identity(emulator: Emulator, kind: str) -> dict[str, Any]:
    """The attributes of each session whose handshake succeeded, but for what it ended with."""
    return {
        **started(emulator, kind),
        s.RESPONSE_MODEL: MODEL,
        s.REQUEST_ID: REQUEST_ID,
    }


def started(emulator: Emulator, kind: str) -> dict[str, Any]:
    """The attributes of each session."""
    speech = {s.OUTPUT_TYPE: "speech"} if kind == "realtime_speech" else {}
    return {
        **place(emulator),
        s.OPERATION_NAME: "generate_content",
        s.REQUEST_MODEL: MODEL,
        s.REQUEST_STREAM: True,
        **speech,
    }


def name_of(event: Any) -> str:
    """An event's type, which the models of 1.x spell in capitals."""
    return str(getattr(event, "TYPE", None) or event.type)


def websocket_of(connection: Any) -> Any:
    """The websocket inside a connection."""
    return cast("dict[str, Any]", vars(connection))["_websocket"]


def names_in(thing: Any) -> list[str]:
    """The names of an object's own attributes."""
    return sorted(cast("dict[str, Any]", vars(thing)))
