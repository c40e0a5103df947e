# SPDX-License-Identifier: Apache-2.0
"""Conversation streams as real programs read, leave, drop and share them: the sync ones."""

from __future__ import annotations

import gc
import itertools
import threading
import weakref
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.support.recording import wait_until
from tests.support.usages import (
    CLOSED,
    DONE,
    OwnError,
    asking,
    class_of,
    entries,
    tools,
    usage,
)


@usage("completed")
def reads_to_the_end(conversations: Any) -> Any:
    stream = conversations.start_stream(**asking())
    return [class_of(stream), sorted(dir(stream)), list(stream), list(stream)]


@usage("completed")
def breaks_at_done(conversations: Any) -> Any:
    events: list[Any] = []
    for event in conversations.start_stream(**asking("events_after_done")):
        events.append(event)
        if event.event == DONE:
            break
    return events


@usage("abandoned")
def breaks_before_done(conversations: Any) -> Any:
    for event in conversations.start_stream(**asking()):
        return event
    return None


@usage("abandoned")
def raises_in_its_loop(conversations: Any) -> Any:
    for event in conversations.start_stream(**asking()):
        raise OwnError(event.event)


@usage("completed", "completed")
def appends_and_restarts(conversations: Any) -> Any:
    arguments = asking()
    del arguments["model"]
    appended = conversations.append_stream(conversation_id="conv_1", **arguments)
    restart = {"conversation_id": "conv_1", "from_entry_id": "entry_1"}
    return [list(appended), list(conversations.restart_stream(**restart, **arguments))]


@usage("completed")
def reads_inside_with(conversations: Any) -> Any:
    with conversations.start_stream(**asking()) as stream:
        return [class_of(stream), list(stream)]


@usage("closed")
def leaves_with_early(conversations: Any) -> Any:
    with conversations.start_stream(**asking()) as stream:
        for event in stream:
            return [event, stream.response.is_closed]
        return None


@usage("closed")
def leaves_with_by_an_exception(conversations: Any) -> Any:
    with conversations.start_stream(**asking()) as stream:
        raise OwnError(next(stream).event)


@usage("cancelled", "cancelled")
def leaves_with_by_exits(conversations: Any) -> Any:
    seen: list[Any] = []
    for kind in (KeyboardInterrupt, SystemExit):
        try:
            with conversations.start_stream(**asking()) as stream:
                next(stream)
                raise kind("enough")
        except kind as exc:
            seen.append(exc)
    return seen


@usage("closed")
def closes_a_generator_around_with(conversations: Any) -> Any:
    def names() -> Generator[str, None, None]:
        with conversations.start_stream(**asking()) as stream:
            for event in stream:
                yield event.event

    reader = names()
    first = next(reader)
    reader.close()
    return first


@usage(CLOSED)
def closes(conversations: Any) -> Any:
    stream = conversations.start_stream(**asking())
    next(stream)
    stream.close()
    stream.close()
    return [stream.response.is_closed, next(stream, "over")]


@usage("closed")
def reads_on_after_with(conversations: Any) -> Any:
    with conversations.start_stream(**asking("hang")) as stream:
        # All three: what came and was not read, SDK 1.x may give out even now, or not.
        for _ in range(3):
            next(stream)
    return next(stream, "over")


@usage("completed")
def reads_on_after_the_end(conversations: Any) -> Any:
    stream = conversations.start_stream(**asking())
    list(stream)
    with stream:
        return next(stream)


@usage("abandoned", "closed")
def never_iterates(conversations: Any) -> Any:
    conversations.start_stream(**asking())
    with conversations.start_stream(**asking()):
        return None


@usage("abandoned", "abandoned")
def drops(conversations: Any) -> Any:
    stream, in_a_cycle = (conversations.start_stream(**asking()) for _ in range(2))
    next(stream)
    dropped, in_a_cycle.itself = weakref.ref(stream), in_a_cycle
    cycle = weakref.ref(in_a_cycle)
    gc.disable()
    del stream, in_a_cycle
    at_once = [dropped() is None, cycle() is None]
    gc.enable()
    gc.collect()
    return [at_once, cycle() is None]


@usage("completed", "completed", "abandoned")
def reads_in_turns(conversations: Any) -> Any:
    streams = [conversations.start_stream(**asking()) for _ in range(2)]
    taken: list[Any] = list(itertools.islice(conversations.start_stream(**asking()), 2))
    return [list(zip(*streams, strict=True)), [list(stream) for stream in streams], taken]


@usage(*["completed"] * 5)
def reads_in_threads(conversations: Any) -> Any:
    def read(_: int) -> list[Any]:
        return list(conversations.start_stream(**asking("answer")))

    with ThreadPoolExecutor(5) as pool:
        return list(pool.map(read, range(5)))


@usage("failed")
def reads_one_stream_in_two_threads(conversations: Any) -> Any:
    stream = conversations.start_stream(**asking("hang", timeout_ms=300))
    events = [next(stream) for _ in range(3)]
    errors: list[BaseException] = []

    def read() -> None:
        try:
            next(stream)
        except Exception as exc:  # noqa: BLE001 -- handed to the other thread
            errors.append(exc)

    thread = threading.Thread(target=read)
    thread.start()
    # Beneath our observer, if there is one.
    generator = getattr(stream.generator, "_generator", stream.generator)
    wait_until(lambda: generator.gi_running)
    try:
        next(stream)
    except ValueError as exc:
        errors.append(exc)
    thread.join()
    return [events, sorted(errors, key=repr), list(stream)]


@usage("completed")
def hands_in_generators(conversations: Any) -> Any:
    return list(conversations.start_stream(**asking(inputs=entries(), tools=tools())))
