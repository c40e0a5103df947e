# SPDX-License-Identifier: Apache-2.0
"""What becomes of open streams when a process exits, or collects garbage in a lock."""

from __future__ import annotations

import re
from typing import Any

import pytest

from emulator import Emulator
from tests.support.programs import Ran, dedented, facts, run

ABANDONED = [("parent", "abandoned", "UNSET")]
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def ended(ran: Ran, without_us: Ran | None = None) -> list[tuple[Any, ...]]:
    """Process, outcome and status of each span; nothing may be said besides, nor after."""
    code, said = (0, "") if without_us is None else (without_us.code, without_us.stderr)
    # httpx2 complains of an open response at the end of Python 3.14, and tells its address.
    assert _ADDRESS.sub("", ran.stderr) == _ADDRESS.sub("", said)
    assert ran.code == code
    assert ran.said() == ["shutdown in parent"]
    assert ran.lines[-1] == "shutdown in parent"
    return facts(ran)


OPEN_AT_EXIT = {
    "sync": "stream = start('hang'); next(stream)",
    "never iterated": "stream = start('hang')",
    "in a cycle": "stream = start('hang'); next(stream); stream.itself = stream; del stream",
    "dropped last": "start('hang')",
    "in a daemon thread": """
        def read():
            for event in start('hang'):
                reading.set()
        reading = threading.Event()
        threading.Thread(target=read, daemon=True).start()
        reading.wait()
    """,
    "in the frame of an object that dies late": """
        class Late:
            def __init__(self):
                self.stream = start('hang')
            def __del__(self):
                del self.stream
        threading.late = Late()
    """,
}


@pytest.mark.parametrize("source", OPEN_AT_EXIT.values(), ids=OPEN_AT_EXIT)
def test_a_stream_that_is_open_at_exit_is_abandoned_before_the_provider_shuts_down(
    emulator: Emulator, source: str
) -> None:
    # An open stream at exit is too much for CPython 3.13.0, in a fork: it ends in SIGSEGV.
    without_us = run(dedented(source), emulator.url)
    ran = run("instrument(**batching())\n" + dedented(source), emulator.url)
    assert ended(ran, without_us) == ABANDONED


MADE_LATE = {
    "all": "instrument(); list(start()); batching(); uninstrument(); instrument()",
    "the tracer's": "counting(); instrument(); list(start()); batching_spans()",
}


@pytest.mark.parametrize("late", MADE_LATE.values(), ids=MADE_LATE)
def test_a_provider_made_after_the_first_call_still_gets_the_open_stream(
    emulator: Emulator, late: str
) -> None:
    hang = "stream = start('hang'); next(stream)"
    without_us = run(hang, emulator.url)
    ran = run(f"{late}\n{hang}", emulator.url)
    assert ended(ran, without_us) == ABANDONED


def test_an_async_stream_that_is_open_at_exit_is_abandoned(emulator: Emulator) -> None:
    source = """
        async def main():
            global stream
            stream = await start_async('hang')
            await anext(stream)
        own = httpx.AsyncClient(verify=False, trust_env=False)
        client = Mistral(api_key="key", server_url=sys.argv[1], client=http, async_client=own)
        asyncio.run(main())
    """
    ran = run("instrument(**batching())\n" + dedented(source), emulator.url)
    # The end of the event loop is not silent without us either, now and then.
    assert "opentelemetry" not in ran.stderr
    assert facts(ran) == ABANDONED
    assert ran.lines[-1] == "shutdown in parent"


def test_an_async_stream_that_its_event_loop_outlives_is_abandoned(emulator: Emulator) -> None:
    source = """
        instrument(**batching())
        async def main():
            global client
            async with httpx.AsyncClient(verify=False, trust_env=False) as own:
                options = {'server_url': sys.argv[1], 'client': http, 'async_client': own}
                client = Mistral(api_key="key", **options)
                async for event in await start_async():
                    break
                asyncio.create_task(hold(await start_async('hang')))
                await asyncio.sleep(0)
        async def hold(stream):
            await asyncio.Event().wait()
        asyncio.run(main())
    """
    assert ended(run(source, emulator.url)) == ABANDONED * 2


def test_leaving_with_by_sys_exit_is_cancelled(emulator: Emulator) -> None:
    source = """
        instrument(**batching())
        with start('hang') as stream:
            next(stream)
            sys.exit(0)
    """
    assert ended(run(source, emulator.url)) == [("parent", "cancelled", "UNSET")]


def test_an_exception_that_nobody_handles_leaves_its_own_traceback_only(
    emulator: Emulator,
) -> None:
    source = """
        instrument(**batching())
        def main():
            stream = start('hang')
            next(stream)
            raise KeyError('mine')
        main()
    """
    ran = run(source, emulator.url)
    assert ran.code == 1
    assert ran.stderr.splitlines()[-1] == "KeyError: 'mine'"
    assert "opentelemetry" not in ran.stderr
    assert facts(ran) == ABANDONED
    assert ran.lines[-1] == "shutdown in parent"


# A new model is a new set of attributes, for which the first lock is taken; a known one has an
# aggregation with the second.
@pytest.mark.parametrize(
    ("kind", "model"),
    [("_ViewInstrumentMatch", "mistral-new"), ("_SumAggregation", "mistral-medium-latest")],
)
@pytest.mark.parametrize(
    ("held", "outcome"), [("bare", "abandoned"), ("in_with", "closed"), ("in_finally", "closed")]
)
def test_a_stream_collected_inside_the_metrics_lock_does_not_deadlock(
    emulator: Emulator, kind: str, model: str, held: str, outcome: str
) -> None:
    source = """
        instrument(**batching())
        list(start())

        def bare():
            return start()
        def in_with():
            with start() as stream:
                yield from stream
        def in_finally():
            stream = start()
            try:
                yield from stream
            finally:
                # Older SDKs have no close().
                stream.__exit__(None, None, None)

        class Lock:
            '''Collects a stream in a reference cycle while the lock is held.'''
            def __init__(self, lock):
                self.lock = lock
            def __enter__(self):
                self.lock.acquire()
                if cycles:
                    del cycles[:]
                    gc.collect()
            def __exit__(self, *exc):
                self.lock.release()

        locked = [o for o in gc.get_objects() if type(o).__name__ == sys.argv[2]]
        assert locked
        for instance in locked:
            instance._lock = Lock(instance._lock)
        gc.disable()
        class Holder:
            pass
        holder = Holder()
        holder.itself, holder.stream = holder, globals()[sys.argv[4]]()
        next(holder.stream)
        cycles = [holder]
        del holder
        list(start(model=sys.argv[3]))
        assert not cycles
        emit("done")
    """
    ran = run(source, emulator.url, kind, model, held)
    assert ran.stderr == ""
    assert ran.said() == ["done", "shutdown in parent"]
    assert sorted(ended for _, ended, _ in facts(ran)) == sorted([outcome, *["completed"] * 2])


def test_a_collector_that_runs_in_every_allocation_changes_nothing(emulator: Emulator) -> None:
    source = """
        instrument(**batching())
        gc.freeze()
        gc.set_threshold(1)
        def cycle():
            stream = start()
            next(stream)
            stream.itself = stream
        for _ in range(3):
            cycle()
            list(start())
    """
    outcomes = [outcome for _, outcome, _ in ended(run(source, emulator.url))]
    assert outcomes == ["abandoned"] * 3 + ["completed"] * 3
