# SPDX-License-Identifier: Apache-2.0
"""Conversation streams as real programs use them, rightly and wrongly: the list.

A usage is a function of ``client.beta.conversations``. What it returns or raises is what its author
can see, so it must be the same with and without us. The decorator tells what becomes of each span:
the stream's outcome, ``error`` for a call that failed before there was a stream, ``none`` for one
without outcome and error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from tests.support import sdk

_Run = TypeVar("_Run", bound=Callable[[Any], Any])
# Four events and no waiting.
SHORT: Final = "agent"
DONE: Final = "conversation.response.done"
# What a client that has close() makes of it; without, the call is an AttributeError.
CLOSED: Final = "closed" if sdk.STREAM_HAS_CLOSE else "abandoned"

RAISING: Final = {
    **{f"http_{status}": "error" for status in (400, 401, 403, 404, 422, 429, 500, 503)},
    **dict.fromkeys(("refuse", "html", "json_200", "deprecated", "no_answer"), "error"),
    **dict.fromkeys(("cut", "inside_event", "reset", "hang", "broken_json"), "failed"),
    "no_event_line": "failed",
    "unknown_event": "failed" if sdk.UNKNOWN_EVENT_RAISES else "completed",
    "ping": "failed" if sdk.EMPTY_EVENT_RAISES else "completed",
    "usage_null": "failed" if sdk.REJECTED_EVENT_RAISES else "completed",
}


@dataclass(frozen=True)
class Usage:
    """A program, and what becomes of the spans of its calls."""

    name: str
    run: Callable[[Any], Any]
    outcomes: tuple[str, ...]


USAGES: Final[list[Usage]] = []


def usage(*outcomes: str) -> Callable[[_Run], _Run]:
    """Puts a function into the list; ``outcomes`` of its spans, in any order."""

    def put(run: _Run) -> _Run:
        kind = "async" if inspect.iscoroutinefunction(run) else "sync"
        USAGES.append(Usage(f"{kind} {run.__name__}", run, outcomes))
        return run

    return put


def asking(scenario: str = SHORT, **arguments: Any) -> dict[str, Any]:
    """The arguments of a call that the emulator answers with a scenario."""
    given = {"inputs": "Hello?", "model": "mistral-medium-latest", **arguments}
    return {**given, "http_headers": {"x-emulator-scenario": scenario}}


def entries() -> Iterator[dict[str, str]]:
    """Inputs that can be read only once."""
    for content in ("One", "Two"):
        yield {"type": "message.input", "role": "user", "content": content}


def tools() -> Iterator[dict[str, str]]:
    """Tools that can be read only once."""
    yield {"type": "code_interpreter"}


def class_of(value: Any) -> Any:
    """type(), of what has no static type."""
    find: Any = type
    return find(value)


async def read_all(stream: Any, heard: list[Any] | None = None) -> list[Any]:
    """All events of an async stream; ``heard`` gets each as it comes."""
    heard = [] if heard is None else heard
    async for event in stream:
        heard.append(event)
    return heard


def two_attempts() -> Any:
    """Retries once: the time for more is over when the first wait is."""
    configuration = sdk.retries()
    configuration.backoff.initial_interval, configuration.backoff.max_interval = 350, 350
    # A first attempt that takes longer on a busy machine would be the only one.
    configuration.backoff.max_elapsed_time = 300
    return configuration


class OwnError(Exception):
    """Raised by the program, and none of our business."""
