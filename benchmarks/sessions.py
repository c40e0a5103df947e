# SPDX-License-Identifier: Apache-2.0
"""What one more event of a realtime session costs: with the websocket and the parsing taken out."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator
from time import perf_counter_ns
from typing import Any

from mistralai.client import Mistral
from mistralai.client.models.transcriptionstreamtextdelta import TranscriptionStreamTextDelta
from mistralai.extra.realtime import connection as _connections
from mistralai.extra.realtime.connection import RealtimeConnection
from mistralai.extra.realtime.transcription import RealtimeTranscription

_EVENTS = 1_000


class _Websocket:
    """Yields ready messages, and closes at once."""

    def __aiter__(self) -> AsyncIterator[str]:
        return self._messages()

    async def _messages(self) -> AsyncIterator[str]:
        for _ in range(_EVENTS):
            yield "{}"

    async def close(self, **_: Any) -> None:
        """Does nothing."""


class SessionStage:
    """The SDK's own connection, whose websocket and parser have everything ready."""

    def __init__(self) -> None:
        delta = TranscriptionStreamTextDelta(text="word ")
        module: Any = _connections

        def parse(_: object) -> Any:
            return delta

        module.parse_realtime_event = parse
        self._owner = Mistral(api_key="none", server_url="http://127.0.0.1:1").audio.realtime
        patched: Any = RealtimeTranscription

        async def connect(_owner: Any, _model: str) -> Any:
            return self.bare()

        patched.connect = connect

    def bare(self) -> Any:
        """A connection of the SDK, past the wrapper of ``connect``."""
        session: Any = None
        websocket: Any = _Websocket()
        return RealtimeConnection(websocket, session)

    async def instrumented(self) -> Any:
        """A connection by way of the wrapped method."""
        connected: Any = await self._owner.connect("m")
        return connected


async def _drained(connection: Any) -> float:
    began = perf_counter_ns()
    async for _ in connection:
        pass
    return (perf_counter_ns() - began) / _EVENTS / 1e3


def per_session_event(stage: SessionStage, rounds: int) -> dict[str, float]:
    """Microseconds that an event costs: the SDK's own, without its parsing, and what is ours."""

    async def measure() -> dict[str, float]:
        pairs = [
            (await _drained(stage.bare()), await _drained(await stage.instrumented()))
            for _ in range(rounds)
        ]
        return {
            "session_event_us_bare": statistics.median(bare for bare, _ in pairs),
            "session_event_us": statistics.median(ours - bare for bare, ours in pairs),
        }

    return asyncio.run(measure())
