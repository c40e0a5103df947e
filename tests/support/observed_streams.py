# SPDX-License-Identifier: Apache-2.0
"""Streams with the observer in them, and a recorder that keeps what it tells."""

from __future__ import annotations

from collections import deque
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.genai.mistralai._otel.dropped import Watch
from opentelemetry.instrumentation.genai.mistralai._sdk.streams import observe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

Queue = deque[Any]


class Recorder:
    """Keeps what the observer tells, and fails at it if asked to."""

    def __init__(self, fails: type[Exception] | None = None) -> None:
        self.ended = False
        self.watch: object = None
        self.told: list[tuple[object, ...]] = []
        self._fails = fails

    def __getattr__(self, name: str) -> Any:
        return partial(self._keep, name)

    def _keep(self, *told: object) -> None:
        self.told.append(tuple(map(repr, told)))
        if self._fails is not None:
            raise self._fails("the user's words")


def observed(generator: object, recorder: Any) -> Any:
    stream = SimpleNamespace(generator=generator)
    observe(stream, recorder, recorder)
    return stream


def events(*values: object, then: BaseException | None = None) -> Generator[object, None, str]:
    yield from values
    if then is not None:
        raise then
    return "the generator's own value"


async def async_events(
    *values: object, then: BaseException | None = None
) -> AsyncGenerator[object, None]:
    for value in values:
        yield value
    if then is not None:
        raise then


def step(generator: Any) -> Any:
    if hasattr(generator, "__next__"):
        return next(generator)
    try:
        generator.__anext__().send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def drained(queue: Queue) -> list[object]:
    # The collector may bring streams of earlier tests too, so tests look for their own.
    found = [item.call if isinstance(item, Watch) else item for item in queue]
    queue.clear()
    return found
