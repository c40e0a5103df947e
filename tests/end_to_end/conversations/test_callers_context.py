# SPDX-License-Identifier: Apache-2.0
"""Everything of a call is recorded in the context that its caller was in, whoever reads the stream.

Each span and log record is stamped with the user of the context that it was recorded in, as the
baggage processors of OpenTelemetry do: those of spans look at the parent's context, those of logs
at the current one.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import names as s
from tests.support.conversations import with_defaults
from tests.support.recording import Recording, wait_until
from tests.support.sdk import Mistral

USER = "user.id"


@contextmanager
def acting(user: str) -> Generator[None]:
    """The program acts for this user."""
    token = context.attach(baggage.set_baggage(USER, user))
    try:
        yield
    finally:
        context.detach(token)


class StampSpans(SpanProcessor):
    """As ``BaggageSpanProcessor``."""

    def __init__(self) -> None:
        self.started: list[tuple[str, object]] = []
        self.ended: list[tuple[str, object]] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.started.append((span.name, baggage.get_baggage(USER, parent_context)))

    def on_end(self, span: Any) -> None:
        self.ended.append((span.name, baggage.get_baggage(USER)))


class StampLogs(LogRecordProcessor):
    """As ``BaggageLogProcessor``."""

    def __init__(self) -> None:
        self.emitted: list[tuple[object, object]] = []

    def on_emit(self, log_record: Any) -> None:
        record = log_record.log_record
        self.emitted.append((baggage.get_baggage(USER), baggage.get_baggage(USER, record.context)))

    emit = on_emit  # Its name until 1.38.

    def shutdown(self) -> None:
        """Nothing to do."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 -- interface
        return True


class Asked(Sampler):
    """Samples everything, and notes for whom."""

    def __init__(self) -> None:
        self.users: list[object] = []

    def should_sample(self, parent_context: Any, *_: Any, **__: Any) -> SamplingResult:
        self.users.append(baggage.get_baggage(USER, parent_context))
        return SamplingResult(Decision.RECORD_AND_SAMPLE)

    def get_description(self) -> str:
        return "asked"


class Stamped(Recording):
    """What was recorded, and for whom."""

    def __init__(self) -> None:
        super().__init__()
        self.sampler, self.of_spans, self.of_logs = Asked(), StampSpans(), StampLogs()
        provider = TracerProvider(sampler=self.sampler, shutdown_on_exit=False)
        self.tracer_provider = provider
        provider.add_span_processor(self.of_spans)
        self.logger_provider.add_log_record_processor(self.of_logs)
        self.hooked: list[object] = []

    def hook(self, _span: object, _told: object) -> None:
        """Notes for whom a hook is called."""
        self.hooked.append(baggage.get_baggage(USER))


@pytest.fixture
def stamped() -> Iterator[Stamped]:
    made = Stamped()
    instrument(
        **made.providers,
        capture_content="event_only",
        request_hook=made.hook,
        response_hook=made.hook,
    )
    yield made
    uninstrument()


def in_a_thread(read: Callable[[], object]) -> None:
    thread = threading.Thread(target=read)
    thread.start()
    thread.join()


def in_a_pool(read: Callable[[], object]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(read).result()


def in_a_copied_context(read: Callable[[], object]) -> None:
    contextvars.copy_context().run(read)


def in_another_loop(read: Callable[[], object]) -> None:
    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(None, read)

    asyncio.run(main())


def here(read: Callable[[], object]) -> None:
    read()


READERS = [here, in_a_thread, in_a_pool, in_a_copied_context, in_another_loop]
STEPS = ["execute_tool web_search", "execute_tool agent_handoff writer", "invoke_agent writer"]


def assert_all_is_alices(stamped: Stamped, spans: list[str]) -> None:
    wait_until(lambda: len(stamped.of_spans.ended) == len(spans))
    assert sorted(stamped.of_spans.started) == sorted((name, "alice") for name in spans)
    assert stamped.sampler.users == ["alice"] * len(spans)
    client_span = spans[0]
    assert [user for name, user in stamped.of_spans.ended if name == client_span] == ["alice"]
    assert set(stamped.of_logs.emitted) <= {("alice", "alice")}
    assert set(stamped.hooked) == {"alice"}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("scenario", ["handoff_chain", "web_search", "answer"])
def test_a_stream_that_is_read_for_somebody_else_is_its_callers(
    client: Any, stamped: Stamped, reader: Callable[..., None], scenario: str
) -> None:
    arguments = {"agent_id": "ag_1"} if scenario == "handoff_chain" else {}
    with acting("alice"):
        stream = client.beta.conversations.start_stream(**with_defaults(scenario, arguments))
    with acting("bob"):
        reader(lambda: list(stream))
    ended = [name for name, _ in stamped.of_spans.ended]
    # The client span ends last.
    assert_all_is_alices(stamped, [ended[-1], *ended[:-1]])
    assert len(ended) == {"handoff_chain": 7, "web_search": 2, "answer": 1}[scenario]
    assert stamped.of_logs.emitted == [("alice", "alice")]


@pytest.mark.parametrize("how", ["closed", "dropped", "in a cycle", "raised"])
def test_however_a_stream_ends_it_is_its_callers(client: Any, stamped: Stamped, how: str) -> None:
    with acting("alice"):
        scenario = "reset" if how == "raised" else "hang"
        stream = client.beta.conversations.start_stream(**with_defaults(scenario, {}))
    with acting("bob"):
        next(stream)
        if how == "closed":
            with stream:
                pass
        elif how == "raised":
            with pytest.raises(Exception, match=r"."):
                list(stream)
        elif how == "in a cycle":
            stream.itself = stream
        del stream
        gc.collect()
    assert_all_is_alices(stamped, ["chat mistral-medium-latest"])
    expected = 2 if how == "raised" else 1
    assert stamped.of_logs.emitted == [("alice", "alice")] * expected


async def test_a_stream_that_is_read_in_another_task_is_its_callers(
    client: Any, stamped: Stamped
) -> None:
    async with Mistral(api_key="k", server_url=client.sdk_configuration.server_url) as own:
        with acting("alice"):
            arguments = with_defaults("web_search", {})
            stream = await own.beta.conversations.start_stream_async(**arguments)

        async def read() -> None:
            async for _ in stream:
                pass

        with acting("bob"):
            await asyncio.create_task(read())
            assert baggage.get_baggage(USER) == "bob"
    assert_all_is_alices(stamped, ["chat mistral-medium-latest", STEPS[0]])


def test_a_whole_response_is_its_callers_when_it_comes(client: Any, stamped: Stamped) -> None:
    with acting("alice"):
        client.beta.conversations.start(**with_defaults("web_search", {}))
    assert_all_is_alices(stamped, ["chat mistral-medium-latest", STEPS[0]])


def test_nothing_of_it_is_current_where_the_stream_is_read(client: Any, stamped: Stamped) -> None:
    with acting("alice"):
        asked = with_defaults("handoff_chain", {"agent_id": "ag_1"})
        stream = client.beta.conversations.start_stream(**asked)
    with acting("bob"):
        for _ in stream:
            assert baggage.get_baggage(USER) == "bob"
            assert trace.get_current_span() is trace.INVALID_SPAN
    assert stamped.hooked == ["alice", "alice"]


def test_exemplars_lead_to_the_call_and_not_to_its_readers_span(
    client: Any, recording: Recording
) -> None:
    tracer = recording.tracer_provider.get_tracer("reader")
    with tracer.start_as_current_span("alice"):
        stream = client.beta.conversations.start_stream(**with_defaults("web_search", {}))
    with tracer.start_as_current_span("bob"):
        list(stream)
    exemplars = recording.exemplars()
    tool = exemplars.pop(s.METRIC_TOOL_DURATION)
    assert tool == {"execute_tool web_search"}
    assert set().union(*exemplars.values()) == {"chat mistral-medium-latest"}
    parents = {span.name: span.parent for span in recording.spans()}
    names = recording.names()
    assert {name: names[parent.span_id] for name, parent in parents.items() if parent} == {
        "chat mistral-medium-latest": "alice",
        "execute_tool web_search": "chat mistral-medium-latest",
    }


def test_a_streaming_response_of_a_web_framework_is_its_callers(
    client: Any, stamped: Stamped
) -> None:
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    def ask(_request: Any) -> StreamingResponse:
        # In a thread of the pool, whose context is a copy that is gone when the body is read.
        context.attach(baggage.set_baggage(USER, "alice"))
        stream = client.beta.conversations.start_stream(**with_defaults("web_search", {}))
        return StreamingResponse(str(event.event) for event in stream)

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    app = Starlette(routes=[Route("/", ask)])
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(app({**scope, "query_string": b"", "asgi": {"spec_version": "2.4"}}, receive, send))
    assert b"conversation.response.done" in b"".join(message.get("body", b"") for message in sent)
    assert_all_is_alices(stamped, ["chat mistral-medium-latest", STEPS[0]])
