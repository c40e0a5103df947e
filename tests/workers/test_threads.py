# SPDX-License-Identifier: Apache-2.0
"""Threads, collector callbacks and locks of ours: few, and none that holds anybody up."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from emulator import Emulator
from tests.support.systems import needs_posix, needs_proc
from tests.workers.processes import run

pytestmark = [needs_posix, needs_proc]

_PRELUDE: Final = """
import asyncio, gc, os, sys, threading, time
gc_before = list(gc.callbacks)
from tests.workers.inside import *

def threads():
    '''Of the interpreter, and of the kernel.'''
    return [len(threading.enumerate()), len(os.listdir('/proc/self/task'))]
ended = []
recorded(response_hook=lambda *_: ended.append(1))
client = client_of(URL)
def drop(start=conversation, hang='hang'):
    next(start(client, hang))
"""

NORMAL: Final = (
    _PRELUDE
    + """
async def reads():
    client = client_of(URL)
    stream = await client.beta.conversations.start_stream_async(model='m', inputs='Hello?')
    return [event async for event in stream]
before = threads()
for _ in range(3):
    complete(client)
    list(conversation(client))
    list(chat(client))
    with conversation(client, 'hang') as stream:
        next(stream)
emit(threads() == before)
held = conversation(client, 'hang')
next(held)
emit(threads() == before)
asyncio.run(reads())
try:
    complete(client_of('http://127.0.0.1:1'))
except Exception:
    pass
emit(threads() == before)
emit(gc.callbacks == gc_before)
"""
)


@pytest.mark.parametrize("kind", ["bare", "instrumented"])
def test_there_is_no_thread_and_no_callback_while_nothing_is_dropped(
    emulator: Emulator, tmp_path: Path, kind: str
) -> None:
    ran = run(NORMAL, tmp_path, emulator.url, kind)
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.said() == [True, True, True, True, "shutdown in parent"]


DROPPED: Final = (
    _PRELUDE
    + """
before = threads()
for _ in range(3):
    for start, hang in ((conversation, 'hang'), (chat, 'chat_hang')):
        count = len(ended)
        dropped_at = time.monotonic()
        drop(start, hang)
        emit(wait(lambda: len(ended) > count))
        emit(time.monotonic() - dropped_at < 6)
    emit(wait(lambda: threads() == before))
    emit(gc.callbacks == gc_before)
"""
)


def test_what_is_dropped_is_ended_soon_and_its_thread_goes_away(
    emulator: Emulator, tmp_path: Path
) -> None:
    ran = run(DROPPED, tmp_path, emulator.url, "instrumented")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.said() == [*[True] * 18, "shutdown in parent"]
    assert ran.outcomes() == ["abandoned"] * 6


MANY: Final = (
    _PRELUDE
    + """
most = 0
for _ in range(200):
    drop(conversation, 'agent')
    most = max(most, len(threading.enumerate()))
emit(most <= 2)
emit(wait(lambda: len(ended) == 200))
"""
)


def test_many_that_are_dropped_have_one_thread(emulator: Emulator, tmp_path: Path) -> None:
    ran = run(MANY, tmp_path, emulator.url, "instrumented")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.said() == [True, True, "shutdown in parent"]
    assert ran.outcomes() == ["abandoned"] * 200


NEXT_CALL: Final = (
    _PRELUDE
    + """
# An interpreter that has no threads left to give.
def refuses(*_args, **_kwargs):
    raise RuntimeError("can't start new thread")
import _thread
threading._start_new_thread = _thread.start_new_thread = refuses
if hasattr(_thread, 'start_joinable_thread'):
    _thread.start_joinable_thread = threading._start_joinable_thread = refuses
drop()
emit(len(ended))
complete(client)
emit(len(ended))
drop()
drop()
"""
)


def test_without_threads_the_next_call_or_the_exit_ends_what_was_dropped(
    emulator: Emulator, tmp_path: Path
) -> None:
    ran = run(NEXT_CALL, tmp_path, emulator.url, "instrumented")
    assert ran.code == 0, ran.stderr
    assert ran.said() == [0, 2, "shutdown in parent"]
    assert ran.outcomes() == ["None", *["abandoned"] * 3]


# -- Locks ----------------------------------------------------------------------------------------

HELD: Final = {
    "dropped": "return conversation(client, 'hang')",
    "closed by a generator": """
    def reads():
        with conversation(client, 'hang') as stream:
            yield from stream
    return reads()
""",
    "closed in a finally": """
    def reads():
        stream = conversation(client, 'hang')
        try:
            yield from stream
        finally:
            stream.close()
    return reads()
""",
    "chat, closed by a generator": """
    def reads():
        with chat(client, 'chat_hang') as stream:
            yield from stream
    return reads()
""",
}
# The collector runs inside the lock of a provider of nobody's making, or of the SDK's metrics.
LOCKS: Final = {
    "a provider's own": """
import opentelemetry.trace as trace
from opentelemetry.trace import NonRecordingSpan, SpanContext
lock = threading.Lock()
spans = []
class Span(NonRecordingSpan):
    def __init__(self):
        super().__init__(SpanContext(len(spans) + 1, len(spans) + 1, False))
        spans.append(self)
        self.ends = 0
    def is_recording(self):
        return True
    def set_attributes(self, attributes):
        with lock:
            collect()
    def end(self, end_time=None):
        with lock:
            self.ends += 1
class Tracer(trace.Tracer):
    def start_span(self, *args, **kwargs):
        with lock:
            collect()
            return Span()
    def start_as_current_span(self, *args, **kwargs):
        raise NotImplementedError
class Provider(trace.TracerProvider):
    def get_tracer(self, *args, **kwargs):
        return Tracer()
switch_on(tracer_provider=Provider())
def left_open():
    return [span.ends for span in spans if span.ends != 1]
""",
    "the SDK's metrics'": """
def left_open():
    return []
class Lock:
    def __init__(self, lock):
        self.lock = lock
    def __enter__(self):
        self.lock.acquire()
        collect()
    def __exit__(self, *exc):
        self.lock.release()
complete(client)
list(conversation(client))
names = ('_ViewInstrumentMatch', '_SumAggregation', '_ExplicitBucketHistogramAggregation')
locked = [instance for instance in gc.get_objects() if type(instance).__name__ in names]
assert BARE or locked
for instance in locked:
    instance._lock = Lock(instance._lock)
""",
}
LOCKED: Final = """
gc.disable()
cycles = []
def collect():
    if cycles:
        del cycles[:]
        gc.collect()
class Holder:
    pass
def holding():
    {held}
def put():
    holder = Holder()
    holder.itself, holder.stream = holder, holding()
    next(holder.stream)
    cycles.append(holder)
{lock}
for _ in range(3):
    put()
    complete(client)
    put()
    list(conversation(client))
    emit(len(cycles))
emit(wait(lambda: len(ended) >= 12))
emit(left_open())
"""


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("lock", LOCKS)
def test_a_stream_that_the_collector_finds_inside_a_lock_holds_nobody_up(
    emulator: Emulator, tmp_path: Path, lock: str, held: str
) -> None:
    source = LOCKED.replace("{held}", HELD[held]).replace("{lock}", LOCKS[lock])
    ran = run(_PRELUDE + source, tmp_path, emulator.url, "instrumented", seconds=30)
    assert ran.code == 0, ran.stderr
    assert ran.said()[:5] == [0, 0, 0, True, []]
