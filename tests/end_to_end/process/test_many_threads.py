# SPDX-License-Identifier: Apache-2.0
"""200 threads that stream at once: each has its own events and spans, and no token is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from textwrap import dedent
from typing import Any, Final

import pytest

from emulator import Emulator
from tests.support import names as s
from tests.support.programs import run

THREADS: Final = 200
_PROGRAM: Final = """
    import sys, threading
    from opentelemetry import trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    THREADS = int(sys.argv[2])
    memory, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    meters = MeterProvider([reader])
    # The first calls of all find neither tracer nor instruments made.
    instrument(tracer_provider=provider, meter_provider=meters)
    def go(number):
        # What the pool would wait for is no race of ours.
        limits = httpx.Limits(max_connections=1)
        own = Mistral(api_key='key', server_url=sys.argv[1], async_client=idle, client=httpx.Client(
            verify=False, trust_env=False, limits=limits, timeout=120))
        tracer = provider.get_tracer('threads')
        barrier.wait()
        with tracer.start_as_current_span(f'thread {number}'):
            asked = asking('agent')
            # Every tenth has a tree of spans. The SDK makes a class for each event, slowly.
            if number % 10 == int(sys.argv[3]):
                asked = dict(asking('handoff_chain', agent_id='ag_triage'))
                asked.pop('model', None)
            read = [event.event for event in own.beta.conversations.start_stream(**asked)]
            left = own.beta.conversations.start_stream(**asking('agent'))
            next(left)
            with left:
                pass
            next(own.beta.conversations.start_stream(**asking('agent')))
        counts[number] = len(read)
    def guarded(number):
        try:
            go(number)
        except BaseException as exc:
            failed.append(repr(exc))
            barrier.abort()
    counts, failed = {}, []
    barrier = threading.Barrier(THREADS)
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=guarded, args=[number]) for number in range(THREADS)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    sys.setswitchinterval(switching)
    emit({'failed': failed, 'counts': [counts[number] for number in sorted(counts)]})

    from opentelemetry.instrumentation.genai.mistralai._otel.open_calls import open_calls
    def wait(condition):
        import time
        deadline = time.monotonic() + 60
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.01)
    # The library's own thread ends what was dropped.
    wait(lambda: not open_calls.any() and not open_calls.dropped)
    emit({'open': open_calls.any(), 'dropped': len(open_calls.dropped)})

    spans = memory.get_finished_spans()
    roots = {span.context.trace_id: span.name for span in spans if span.name.startswith('thread')}
    for span in spans:
        emit({
            'root': roots.get(span.context.trace_id), 'name': span.name,
            'id': format(span.context.span_id, 'x'),
            'parent': span.parent and format(span.parent.span_id, 'x'),
            'start': span.start_time, 'end': span.end_time,
            'status': span.status.status_code.name,
            'attributes': sorted(span.attributes),
        })
    totals = {}
    for resource in reader.get_metrics_data().resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                points = metric.data.data_points
                counted = [getattr(point, 'value', getattr(point, 'count', 0)) for point in points]
                totals[metric.name] = sum(counted)
    emit({'totals': totals})
"""


Kind = tuple[str, str, tuple[str, ...]]


@dataclass(frozen=True)
class Recorded:
    """What a number of threads saw and left behind."""

    counts: list[int]
    spans: list[dict[str, Any]]
    totals: dict[str, float]

    def kinds(self, root: str) -> Counter[Kind]:
        """The spans of one thread by name, status, and the names of their attributes."""
        return Counter(
            (span["name"].rstrip("0123456789"), span["status"], tuple(sorted(span["attributes"])))
            for span in self.spans
            if span["root"] == root
        )


def recorded(emulator: Emulator, threads: int, handed: int = 0) -> Recorded:
    """Streams in that many threads at once; each streams three times.

    Args:
        emulator: plays the conversations.
        threads: their number.
        handed: the last digit of the threads whose conversation has tools and handoffs.
    """
    ran = run(_PROGRAM, emulator.url, str(threads), str(handed))
    assert (ran.code, ran.stderr) == (0, "")
    saw, left, *spans, last = ran.said()
    assert saw["failed"] == []
    assert left == {"open": False, "dropped": 0}
    return Recorded(saw["counts"], spans, last["totals"])


def test_200_threads_that_stream_at_once_record_each_their_own(emulator: Emulator) -> None:
    handed, plain = recorded(emulator, 1), recorded(emulator, 1, handed=1)
    assert (len(handed.spans), len(plain.spans)) == (10, 4)
    many = recorded(emulator, THREADS)
    alone = [handed if number % 10 == 0 else plain for number in range(THREADS)]
    assert many.counts == [one.counts[0] for one in alone]
    assert len({span["id"] for span in many.spans}) == len(many.spans)
    assert len(many.spans) == sum(len(one.spans) for one in alone)
    for number, one in enumerate(alone):
        root = f"thread {number}"
        assert many.kinds(root) == one.kinds("thread 0")
        own = [span for span in many.spans if span["root"] == root]
        assert {span["parent"] for span in own} - {span["id"] for span in own} == {None}
    assert all(span["start"] <= span["end"] for span in many.spans)
    # To the token: what two threads add at once is not added once.
    names = {name for one in (handed, plain) for name in one.totals}
    assert many.totals == {name: sum(one.totals.get(name, 0) for one in alone) for name in names}
    assert many.totals[s.METRIC_INPUT_TOKENS] > 0


# -- Without a GIL --------------------------------------------------------------------------------

_FREE: Final = """
    sys.stdout.flush()
    before = sys._is_gil_enabled()
    list(start())
    asyncio.run(start_async())
    emit([before, sys._is_gil_enabled()])
"""


@pytest.mark.skipif(
    getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="this Python has a GIL: it is no free-threaded build, or was told to have one",
)
def test_neither_the_import_nor_a_call_switches_the_gil_on(emulator: Emulator) -> None:
    ran = run(f"    instrument(tracer_provider=exporting()){_FREE}", emulator.url)
    assert (ran.code, ran.said()[0]) == (0, [False, False]), ran.stderr


def test_of_compiled_modules_the_import_needs_wrapt_s_alone() -> None:
    source = """
        import sys
        from importlib.machinery import EXTENSION_SUFFIXES as suffixes
        import opentelemetry.instrumentation.genai.mistralai, wrapt, json, sysconfig
        stdlib = sysconfig.get_path('platstdlib')
        print(json.dumps(sorted(
            name for name, module in sys.modules.items()
            if (getattr(module, '__file__', None) or '').endswith(tuple(suffixes))
            and 'site-packages' in module.__file__
        )))
    """
    command = [sys.executable, "-c", dedent(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 -- ours
    # Since wrapt 2 its module has an underscore.
    assert {name.strip("_") for name in json.loads(done.stdout)} == {"wrapt._wrappers"}
