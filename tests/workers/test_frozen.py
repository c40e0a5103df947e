# SPDX-License-Identifier: Apache-2.0
"""A process that is frozen between two questions, as AWS Lambda does: SIGSTOP, and SIGCONT."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from time import time_ns
from typing import TYPE_CHECKING

import pytest

from tests.support import names as s
from tests.zero_code.commands import ROOT, environment
from tests.zero_code.receiver import Handler, Receiver, receive, takes_all

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from emulator import Emulator
    from tests.zero_code.decoded import Span

SCOPE = "opentelemetry.instrumentation.genai.mistralai"
PAGE = ROOT / "docs" / "lambda.md"
EXAMPLE = ROOT / "examples" / "aws_lambda.py"


def takes_and_hangs_up(handler: Handler, body: bytes) -> None:
    """Takes all, and is gone when it is asked again, as after hours in which nobody spoke."""
    takes_all(handler, body)
    handler.close_connection = True


@dataclass
class Done:
    """What the process said when it had done something."""

    at: int
    """In ns since the epoch."""
    ended: int
    """Spans, in its whole life."""


class Function:
    """The process: running while it is asked, frozen otherwise."""

    def __init__(self, process: subprocess.Popen[str], receiver: Receiver) -> None:
        """Takes charge of one that runs."""
        self._process = process
        self._receiver = receiver
        self.thawed = 0
        """When it was thawed last, in ns since the epoch."""

    def ask(self, word: str) -> Done:
        """Thaws it, has it do something, and freezes it at once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.thawed = time_ns()
        self._process.send_signal(signal.SIGCONT)
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "it has ended"
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)
        return Done(**json.loads(line))

    def spans(self) -> list[Span]:
        """What has arrived."""
        return self._receiver.spans_in(SCOPE)

    def counted(self) -> int:
        """The calls, as the last metrics that have arrived have it."""
        latest = {
            json.dumps(point.attributes, sort_keys=True): point.value[0]
            for point in self._receiver.points
            if point.name == s.METRIC_DURATION
        }
        return sum(latest.values())


@contextmanager
def frozen(emulator: Emulator, receiver: Receiver, **more: str) -> Generator[Function]:
    """A function that exports to the receiver, and to nobody unless it flushes."""
    variables = environment(
        emulator.url,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_BSP_SCHEDULE_DELAY="600000",
        PYTHONPATH=str(ROOT),
        **more,
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.workers.frozen"],
        cwd=ROOT,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Function(process, receiver)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One whose connections are dead by the next question."""
    with receive(takes_and_hangs_up) as running:
        yield running


@pytest.fixture
def function(emulator: Emulator, receiver: Receiver) -> Iterator[Function]:
    """A function that has not been asked yet."""
    with frozen(emulator, receiver) as running:
        yield running


def test_what_was_answered_is_there_while_the_process_is_frozen(function: Function) -> None:
    before = time_ns()
    for turn in (1, 2, 3):
        done = function.ask("answer")
        spans = function.spans()
        assert len(spans) == turn == done.ended
        assert function.counted() == turn
        # Nothing of it lies in the time in which nothing ran.
        assert max(before, function.thawed) <= spans[-1].start <= spans[-1].end <= done.at
        assert spans[-1].attributes[s.STREAM_OUTCOME] == "completed"


def test_however_it_ended_it_is_there(function: Function) -> None:
    function.ask("answer")
    done = function.ask("everything")
    spans = function.spans()
    assert len(spans) == done.ended
    assert {(span.name.split()[0], span.attributes.get(s.STREAM_OUTCOME)) for span in spans} == {
        ("chat", None),
        ("chat", "completed"),
        ("chat", "closed"),
        ("chat", "cancelled"),
        ("chat", "failed"),
        ("embeddings", None),
        ("execute_tool", None),
        ("invoke_agent", None),
    }
    assert all(span.end <= done.at for span in spans)
    # Once each.
    assert len({span.span_id for span in spans}) == len(spans)
    function.ask("nothing")
    assert len(function.spans()) == len(spans)


def test_without_a_flush_it_comes_with_the_next_one_and_its_own_times(function: Function) -> None:
    done = function.ask("answer, unflushed")
    assert done.ended == 1
    assert function.spans() == []
    function.ask("answer")
    assert len(function.spans()) == 2
    first = function.spans()[0]
    assert first.end <= done.at < function.thawed


def test_a_dropped_stream_comes_with_the_next_flush_at_the_latest(function: Function) -> None:
    function.ask("drop")
    # A thread ends it, which may have been too late; the next call does, if it was.
    function.ask("answer")
    assert sorted(span.attributes[s.STREAM_OUTCOME] for span in function.spans()) == [
        "abandoned",
        "completed",
    ]


def test_a_stream_that_is_read_across_a_freeze_is_one_span(function: Function) -> None:
    begun = function.ask("begin")
    assert function.spans() == []
    assert function.counted() == 0
    function.ask("finish")
    spans = function.spans()
    [conversation] = [span for span in spans if not span.parent_id]
    assert conversation.attributes[s.STREAM_OUTCOME] == "completed"
    assert conversation.start < begun.at
    assert function.counted() == 1


def test_a_receiver_that_is_gone_costs_the_handler_its_timeout_and_no_error(
    emulator: Emulator,
) -> None:
    with receive() as closed:
        pass
    with frozen(emulator, closed, OTEL_EXPORTER_OTLP_TIMEOUT="1") as function:
        assert function.ask("answer").ended == 1
        # A second for the spans and one for the metrics; without the setting it is ten each.
        assert function.ask("answer").at - function.thawed < 20e9


def test_the_page_shows_the_example() -> None:
    shown = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    # Without its first lines, which are for readers of the file.
    code = EXAMPLE.read_text().split('"""\n\n', 1)[1]
    assert code in shown
