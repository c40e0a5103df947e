# SPDX-License-Identifier: Apache-2.0
"""The real SDK with decoding and HTTP taken out, so that what is left to see is the plugin.

Streams are the SDK's own `EventStream`, of events that were parsed once. Before a measured call
the SDK's own ``start_stream`` runs (argument models, serializing, pydantic), unmeasured: in a tight
loop everything is in the processor's caches, and what is measured looks half as dear as it is.
"""

from __future__ import annotations

import statistics
from collections.abc import AsyncGenerator, Callable, Iterator
from itertools import permutations
from time import perf_counter_ns
from typing import Any

import httpx2
from mistralai.client import Mistral
from mistralai.client.conversations import Conversations
from mistralai.client.models.conversationevents import ConversationEvents
from mistralai.client.utils import eventstreaming

_TIME = "2026-01-01T00:00:00Z"


def _event(kind: str, **fields: Any) -> ConversationEvents:
    data = {"type": kind, "created_at": _TIME, **fields}
    return ConversationEvents.model_validate({"event": kind, "data": data})


def events(deltas: int) -> list[ConversationEvents]:
    """The parsed events of a conversation with that many text deltas."""
    delta = _event(
        "message.output.delta", id="msg_1", content="word ", model="mistral-medium-latest",
        role="assistant",
    )  # fmt: skip
    usage = {"prompt_tokens": 120, "completion_tokens": 80, "total_tokens": 200}
    return [
        _event("conversation.response.started", conversation_id="conv_1"),
        *[delta] * deltas,
        _event("conversation.response.done", usage=usage),
    ]


def tools(count: int) -> list[ConversationEvents]:
    """The parsed events of a conversation in which that many tools run."""
    first, *_, last = events(0)
    pairs = [
        _event(f"tool.execution.{step}", id=f"tool_{n}", name="web_search", **told)
        for n in range(count)
        for step, told in (("started", {"arguments": "{}"}), ("done", {}))
    ]
    return [first, *pairs, last]


ARGUMENTS: dict[str, Any] = {
    "model": "mistral-medium-latest",
    "inputs": "How warm is it?",
    "completion_args": {"temperature": 0.3, "max_tokens": 200},
}


class Stage:
    """The SDK's own class and streams, whose ``start_stream`` answers with ready events."""

    def __init__(self) -> None:
        self.script: list[ConversationEvents] = []
        self.conversations = Mistral(
            api_key="none", server_url="http://127.0.0.1:1"
        ).beta.conversations
        request = httpx2.Request("POST", "http://127.0.0.1:1/v1/conversations")
        headers = {"content-type": "text/event-stream"}
        self._response = httpx2.Response(200, headers=headers, request=request)
        self._sdk = Conversations.start_stream
        patched: Any = Conversations
        patched.do_request = self._respond
        patched.start_stream, patched.start_stream_async = self._methods()
        module: Any = eventstreaming
        module.stream_events = self._decode
        module.stream_events_async = self._decode_async

    def run_sdk(self) -> None:
        """Runs the SDK's own start_stream; afterwards the caches are as in a real program."""
        self._sdk(self.conversations, **ARGUMENTS)

    def instrumented(self) -> Any:
        """A stream by way of the wrapped method."""
        return self.conversations.start_stream(**ARGUMENTS)

    def bare(self) -> Any:
        """What `Conversations.start_stream` is on this stage, past every wrapper."""
        return self._stream(eventstreaming.EventStream)

    def _respond(self, *_args: Any, **_kwargs: Any) -> httpx2.Response:
        return self._response

    def _decode(self, *_args: Any, **_kwargs: Any) -> Iterator[ConversationEvents]:
        return iter_events(self)

    def _decode_async(self, *_args: Any, **_kwargs: Any) -> AsyncGenerator[ConversationEvents]:
        return aiter_events(self)

    def _stream(self, kind: Any) -> Any:
        return kind(self._response, None, client_ref=self.conversations)

    def _methods(self) -> tuple[Any, Any]:
        def start_stream(_conversations: Any, **_kwargs: Any) -> Any:
            return self._stream(eventstreaming.EventStream)

        async def start_stream_async(_conversations: Any, **_kwargs: Any) -> Any:
            return self._stream(eventstreaming.EventStreamAsync)

        return start_stream, start_stream_async


def drained_in(start: Callable[[], Any]) -> float:
    """Microseconds that it takes to start a stream and to read it to its end."""
    began = perf_counter_ns()
    for _ in start():
        pass
    return (perf_counter_ns() - began) / 1e3


def in_turns(
    bare: Callable[[], float], ours: Callable[[], float], hand: Callable[[], float], rounds: int
) -> tuple[float, float, float]:
    """The medians of three variants, of which each comes after each other one equally often.

    Ours and the floor run the same code of OpenTelemetry. In a fixed order the one that comes right
    after the other finds it in the processor's caches, and looks 8 % cheaper.
    """
    found: list[list[float]] = [[], [], []]
    orders = list(permutations(enumerate((bare, ours, hand))))
    for turn in range(rounds):
        for at, variant in orders[turn % len(orders)]:
            found[at].append(variant())
    first, second, third = map(statistics.median, found)
    return first, second, third


def iter_events(stage: Stage) -> Iterator[ConversationEvents]:
    """In the place of the SDK's decoder: a generator, as there."""
    yield from stage.script


async def aiter_events(stage: Stage) -> AsyncGenerator[ConversationEvents]:
    """The same for async."""
    for event in stage.script:
        yield event
