# SPDX-License-Identifier: Apache-2.0
"""Conversations, sync and async, what their callers got, and how long they took."""

from __future__ import annotations

import asyncio
import gc
import re
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, Final

from mistralai.client import Mistral

from tests.exporters.sides import Side, switch_to

_REQUEST: Final[dict[str, Any]] = {
    "agent_id": "ag_triage",
    "inputs": "Who can write this down?",
    "http_headers": {"x-emulator-scenario": "handoff"},
}
_AT_ONCE: Final = 8
_VOLATILE: Final = re.compile(r"conv_[0-9a-f]{32}|datetime\.datetime\([^)]*\)")


class Conversing:
    """A program's conversations with one API."""

    def __init__(self, server_url: str) -> None:
        """Connects when it is first asked."""
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.different: list[str] = []
        self._client: Any = Mistral(api_key="key", server_url=server_url)
        # Connections of the async client do not outlive their event loop.
        self._loop = asyncio.new_event_loop()
        switch_to(None)
        self._expected = _told(self._sync())
        self._compare(self._async())

    def measure(self, name: str, side: Side | None, count: int) -> int:
        """Holds that many conversations of each kind, after one of each that is not measured.

        Returns:
            how many it held, measured or not.
        """
        switch_to(side)
        for converse in (self._sync, self._async):
            for index in range(count + 1):
                before = perf_counter()
                events = converse()
                if index:
                    self.seconds[f"{name} {converse.__name__[1:]}"].append(perf_counter() - before)
                self._compare(events)
        return 2 * (count + 1)

    def memory_over(self, count: int, side: Side) -> list[int]:
        """Holds that many conversations, some at once.

        Returns:
            the blocks that the interpreter has allocated half-way and at the end.
        """
        switch_to(side)
        found: list[int] = []
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for _half in range(2):
                for events in threads.map(self._numbered, range(count // 2)):
                    self._compare(events)
                gc.collect()
                found.append(sys.getallocatedblocks())
        return found

    def close(self) -> None:
        """Closes connections and the event loop."""
        self._client.__exit__(None, None, None)
        self._loop.run_until_complete(self._client.__aexit__(None, None, None))
        self._loop.close()

    def _sync(self) -> list[Any]:
        with self._client.beta.conversations.start_stream(**_REQUEST) as stream:
            return list(stream)

    def _numbered(self, _number: int) -> list[Any]:
        return self._sync()

    def _async(self) -> list[Any]:
        return self._loop.run_until_complete(self._read())

    async def _read(self) -> list[Any]:
        stream = await self._client.beta.conversations.start_stream_async(**_REQUEST)
        async with stream:
            return [event async for event in stream]

    def _compare(self, events: list[Any]) -> None:
        told = _told(events)
        if told != self._expected:
            self.different.append(told)


def _told(events: list[Any]) -> str:
    """The events as a caller sees them; ids and times are a conversation's own."""
    return _VOLATILE.sub("...", repr(events))
