# SPDX-License-Identifier: Apache-2.0
"""A Collector in front: what is worth keeping is kept, whole, and without the users' words."""

from __future__ import annotations

import asyncio
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from mistralai.client import Mistral
from opentelemetry import _logs
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan

from tests.deploy.jaegers import OneJaeger, run_collector, takes
from tests.deploy.parts import Part, ask, fetch
from tests.deploy.sink import LogSink, run_log_sink
from tests.jaeger.program import Program, ids, run_program
from tests.jaeger.server import Jaeger
from tests.support import names as s
from tests.support.systems import needs_posix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emulator import Emulator
    from tests.deploy.runs import Facts

pytestmark = needs_posix

MODEL = "mistral-medium-latest"
ORDINARY = 200
KEEP_PERCENT = 30
SLOW_SECONDS = 3.0
# A word of a user: it must be nowhere.
SECRET = "xyzzy-plugh"  # noqa: S105 -- not one that opens anything
CONTENT = (
    s.INPUT_MESSAGES,
    s.OUTPUT_MESSAGES,
    s.SYSTEM_INSTRUCTIONS,
    s.TOOL_DEFINITIONS,
    s.TOOL_CALL_ARGUMENTS,
    s.TOOL_CALL_RESULT,
    s.EXCEPTION_MESSAGE,
    s.EXCEPTION_STACKTRACE,
)
_SETTINGS = {
    "KEEP_PERCENT": str(KEEP_PERCENT),
    "SLOW_MS": "2000",
    # Longer than the slow ones take, as collector.yaml asks for.
    "DECISION_WAIT": "8s",
}
_KEPT_SECONDS = 60.0


@dataclass
class Kept:
    """Conversations that are over, and where they may have got to."""

    program: Program
    jaeger: Jaeger
    part: Part
    logs: LogSink
    ordinary: set[str]
    errors: set[str]
    slow: set[str]

    def raw(self, trace_id: str) -> Any:
        """What Jaeger has of a trace; None if nothing."""
        return ask(f"{self.jaeger.query_url}/api/traces/{trace_id}")


async def give_up(url: str, count: int) -> None:
    """So many callers ask, wait in vain, and leave."""

    async def ask_and_wait(client: Mistral) -> None:
        stream = await client.beta.conversations.start_stream_async(
            model=MODEL, inputs=SECRET, http_headers={"x-emulator-scenario": "hang"}
        )
        async for _ in stream:
            pass

    async with Mistral(api_key=uuid.uuid4().hex, server_url=url) as client:
        waits = [asyncio.wait_for(ask_and_wait(client), SLOW_SECONDS) for _ in range(count)]
        results = await asyncio.gather(*waits, return_exceptions=True)
    assert {type(result) for result in results} == {asyncio.TimeoutError}


def traces_of(spans: list[ReadableSpan]) -> set[str]:
    """The ids of their traces."""
    return {ids(span)[0] for span in spans}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> Iterator[Kept]:
    """Ordinary, failed and slow conversations, all of them with content."""
    folder = tmp_path_factory.mktemp("collector")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "span_and_event")
        logs = stack.enter_context(run_log_sink())
        one = OneJaeger(stack, folder)
        collector, port = run_collector(stack, folder, one.otlp_port, logs.url, _SETTINGS)
        collector.until(lambda: takes(f"http://127.0.0.1:{port}/v1/traces"))
        provider = LoggerProvider()
        exporter = OTLPLogExporter(f"http://127.0.0.1:{port}/v1/logs")
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        _logs.set_logger_provider(provider)
        stack.callback(provider.shutdown)
        jaeger = one.view(otlp_port=port)
        program = stack.enter_context(run_program(jaeger, emulator, is_async=False))

        def converse(scenario: str) -> None:
            with suppress(Exception):
                program.converse(
                    "start",
                    scenario,
                    model=MODEL,
                    inputs=SECRET,
                    instructions=SECRET,
                    tools=[{"type": "web_search"}],
                )

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(converse, ["web_search"] * ORDINARY))
            ordinary = traces_of(program.spans())
            # Their verdicts come after those of the ordinary ones.
            list(pool.map(converse, ["http_500", "error_event", "reset", "tool_cut"] * 5))
        errors = traces_of(program.spans()) - ordinary
        # Its children are exported long before it is known to be slow.
        with program.caller():
            converse("web_search")
            program.spans()
            asyncio.run(give_up(emulator.url, 1))
        asyncio.run(give_up(emulator.url, 5))
        slow = traces_of(program.spans()) - ordinary - errors
        provider.force_flush()
        yield Kept(program, jaeger, collector, logs, ordinary, errors, slow)


def test_every_failed_and_every_slow_conversation_is_kept_whole(kept: Kept) -> None:
    assert len(kept.errors) == 20
    assert len(kept.slow) == 6
    for trace in kept.errors | kept.slow:
        kept.part.until(partial(kept.raw, trace), _KEPT_SECONDS)
        # It fails unless all of the trace's spans are there.
        kept.program.trace(trace)


def test_the_others_are_kept_in_the_share_that_was_asked_for(kept: Kept, facts: Facts) -> None:
    assert len(kept.ordinary) == ORDINARY
    for trace in kept.errors | kept.slow:
        kept.part.until(partial(kept.raw, trace), _KEPT_SECONDS)
    found = [trace for trace in kept.ordinary if kept.raw(trace)]
    for trace in found:
        kept.program.trace(trace)
    expected = ORDINARY * KEEP_PERCENT / 100
    facts["ordinary traces kept by the Collector"] = f"{len(found)} of {ORDINARY}"
    # Five standard deviations.
    deviation = (expected * (1 - KEEP_PERCENT / 100)) ** 0.5
    assert abs(len(found) - expected) < 5 * deviation


def test_nothing_that_users_said_is_stored(kept: Kept) -> None:
    recorded = json.dumps([json.loads(span.to_json()) for span in kept.program.spans()])
    for trace in kept.errors | kept.slow:
        kept.part.until(partial(kept.raw, trace), _KEPT_SECONDS)
    stored = json.dumps([kept.raw(trace) for trace in kept.ordinary | kept.errors | kept.slow])
    assert s.USAGE_INPUT_TOKENS in stored
    # It was there to be deleted.
    assert [key for key in (*CONTENT, SECRET) if key not in recorded] == []
    assert [key for key in (*CONTENT, SECRET) if key in stored] == []


def test_nothing_that_users_said_is_in_the_logs(kept: Kept) -> None:
    def all_there() -> bool | None:
        return True if len(kept.logs.records()) >= len(kept.ordinary | kept.errors) else None

    kept.part.until(all_there, _KEPT_SECONDS)
    records = kept.logs.records()
    assert {record.event_name for record in records} == {
        s.DETAILS_EVENT,
        s.EXCEPTION_EVENT,
    }
    text = "\n".join(map(str, records))
    assert s.REQUEST_MODEL in text
    assert [key for key in (*CONTENT, SECRET) if key in text] == []


def test_beyond_its_memory_it_tells_programs_to_come_again(tmp_path: Path) -> None:
    with ExitStack() as stack:
        settings = {"MEMORY_LIMIT_MIB": "2", "MEMORY_SPIKE_MIB": "1"}
        part, port = run_collector(stack, tmp_path, 1, "http://127.0.0.1:1", settings)
        part.listens(port)

        span = {"traceId": "1" * 32, "spanId": "1" * 16, "name": "a"}
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()

        def refused() -> bool | None:
            status, _ = fetch(f"http://127.0.0.1:{port}/v1/traces", body)
            return True if status == 503 else None

        part.until(refused)
