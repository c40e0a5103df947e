# SPDX-License-Identifier: Apache-2.0
"""Whatever ends dropped streams goes on, and so does the caller, whatever other parts raise."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from emulator import Emulator
from tests.support.systems import needs_posix
from tests.workers.processes import run

pytestmark = needs_posix

# What raises, once it is armed; each is part of a program that somebody really has.
RAISERS: Final = {
    "log handler": """
class Handler(logging.Handler):
    def emit(self, record):
        fail()
logging.getLogger().addHandler(Handler())
def hook(*_):
    raise OSError('so that something is logged')
options = {'response_hook': hook, 'request_hook': hook}
""",
    "log handler of the package": """
class Handler(logging.Handler):
    def handle(self, record):
        fail()
logging.getLogger('opentelemetry.instrumentation.genai.mistralai').addHandler(Handler())
def hook(*_):
    raise OSError('so that something is logged')
options = {'response_hook': hook, 'request_hook': hook}
""",
    "log filter": """
logger = logging.getLogger('opentelemetry.instrumentation.genai.mistralai')
logger.addFilter(lambda record: fail())
def hook(*_):
    raise OSError('so that something is logged')
options = {'response_hook': hook, 'request_hook': hook}
""",
    "span processor": """
class Fails(SpanProcessor):
    def on_end(self, span):
        fail()
processor = Fails()
""",
    "exporter": """
class Fails(SpanExporter):
    def export(self, spans):
        fail()
processor = SimpleSpanProcessor(Fails())
""",
    "response hook": """
options = {'response_hook': lambda *_: fail()}
""",
    "metrics": """
class Instrument:
    def add(self, *args, **kwargs):
        fail()
    record = add
class Meter(NoOpMeter):
    def create_counter(self, *args, **kwargs):
        return Instrument()
    create_histogram = create_counter
class Meters(NoOpMeterProvider):
    def get_meter(self, *args, **kwargs):
        return Meter('ours')
options = {'meter_provider': Meters()}
""",
}
KINDS: Final = ("ValueError", "SystemExit", "Own")
PROGRAM: Final = """
import gc, logging, os, sys, threading, time
from tests.workers.inside import *
from opentelemetry.instrumentation.genai.mistralai import instrument
from opentelemetry.metrics import NoOpMeter, NoOpMeterProvider
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

class Own(BaseException):
    pass
KIND = {'Own': Own}.get(sys.argv[3]) or getattr(__builtins__, sys.argv[3])
failed = []
def fail():
    if threading.current_thread() is threading.main_thread() and not anywhere:
        return True
    failed.append(1)
    raise KIND('on purpose')
class Ends(SpanProcessor):
    def __init__(self):
        self.started, self.ended = 0, 0
    def on_start(self, span, parent_context=None):
        self.started += 1
    def on_end(self, span):
        self.ended += 1
options, processor, anywhere = {}, None, False
# {raiser}
spans = Ends()
provider = TracerProvider()
provider.add_span_processor(spans)
if processor is not None:
    provider.add_span_processor(processor)
instrument(tracer_provider=provider, **options)
client = client_of(URL)
def drop():
    next(conversation(client, 'hang'))
"""
DROPS: Final = """
for _ in range(3):
    drop()
    emit(wait(lambda: spans.ended == spans.started))
emit(bool(failed))
logging.raiseExceptions = False
"""
# A caller's own thread, with plain exceptions: they must not even reach it.
CALLS: Final = """
anywhere = True
emit(complete(client).choices[0].message.content)
emit(len(list(conversation(client))))
with chat(client) as stream:
    emit(len(list(stream)))
stream = conversation(client, 'hang')
next(stream)
stream.close()
drop()
emit(wait(lambda: spans.ended == spans.started))
emit(bool(failed))
"""


def program(raiser: str, body: str) -> str:
    """A program with something in it that raises."""
    return PROGRAM.replace("# {raiser}", RAISERS[raiser]) + body


@pytest.mark.parametrize("raiser", RAISERS)
def test_later_drops_are_ended_whatever_an_earlier_one_raised(
    emulator: Emulator, tmp_path: Path, raiser: str
) -> None:
    for kind in KINDS:
        folder = tmp_path / kind
        folder.mkdir()
        ran = run(program(raiser, DROPS), folder, emulator.url, "instrumented", kind)
        # At exit, `fail` lets the main thread pass.
        assert (kind, ran.said()) == (kind, [True, True, True, True]), ran.stderr
        assert ran.code == 0, ran.stderr


@pytest.mark.parametrize("raiser", RAISERS)
def test_what_other_parts_raise_does_not_reach_the_caller(
    emulator: Emulator, tmp_path: Path, raiser: str
) -> None:
    ran = run(program(raiser, CALLS), tmp_path, emulator.url, "instrumented", "ValueError")
    assert ran.said() == ["A completion is read chunk by chunk.", 4, 6, True, True], ran.stderr
    assert ran.code == 0, ran.stderr
