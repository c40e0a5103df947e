# SPDX-License-Identifier: Apache-2.0
"""gevent and eventlet, which replace threads, locks and sockets under everybody's feet.

They may do so before anything is imported, after that, or when the plugin is already on. Whatever
the bare SDK does then, it does with the plugin too, and every span is recorded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from emulator import Emulator
from tests.support.servers import free_ports
from tests.support.systems import needs_posix
from tests.workers.processes import Ran, run

pytestmark = needs_posix

PATCHES: Final = {
    "gevent": """
import gevent; from gevent import monkey; monkey.patch_all()
pause, spawn, Timeout = gevent.sleep, gevent.spawn, gevent.Timeout
join = lambda greenlet: greenlet.join()
""",
    "eventlet": """
import eventlet; eventlet.monkey_patch()
pause, spawn, Timeout = eventlet.sleep, eventlet.spawn, eventlet.Timeout
def join(greenlet):
    try:
        greenlet.wait()
    except BaseException as exc:
        if type(exc).__name__ != 'GreenletExit':
            raise
""",
}
MOMENTS: Final = ("before imports", "before the SDK", "after imports", "after instrument")
# wrapt imports asyncio and ssl: with the plugin's own import, these came before a late patch.
EARLY: Final = """
if sys.argv[2] != 'bare':
    from opentelemetry.instrumentation.genai.mistralai import instrument
    instrument()
    assert not {'wrapt', 'asyncio', 'ssl'} & set(sys.modules)
"""
# eventlet calls itself deprecated; it also fails at a module of pydantic's, and goes on.
SILENCED: Final = ("-W", "ignore::DeprecationWarning")
BOTH: Final = pytest.mark.parametrize("library", PATCHES)
EACH: Final = pytest.mark.parametrize("moment", MOMENTS)


def program(library: str, moment: str, body: str) -> str:
    """A program that is patched at this moment."""
    lines = {name: PATCHES[library] if name == moment else "" for name in MOMENTS}
    return f"""
import gc, sys, threading, time
{lines["before imports"]}
{EARLY if moment == "before the SDK" else ""}
{lines["before the SDK"]}
from tests.workers.inside import *
{lines["after imports"]}
recorded()
{lines["after instrument"]}
client = client_of(URL)
{body}
"""


def both(library: str, source: str, folder: Path, *arguments: str) -> tuple[Ran, Ran]:
    """Runs a program bare, then instrumented."""
    options = SILENCED if library == "eventlet" else ()
    rans: list[Ran] = []
    for kind in ("bare", "instrumented"):
        own = folder / kind
        own.mkdir()
        url, *others = arguments
        rans.append(run(source, own, url, kind, *others, options=options))
    return rans[0], rans[1]


def assert_silent(ran: Ran) -> None:
    """Nothing that was said is ours; at exit the bare SDK's generators complain too."""
    assert "genai/mistralai" not in ran.stderr
    assert "telemetry" not in ran.stderr


ENDS: Final = """
dead = client_of(sys.argv[3])
try:
    complete(dead)
except Exception as exc:
    emit(type(exc).__name__)
emit(len(list(conversation(client))))
emit(len(list(chat(client))))
emit(complete(client).choices[0].message.content)
for start, hang in ((conversation, 'hang'), (chat, 'chat_hang')):
    with start(client, hang) as stream:
        emit(type(next(stream)).__name__)
    stream = start(client, hang)
    next(stream)
    stream.close()

def reads(scenario):
    def read():
        emit(len(list(conversation(client, scenario))))
    return read
greenlets = [spawn(reads('agent')) for _ in range(10)]
for greenlet in greenlets:
    join(greenlet)

killed = spawn(reads('hang'))
pause(0.3)
killed.kill()
join(killed)
try:
    with Timeout(0.3):
        list(chat(client, 'chat_hang'))
except Timeout:
    emit('too late')
held = conversation(client, 'hang')
next(held)
"""


@EACH
@BOTH
def test_calls_and_streams_are_as_without_us(
    emulator: Emulator, tmp_path: Path, library: str, moment: str
) -> None:
    dead = f"http://127.0.0.1:{free_ports(1)[0]}"
    bare, ours = both(library, program(library, moment, ENDS), tmp_path, emulator.url, dead)
    assert bare.code == 0, bare.stderr
    assert bare.said()[0] == "ConnectError"
    assert (ours.code, ours.said()) == (bare.code, bare.said())
    assert_silent(ours)
    assert ours.outcomes() == [
        *["None"] * 2,
        "abandoned",
        *["cancelled"] * 2,
        *["closed"] * 4,
        *["completed"] * 12,
    ]
    # The one that is open at exit is recorded before the provider shuts down.
    assert ours.lines[-1] == "shutdown in parent"


DROPS: Final = """
recorded_at = []
def note(*_):
    recorded_at.append(time.monotonic())
switch_on(response_hook=note)

def drop(start, hang):
    stream = start(client, hang)
    next(stream)
def drop_in_cycle(start, hang):
    stream = start(client, hang)
    next(stream)
    stream.itself = stream
    del stream
    gc.collect()
def drop_in_greenlet(start, hang):
    join(spawn(lambda: drop(start, hang)))

busy = sys.argv[3] == 'busy'
over = []
def work():
    while not over:
        sum(range(20_000))
        pause(0)
if busy:
    spawn(work)
for how in (drop, drop_in_cycle, drop_in_greenlet):
    for start, hang in ((conversation, 'hang'), (chat, 'chat_hang')):
        before = len(recorded_at)
        how(start, hang)
        dropped_at = time.monotonic()
        # 5 s, and a busy machine.
        while len(recorded_at) == before and time.monotonic() < dropped_at + 7:
            if busy:
                sum(range(20_000))
            pause(0 if busy else 0.05)
        emit(len(recorded_at) - before)
over.append(True)
"""


@pytest.mark.parametrize("busy", ["idle", "busy"])
@EACH
@BOTH
def test_a_dropped_streams_span_ends_within_seconds(
    emulator: Emulator, tmp_path: Path, library: str, moment: str, busy: str
) -> None:
    options = SILENCED if library == "eventlet" else ()
    source = program(library, moment, DROPS)
    ran = run(source, tmp_path, emulator.url, "instrumented", busy, options=options)
    assert ran.code == 0, ran.stderr
    assert ran.said() == [*[1] * 6, "shutdown in parent"]
    assert ran.outcomes() == ["abandoned"] * 6
    assert_silent(ran)
