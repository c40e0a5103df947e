# SPDX-License-Identifier: Apache-2.0
"""The observer in a stream: it tells how the stream ended, and the caller sees no difference."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._otel.open_calls import OpenCalls
from opentelemetry.instrumentation.genai.mistralai._sdk.streams import leave
from tests.support.fakes import PACKAGE
from tests.support.observed_streams import (
    Queue,
    Recorder,
    async_events,
    drained,
    events,
    observed,
    step,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@pytest.fixture(autouse=True)
def dropped(monkeypatch: pytest.MonkeyPatch) -> Queue:
    """What dropped streams are put on. Nobody takes them out."""
    # An earlier test's streams would be dropped into this one's queue.
    gc.collect()
    calls = OpenCalls()
    # What stops at exit: nobody ends what is put there.
    calls.end_all()
    monkeypatch.setattr(f"{PACKAGE}._sdk.streams.open_calls", calls)
    monkeypatch.setattr(f"{PACKAGE}._log._reported", set[tuple[str, str]]())
    return calls.dropped


BOTH = pytest.mark.parametrize("make", [events, async_events])
SEEN = ("'see'", "1")


@BOTH
@pytest.mark.parametrize(
    ("exc", "told"),
    [
        (ValueError(), ("'failed'", "ValueError()")),
        (TimeoutError(), ("'failed'", "TimeoutError()")),
        (asyncio.CancelledError(), ("'left'", "'cancelled'")),
        (KeyboardInterrupt(), ("'left'", "'cancelled'")),
        (SystemExit(), ("'left'", "'cancelled'")),
        (GeneratorExit(), None),
        (None, ("'exhausted'",)),
    ],
)
def test_what_comes_out_of_a_stream_says_how_it_ended(
    make: Any, exc: BaseException | None, told: tuple[str, ...] | None, dropped: Queue
) -> None:
    recorder = Recorder()
    stream = observed(make(1, then=exc), recorder)
    assert step(stream.generator) == 1
    with pytest.raises(type(exc) if exc else (StopIteration, StopAsyncIteration)) as raised:
        step(stream.generator)
    assert exc is None or raised.value is exc
    if isinstance(raised.value, StopIteration):
        assert raised.value.value == "the generator's own value"
    assert recorder.told == ([SEEN, told] if told else [SEEN])
    assert told or recorder in drained(dropped)


@pytest.mark.parametrize(
    ("exit_args", "outcome"),
    [
        ((), "closed"),
        ((None, None, None), "closed"),
        ((ValueError, ValueError(), None), "closed"),
        ((GeneratorExit, GeneratorExit(), None), "closed"),
        ((asyncio.CancelledError, asyncio.CancelledError(), None), "cancelled"),
        ((KeyboardInterrupt, KeyboardInterrupt(), None), "cancelled"),
        ((SystemExit, None, None), "cancelled"),
    ],
)
def test_leaving_is_closing_unless_a_cancellation_takes_the_caller_out(
    exit_args: tuple[Any, ...], outcome: str
) -> None:
    recorder = Recorder()
    leave(observed(events(1), recorder), exit_args)
    assert recorder.told == [("'left'", repr(outcome))]


def test_leaving_inside_opentelemetry_only_notes_the_time(dropped: Queue) -> None:
    recorder = Recorder()
    stream = observed(events(1), recorder)
    # An iterator that the SDK of OpenTelemetry steps through, in a frame of its own.
    namespace: dict[str, Any] = {"__name__": "opentelemetry.sdk.metrics", "leave": leave}
    exec("def collect(stream): leave(stream)", namespace)  # noqa: S102 -- a module's name is wanted
    namespace["collect"](stream)
    assert recorder.told == [("'leave_later'",)]
    assert drained(dropped) == [recorder]
    leave(stream)
    assert recorder.told[1:] == [("'left'", "'closed'")]


@pytest.mark.parametrize("stream", [object(), None, SimpleNamespace(generator=events())])
def test_leaving_a_stream_that_is_not_ours_is_no_news(stream: object) -> None:
    leave(stream)


def test_closing_the_generator_closes_the_stream() -> None:
    recorder, generator, other = Recorder(), events(1), async_events(1)
    observed(generator, recorder).generator.close()
    with pytest.raises(StopIteration):
        observed(other, recorder).generator.aclose().send(None)
    assert recorder.told == [("'left'", "'closed'")] * 2
    for closed in (generator, other):
        with pytest.raises((StopIteration, StopAsyncIteration)):
            step(closed)


async def test_a_cancelled_task_cancels_its_stream() -> None:
    waiting = asyncio.Event()

    async def forever() -> AsyncGenerator[object, None]:
        waiting.set()
        yield await asyncio.Event().wait()

    recorder = Recorder()
    stream = observed(forever(), recorder)
    task = asyncio.ensure_future(stream.generator.__anext__())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorder.told == [("'left'", "'cancelled'")]


@BOTH
def test_a_stream_that_is_read_twice_at_once_goes_on(make: Any) -> None:
    recorder = Recorder()

    def again() -> object:
        with pytest.raises((ValueError, RuntimeError), match="already"):
            step(stream.generator)
        return 1

    async def async_reading() -> AsyncGenerator[object, None]:
        yield again()

    reading = (again() for _ in range(1)) if make is events else async_reading()
    stream = observed(reading, recorder)
    assert (step(stream.generator), recorder.told) == (1, [SEEN])


@BOTH
@pytest.mark.parametrize("read", [0, 1])
def test_a_dropped_stream_is_put_on_the_queue_and_nothing_else_happens(
    make: Any, read: int, dropped: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    recorder = Recorder()
    stream = observed(make(1), recorder)
    for _ in range(read):
        step(stream.generator)
    del stream
    assert (recorder.told, caplog.records) == ([SEEN] * read, [])
    assert drained(dropped).count(recorder) == 1


def test_dropping_a_stream_whose_span_has_ended_is_no_news(dropped: Queue) -> None:
    recorder = Recorder()
    stream = observed(events(1), recorder)
    # As the end of a call does.
    recorder.watch = None
    del stream
    assert recorder not in drained(dropped)


def test_a_stream_that_is_dropped_while_it_is_awaited_is_abandoned(dropped: Queue) -> None:
    loop = asyncio.new_event_loop()
    never = loop.create_future()

    async def forever() -> AsyncGenerator[object, None]:
        yield await never

    recorder = Recorder()
    coroutine = observed(forever(), recorder).generator.__anext__()
    coroutine.send(None)
    del coroutine
    loop.close()
    assert (recorder.told, recorder in drained(dropped)) == ([], True)


@BOTH
def test_copy_and_pickle_fail_as_for_a_generator(make: Any) -> None:
    observer = observed(make(1), Recorder()).generator
    for tried in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError) as bare:
            tried(make(1))
        with pytest.raises(TypeError, match=f"^{bare.value}$"):
            tried(observer)
