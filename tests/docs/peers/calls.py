# SPDX-License-Identifier: Apache-2.0
"""The calls that each instrumentation is asked to record, one by one."""

from __future__ import annotations

import asyncio
import gc
import importlib
import time
from collections.abc import Callable
from typing import Any, Final

from tests.support import sdk
from tests.support.completions import is_stream, named
from tests.support.methods import AUDIO, GIVEN, INDEXES

PROMPT: Final = "Hello?"
MESSAGES: Final = [{"role": "user", "content": PROMPT}]
SETTINGS: Final[dict[str, Any]] = {"temperature": 0.5, "top_p": 0.25, "max_tokens": 9}
CHAT: Final[dict[str, Any]] = {"model": "mistral-small-latest", "messages": MESSAGES, **SETTINGS}
FUNCTION: Final[dict[str, Any]] = {
    "type": "function",
    "function": {"name": "look_up", "description": "Looks up", "parameters": {"type": "object"}},
}
CONVERSATION: Final[dict[str, Any]] = {"model": "mistral-medium-latest", "inputs": PROMPT}
TIME_AFTER_DONE: Final = 0.2
SLOW: Final = "conversations.start_stream"

# Given the emulator's URL and a function that says that a stream object is about to be freed.
Call = Callable[[str, Callable[[], None]], Any]


def _client(url: str) -> Any:
    return sdk.Mistral(api_key="key", server_url=url)


def _given(given: dict[str, Any], scenario: str | None) -> dict[str, Any]:
    headers = {"http_headers": {"x-emulator-scenario": scenario}} if scenario else {}
    return {**given, **headers}


def reads(method: str, given: dict[str, Any], scenario: str | None = None) -> Call:
    """Calls the method; a stream is read to its end."""

    def call(url: str, _freed: Callable[[], None]) -> None:
        with _client(url) as client:
            result = named(client, method)(**_given(given, scenario))
            # Some put a generator in the place of the SDK's stream.
            if is_stream(result) or hasattr(result, "__next__"):
                list(result)

    return call


def reads_async(method: str, given: dict[str, Any], scenario: str | None = None) -> Call:
    """The same with the async twin."""

    async def body(url: str) -> None:
        async with _client(url) as client:
            result = await named(client, f"{method}_async")(**_given(given, scenario))
            if is_stream(result) or hasattr(result, "__anext__"):
                async for _ in result:
                    pass

    return lambda url, _freed: asyncio.run(body(url))


def reads_slowly(method: str, given: dict[str, Any], scenario: str) -> Call:
    """Reads a stream, and takes its time after the event that says that all is done."""

    def call(url: str, _freed: Callable[[], None]) -> None:
        with _client(url) as client:
            for event in named(client, method)(**_given(given, scenario)):
                if event.event == "conversation.response.done":
                    time.sleep(TIME_AFTER_DONE)

    return call


def leaves(method: str, given: dict[str, Any]) -> Call:
    """Reads one event of a stream and leaves it; what is done when it is freed is told apart."""

    def call(url: str, freed: Callable[[], None]) -> None:
        with _client(url) as client:
            stream = named(client, method)(**given)
            for _ in stream:
                break
            freed()
            del stream
            gc.collect()

    return call


def leaves_with(method: str, given: dict[str, Any]) -> Call:
    """The same in a ``with`` block."""

    def call(url: str, freed: Callable[[], None]) -> None:
        with _client(url) as client:
            with named(client, method)(**given) as stream:
                for _ in stream:
                    break
            freed()

    return call


def runs_loop(url: str, _freed: Callable[[], None]) -> None:
    """An agent loop with a function on this machine."""
    loops = importlib.import_module("tests.support.agent_runs")

    async def body() -> None:
        async with loops.asking(url, "loop_add") as conversations:
            await loops.run(conversations, loops.prepared(loops.add), streamed=False)

    asyncio.run(body())


def holds_session(url: str, _freed: Callable[[], None]) -> None:
    """A realtime transcription over a websocket."""
    sessions = importlib.import_module("tests.support.sessions")

    async def body() -> None:
        async with _client(url) as client:
            async for _ in sessions.helper(client, "realtime"):
                pass

    asyncio.run(body())


def _given_to(method: str) -> dict[str, Any]:
    return GIVEN[method]


CALLS: Final[dict[str, Call]] = {
    "chat.complete": reads("chat.complete", CHAT),
    "chat.complete, tool call": reads(
        "chat.complete", {**CHAT, "tools": [FUNCTION]}, "chat_tool_calls"
    ),
    "chat.complete_async": reads_async("chat.complete", CHAT),
    "chat.stream": reads("chat.stream", CHAT),
    "chat.stream, tool call": reads(
        "chat.stream", {**CHAT, "tools": [FUNCTION]}, "chat_tool_calls"
    ),
    "chat.stream_async": reads_async("chat.stream", CHAT),
    "chat.stream, left": leaves("chat.stream", CHAT),
    "chat.stream, left in with": leaves_with("chat.stream", CHAT),
    "chat.stream, HTTP 429": reads("chat.stream", CHAT, "http_429"),
    "chat.stream, connection cut": reads("chat.stream", CHAT, "chat_cut"),
    "agents.complete": reads("agents.complete", {"agent_id": "ag_1", "messages": MESSAGES}),
    "agents.stream": reads("agents.stream", {"agent_id": "ag_1", "messages": MESSAGES}),
    "fim.complete": reads("fim.complete", _given_to("fim.complete")),
    "fim.stream": reads("fim.stream", _given_to("fim.stream")),
    "embeddings.create": reads("embeddings.create", _given_to("embeddings.create")),
    "ocr.process": reads("ocr.process", _given_to("ocr.process")),
    "classifiers.moderate": reads("classifiers.moderate", _given_to("classifiers.moderate")),
    "audio.transcriptions.complete": reads(
        "audio.transcriptions.complete", {"model": "m", "file": AUDIO}
    ),
    "audio.speech.complete": reads("audio.speech.complete", _given_to("audio.speech.complete")),
    "responses.create": reads("responses.create", _given_to("responses.create")),
    "conversations.start": reads("beta.conversations.start", CONVERSATION),
    SLOW: reads_slowly("beta.conversations.start_stream", CONVERSATION, "web_search"),
    "conversations.start_stream, handoff": reads(
        "beta.conversations.start_stream",
        {"agent_id": "ag_triage", "inputs": PROMPT},
        "handoff",
    ),
    "conversations.start_stream, error event": reads(
        "beta.conversations.start_stream", CONVERSATION, "error_event"
    ),
    "conversations.start_stream, left": leaves("beta.conversations.start_stream", CONVERSATION),
    "conversations.run_async": runs_loop,
    "search_indexes.search": reads(f"{INDEXES}.search", _given_to(f"{INDEXES}.search")),
    "realtime session": holds_session,
    "batch.jobs.create": reads("batch.jobs.create", _given_to("batch.jobs.create")),
    "workflows.execute_workflow": reads(
        "workflows.execute_workflow", _given_to("workflows.execute_workflow")
    ),
}
