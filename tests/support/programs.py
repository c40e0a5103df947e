# SPDX-License-Identifier: Apache-2.0
"""Programs in processes of their own, and the spans that they export, as JSON lines."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import Any, Final

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from tests.support import names as s

_ROOT: Final = Path(__file__).parents[2]
# A program that takes longer than this hangs.
_TIMEOUT: Final = 120
_PRELUDE: Final = """
import asyncio, gc, os, sys, threading
from tests.support.programs import batching, batching_spans, counting, emit, exporting
from tests.support.sdk import CONVERSATIONS, EVENTSTREAMING, Mistral, ROOT, httpx
from tests.support.usages import asking
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument

# Without certificates, which take 40 ms.
http = httpx.Client(verify=False, trust_env=False)
idle = httpx.AsyncClient(verify=False, trust_env=False)
client = Mistral(api_key="key", server_url=sys.argv[1], client=http, async_client=idle)

def start(scenario="agent", **arguments):
    return client.beta.conversations.start_stream(**asking(scenario, **arguments))

async def start_async(scenario="agent", **arguments):
    return await client.beta.conversations.start_stream_async(**asking(scenario, **arguments))
"""
# A program that forks next, with a stream open and another one read.
FORK: Final = """
    import warnings
    warnings.simplefilter('ignore', DeprecationWarning)  # of fork() in a process with threads
    import time
    ended = []
    instrument(tracer_provider=exporting(), response_hook=lambda *_: ended.append(1))
    stream = start('hang')
    next(stream)
    list(start())
"""


@dataclass
class Ran:
    """What a program left behind."""

    code: int
    lines: list[Any]
    stderr: str

    def spans(self, scope: str = "opentelemetry.instrumentation.genai.mistralai") -> list[Any]:
        """The exported spans of one scope."""
        return [line for line in self.lines if isinstance(line, dict) and line["scope"] == scope]

    def said(self) -> list[Any]:
        """The other lines."""
        return [line for line in self.lines if not (isinstance(line, dict) and "scope" in line)]


def facts(ran: Ran) -> list[tuple[Any, ...]]:
    """Process, outcome and status of each span."""
    return sorted((span["process"], span["outcome"], span["status"]) for span in ran.spans())


class Nursery:
    """A process that runs programs, each in a fork of it."""

    def __init__(self) -> None:
        """Starts it; importing the SDK takes its time."""
        path = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "tests.support.nursery"]
        inherited = {key: value for key, value in os.environ.items() if "OTEL_" not in key}
        self._process = subprocess.Popen(  # noqa: S603 -- a program of ours
            command,
            cwd=_ROOT,
            env={**inherited, "PYTHONPATH": os.pathsep.join(path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, source: str, *arguments: str, **environment: str) -> Ran:
        """Runs a program, in front of which ``client``, ``start`` and the like are defined.

        Args:
            source: its text.
            arguments: its ``sys.argv[1:]``, the emulator's URL first.
            environment: variables besides those of this process.

        Raises:
            TimeoutError: the program hung, and was killed.
        """
        with TemporaryDirectory() as folder:
            files = {name: str(Path(folder) / name) for name in ("stdout", "stderr")}
            program = {"source": _PRELUDE + dedent(source), "arguments": arguments, **files}
            code = self._ask({**program, "environment": environment})
            out, err = (Path(path).read_text("utf-8") for path in files.values())
        return Ran(code, [json.loads(line) for line in out.splitlines()], err)

    def _ask(self, program: dict[str, Any]) -> int:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(program).encode() + b"\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], _TIMEOUT)[0]:
            self.close()
            raise TimeoutError(program["source"])
        return int(process.stdout.readline())

    def close(self) -> None:
        """Ends the process, and the program that it may be running."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


_nursery: Nursery | None = None


def run(source: str, *arguments: str, **environment: str) -> Ran:
    """Runs a program in a fork of a process that is started once; see `Nursery.run`."""
    if not hasattr(os, "fork"):
        return _run_alone(source, arguments, environment)
    global _nursery  # noqa: PLW0603 -- one for all tests, and a new one after a program that hung
    if _nursery is None:
        _nursery = Nursery()
        atexit.register(_nursery.close)
    try:
        return _nursery.run(source, *arguments, **environment)
    except TimeoutError:
        atexit.unregister(_nursery.close)
        _nursery = None
        raise


def _run_alone(source: str, arguments: Sequence[str], environment: dict[str, str]) -> Ran:
    """Runs a program in a process of its own: 2 s, where no fork can have the imports done."""
    path = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with TemporaryDirectory() as folder:
        program = Path(folder) / "program.py"
        program.write_text(_PRELUDE + dedent(source), "utf-8")
        done = subprocess.run(  # noqa: S603 -- a program of ours
            [sys.executable, "-W", "error::RuntimeWarning", str(program), *arguments],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    return Ran(
        done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr
    )


def dedented(source: str) -> str:
    """Lines that can be put behind others."""
    return dedent(source)


def emit(value: Any) -> None:
    """Writes a line at once: a fork must not copy what is buffered."""
    os.write(1, (json.dumps(value) + "\n").encode())


class _Lines(SpanExporter):
    """Exports each span as a line; knows when it is too late."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._over = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        assert not self._over
        for span in spans:
            emit({**_line(span), "to": self._label})
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._over = True
        emit(f"shutdown in {'child' if os.getpid() != main_process else 'parent'}")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 -- interface
        return True


# Set when a program begins.
main_process = os.getpid()


def _line(span: ReadableSpan) -> dict[str, Any]:
    attributes, context = dict(span.attributes or {}), span.get_span_context()
    return {
        "name": span.name,
        "scope": span.instrumentation_scope.name if span.instrumentation_scope else None,
        "process": "child" if os.getpid() != main_process else "parent",
        "outcome": attributes.get(s.STREAM_OUTCOME),
        "status": span.status.status_code.name,
        "error": attributes.get(s.ERROR_TYPE),
        "trace": f"{context.trace_id:032x}" if context else None,
        "id": f"{context.span_id:016x}" if context else None,
        "parent": f"{span.parent.span_id:016x}" if span.parent else None,
    }


def exporting(label: str = "own") -> TracerProvider:
    """A provider that writes each span as it ends; labelled ``global``, it is the global one."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(_Lines(label)))
    if label == "global":
        trace.set_tracer_provider(provider)
    return provider


def batching() -> dict[str, Any]:
    """Providers as programs have them: spans leave in batches, the last at exit; and metrics."""
    return {"tracer_provider": batching_spans(), "meter_provider": counting()}


def batching_spans() -> TracerProvider:
    """The tracer provider of that kind, made the global one."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(_Lines("global")))
    trace.set_tracer_provider(provider)
    return provider


def counting() -> MeterProvider:
    """The meter provider of that kind, made the global one."""
    meters = MeterProvider([InMemoryMetricReader()])
    metrics.set_meter_provider(meters)
    return meters
