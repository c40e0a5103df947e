# SPDX-License-Identifier: Apache-2.0
"""Real signals in plain processes: whatever of ours they arrive in, the program gets them."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import pytest

from emulator import Emulator
from tests.support.systems import needs_posix
from tests.workers.processes import ended, run, started, told

pytestmark = needs_posix

# -- While the collector runs ---------------------------------------------------------------------

_PRELUDE: Final = """
import atexit, functools, gc, os, random, signal, subprocess, sys, threading, time
from tests.workers.inside import *

def on_term(*_):
    sys.exit(3)
def on_alarm(*_):
    raise TimeoutError('too late')
signal.signal(signal.SIGTERM, on_term)
signal.signal(signal.SIGALRM, on_alarm)
"""
COLLECTIONS: Final = (
    _PRELUDE
    + """
recorded()
client = client_of(URL)
list(conversation(client))
# Enough that a collection takes longer than all the rest.
heap = [[] for _ in range(600_000)]

def arrives(name, kind):
    # From another process, as Ctrl-C and a supervisor's signals do.
    sender = subprocess.Popen(['sh', '-c', f'sleep 0.1; kill -{name} {os.getpid()}'])
    before = time.monotonic()
    try:
        try:
            while time.monotonic() < before + 2:
                gc.collect()
        finally:
            sender.wait()
    except kind:
        return 1
    return 0

for name, kind in (('INT', KeyboardInterrupt), ('TERM', SystemExit), ('ALRM', TimeoutError)):
    emit([name, sum(arrives(name, kind) for _ in range(5))])
"""
)


@pytest.mark.parametrize("kind", ["bare", "instrumented"])
def test_a_signal_that_arrives_while_the_collector_runs_is_not_lost(
    emulator: Emulator, tmp_path: Path, kind: str
) -> None:
    ran = run(COLLECTIONS, tmp_path, emulator.url, kind)
    assert ran.code == 0, ran.stderr
    assert ran.said() == [["INT", 5], ["TERM", 5], ["ALRM", 5], "shutdown in parent"]
    assert ran.stderr == ""


DROPPED_IN_COLLECTIONS: Final = (
    _PRELUDE
    + """
recorded()
client = client_of(URL)
list(conversation(client))
heap = [[] for _ in range(1_000_000)]
gc.disable()

class Holder:
    pass
def cycle(start):
    holder = Holder()
    holder.itself, holder.stream = holder, start()
    return holder
def arrives(start):
    # It is in no cycle before the collection that finds it.
    holder = cycle(start)
    del holder
    try:
        # The timer runs out while the collector goes through the heap; then it drops the stream.
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        gc.collect()
        for _ in range(100_000):
            pass
    except TimeoutError:
        return 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    return 0
# Never iterated: its generator has not begun, so it runs no code when it is dropped, bare.
emit(sum(arrives(lambda: conversation(client, 'hang')) for _ in range(5)))
emit(sum(arrives(lambda: chat(client, 'chat_hang')) for _ in range(5)))
"""
)


@pytest.mark.parametrize("kind", ["bare", "instrumented"])
def test_a_signal_that_arrives_while_the_collector_drops_a_stream_is_not_lost(
    emulator: Emulator, tmp_path: Path, kind: str
) -> None:
    ran = run(DROPPED_IN_COLLECTIONS, tmp_path, emulator.url, kind)
    assert ran.code == 0, ran.stderr
    assert ran.said() == [5, 5, "shutdown in parent"]
    assert ran.stderr == ""
    expected = ["abandoned"] * 10 if kind == "instrumented" else []
    assert [outcome for outcome in ran.outcomes() if outcome != "completed"] == expected


# -- In hooks, processors, log handlers -----------------------------------------------------------

INSIDE: Final = (
    _PRELUDE
    + """
import logging
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.metrics import NoOpMeter, NoOpMeterProvider

class Late(Exception):
    pass
raised = []
def late():
    raised.append(Late())
    raise raised[-1]
class Owner:
    def method(self, number, frame):
        late()
    def __call__(self, number, frame):
        late()
def function(number, frame):
    late()
def with_more(text, number, frame):
    late()
def wrapped(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner
def cleans_up(number, frame):
    # Takes itself out first, as handlers that work once do.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    late()
HANDLERS = {
    'function': function,
    'lambda': lambda number, frame: late(),
    'bound method': Owner().method,
    'object': Owner(),
    'partial': functools.partial(with_more, 'text'),
    'partial of a method': functools.partial(Owner().method),
    'decorated': wrapped(function),
    'takes itself out': cleans_up,
}
armed = []
def arrive(*_args, **_kwargs):
    '''The signal arrives here, once.'''
    if armed:
        armed.clear()
        signal.raise_signal(signal.SIGALRM)

class Processor(SpanProcessor):
    def __init__(self, at):
        self.at, self.started, self.ended = at, 0, 0
    def on_start(self, span, parent_context=None):
        self.started += 1
        if self.at == 'on_start':
            arrive()
    def on_end(self, span):
        self.ended += 1
        if self.at == 'on_end':
            arrive()
class Samples(Sampler):
    def should_sample(self, *args, **kwargs):
        arrive()
        return ALWAYS_ON.should_sample(*args, **kwargs)
    def get_description(self):
        return 'arrives'
class Instrument:
    def __init__(self, name):
        self.name = name
    def add(self, amount, attributes=None, context=None):
        if self.name == 'gen_ai.client.inference.usage.input_tokens':
            counts.append(amount)
        if place == 'counter':
            arrive()
    def record(self, *args, **kwargs):
        if place == 'histogram':
            arrive()
class Meter(NoOpMeter):
    def create_counter(self, name, *args, **kwargs):
        return Instrument(name)
    create_histogram = create_counter
class Meters(NoOpMeterProvider):
    def get_meter(self, *args, **kwargs):
        return Meter('ours')
class Handler(logging.Handler):
    def emit(self, record):
        arrive()
def breaks(*_):
    raise ValueError('a hook that is wrong, so that it is logged')

place, counts = None, []
ALL = ('request_hook', 'response_hook', 'redact', 'on_start', 'on_end', 'sampler', 'counter',
       'histogram', 'log')
logger = logging.getLogger('opentelemetry.instrumentation.genai.mistralai')
client = client_of(URL)
def read():
    list(conversation(client, **asked))
def left():
    with chat(client) as stream:
        for chunk in stream:
            break
asked = {'inputs': 'Hello?'}
CALLS = {'conversation': read, 'chat': lambda: complete(client), 'chat left': left}

for place in ALL:
    for kind, handler in HANDLERS.items():
        for name, call in CALLS.items():
            if kind != 'function' and name != 'conversation':
                continue
            processor = Processor(place)
            options = {'sampler': Samples()} if place == 'sampler' else {}
            provider = TracerProvider(shutdown_on_exit=False, **options)
            provider.add_span_processor(processor)
            hooks = {place: arrive} if place.endswith('hook') else {}
            if place == 'redact':
                hooks = {'redact': lambda text: arrive() or text, 'capture_content': 'span_only'}
            logger.handlers, logger.propagate = [], place != 'log'
            if place == 'log':
                hooks = {'request_hook': breaks}
                logger.addHandler(Handler())
            instrument(tracer_provider=provider, meter_provider=Meters(), **hooks)
            signal.signal(signal.SIGALRM, handler)
            raised.clear()
            counts.clear()
            armed.append(True)
            try:
                call()
                got = None
            except Late as exc:
                got = exc
            if not raised:
                emit([place, kind, name, 'nothing arrived'])
            elif got is not raised[0]:
                emit([place, kind, name, 'swallowed'])
            got = None
            armed.clear()
            gc.collect()
            # A span whose start was interrupted in a processor is nobody's but the provider's.
            started = processor.started - (place == 'on_start')
            deadline = time.monotonic() + 30
            while processor.ended < started and time.monotonic() < deadline:
                time.sleep(0.01)
            if processor.ended != started:
                emit([place, kind, name, started, processor.ended])
            if len(counts) > processor.started:
                emit([place, kind, name, counts])
            uninstrument()
"""
)


def test_what_a_handler_raises_inside_of_what_we_call_reaches_the_caller(
    emulator: Emulator, tmp_path: Path
) -> None:
    ran = run(INSIDE, tmp_path, emulator.url, "instrumented")
    assert ran.code == 0, ran.stderr
    assert ran.said() == []


# -- At any time ----------------------------------------------------------------------------------

AT_RANDOM: Final = (
    _PRELUDE
    + """
from opentelemetry import trace
from opentelemetry.instrumentation.genai.mistralai import instrument
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.metrics import NoOpMeter, NoOpMeterProvider
from opentelemetry.instrumentation.genai import mistralai as plugin

PACKAGE = os.path.dirname(plugin.__file__)
class Late(Exception):
    pass
class Stop(BaseException):
    pass
fired = []
def on_signal(number, frame):
    exc = random.choice((Late, Stop))()
    places = []
    while frame is not None:
        places.append(f'{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}')
        frame = frame.f_back
    fired.append((exc, places))
    raise exc
signal.signal(signal.SIGALRM, on_signal)

class Spans(SpanProcessor):
    def __init__(self):
        self.started, self.ended = [], []
    def on_start(self, span, parent_context=None):
        self.started.append(span)
    def on_end(self, span):
        self.ended.append(span.get_span_context().span_id)
class Counter:
    def add(self, amount, attributes=None, context=None):
        counted.append(trace.get_current_span(context).get_span_context().span_id)
class Meter(NoOpMeter):
    def create_counter(self, name, *args, **kwargs):
        inputs = name == 'gen_ai.client.inference.usage.input_tokens'
        return Counter() if inputs else super().create_counter(name, *args, **kwargs)
class Meters(NoOpMeterProvider):
    def get_meter(self, *args, **kwargs):
        return Meter('ours')

counted, spans = [], Spans()
# Registered before ours is, so it runs after that.
atexit.register(lambda: at_last())
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(spans)
instrument(tracer_provider=provider, meter_provider=Meters())
client = client_of(URL)
def read():
    list(conversation(client, 'agent'))
def left():
    with conversation(client, 'agent') as stream:
        next(stream)
def dropped():
    next(conversation(client, 'agent'))
def completes():
    complete(client)
def chats():
    list(chat(client, 'chat_no_usage'))
WAYS = (read, left, dropped, completes, chats)
for way in WAYS:
    way()
seed = int(sys.argv[3])
random.seed(seed)
def innermost(places):
    '''Where of ours it arrived; None if that was in code that was called by us.'''
    for place in places:
        if place.startswith(PACKAGE):
            return place
        if any(f'/{name}/' in place for name in ('mistralai', 'httpx2', 'httpcore2', 'pydantic')):
            return None
    return None
reached, swallowed, over = 0, [], time.monotonic() + 25
def chain(exc):
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__
while len(fired) < 400 and time.monotonic() < over:
    before, got = len(fired), None
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0005, 0.012))
        random.choice(WAYS)()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException as exc:
        got = exc
    signal.setitimer(signal.ITIMER_REAL, 0)
    if len(fired) > before:
        exc, places = fired[-1]
        if got is not None and exc in chain(got):
            reached += 1
        elif (ours := innermost(places)) is not None:
            swallowed.append(ours)
        del exc
        # A signal between httpcore's `acquire` and its `with` leaves the lock of a connection held,
        # with or without us: the next call by way of it would hang.
        client = client_of(URL)
    got = None
fired_in_all = len(fired)
fired.clear()
gc.collect()

def at_last():
    open_spans = [span.name for span in spans.started if span.end_time is None]
    emit([fired_in_all, reached, swallowed, open_spans,
          len(spans.ended) - len(set(spans.ended)), len(counted) - len(set(counted))])
"""
)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_signals_at_any_time_reach_the_caller_and_every_span_ends(
    emulator: Emulator, tmp_path: Path, seed: str
) -> None:
    ran = run(AT_RANDOM, tmp_path, emulator.url, "instrumented", seed)
    assert ran.code == 0, ran.stderr
    (fired, reached, swallowed, left_open, ended_twice, counted_twice) = ran.said()[0]
    assert fired >= 200
    # Bare, some disappear in the SDK, its HTTP client and the interpreter's finalizers.
    assert reached >= fired / 2
    assert (swallowed, left_open, ended_twice, counted_twice) == ([], [], 0, 0)
    assert "genai/mistralai" not in ran.stderr


# -- While a stream is waited for -----------------------------------------------------------------

WAITING: Final = (
    _PRELUDE
    + """
class TooLate(Exception):
    pass
def too_late(*_):
    raise TooLate
# An exception of the program's own: of a TimeoutError the HTTP client makes another, at times.
signal.signal(signal.SIGALRM, too_late)
recorded()
client = client_of(URL)
stream = conversation(client, 'hang')
next(stream)
emit('ready')
for event in stream:
    pass
"""
)


# No alarm's plain exception: the SDK makes another one of it if it comes while an event is parsed.
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_program_that_waits_for_a_stream_as_without_us(
    emulator: Emulator, tmp_path: Path, number: signal.Signals
) -> None:
    rans: dict[str, tuple[int, str]] = {}
    for kind in ("bare", "instrumented"):
        folder = tmp_path / kind
        folder.mkdir()
        program = folder / "program.py"
        program.write_text(WAITING)
        with started([sys.executable, str(program), emulator.url, kind], folder) as process:
            deadline = monotonic() + 60
            while "ready" not in (folder / "stdout").read_text():
                assert process.poll() is None, told(folder)
                assert monotonic() < deadline, told(folder)
                sleep(0.02)
            # It is about to read, or reads; both are right.
            os.kill(process.pid, number)
            code = ended(process, folder, 20)
        rans[kind] = code, (folder / "stderr").read_text().strip().rpartition("\n")[2]
    assert rans["instrumented"] == rans["bare"]
    out = (tmp_path / "instrumented" / "stdout").read_text()
    outcome = "cancelled"
    assert out.count('"scope"') == 1
    assert f'"outcome": "{outcome}"' in out
