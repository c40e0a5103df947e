# SPDX-License-Identifier: Apache-2.0
"""How the observer of a session knows that it is the SDK which closes the connection."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import opentelemetry.instrumentation.genai.mistralai as package

# A generator that asks at ever new places of its code, as the SDK's does when it closes; then it
# is asked from outside, while it waits. Counters beside the bytecode change with each call.
PROGRAM = """
import asyncio
from types import SimpleNamespace
from opentelemetry.instrumentation.genai.mistralai._sdk.session_observer import SessionObserver

recorder = SimpleNamespace(stop=lambda: None)
observer = SessionObserver(recorder, None, hears=False)

def through(n):
    if n % 2:
        return lambda: observer.is_closed_by_sdk(None)
    return type("C%d" % n, (), {"__call__": lambda self: observer.is_closed_by_sdk(None)})()

async def events():
    ways = [through(n) for n in range(7)]
    for n in range(20_000):
        assert ways[n % 7]()
        if n % 50 == 0:
            yield n
    await asyncio.Event().wait()

async def main():
    generator = events()
    observer._reading.append(generator)
    assert not observer.is_closed_by_sdk(None)
    read = []

    async def reads():
        async for n in generator:
            assert not observer.is_closed_by_sdk(None)
            read.append(n)

    task = asyncio.create_task(reads())
    while len(read) < 400 or not generator.ag_running:
        await asyncio.sleep(0)
    assert not observer.is_closed_by_sdk(None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    print("done")

asyncio.run(main())
"""


def test_who_closes_is_told_at_any_place_of_the_sdks_code_without_a_crash() -> None:
    done = subprocess.run(  # noqa: S603 -- the program above
        [sys.executable, "-X", "faulthandler", "-c", PROGRAM],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_nothing_asks_a_running_generator_what_it_awaits() -> None:
    """CPython 3.11 and 3.12 may crash where a generator that runs is asked that."""
    root = Path(package.__file__).parent
    asking = [
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for name in (".ag_await", ".cr_await", ".gi_yieldfrom")
        if name in path.read_text()
    ]
    assert asking == []
