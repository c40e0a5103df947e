# SPDX-License-Identifier: Apache-2.0
"""Workflows: whole spans, what the worker is told to join, and what waiting for a result adds."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import names as s
from tests.support import sdk
from tests.support.completions import BOTH, Ask, assert_is, place
from tests.support.methods import SINCE
from tests.support.recording import Recording, Span, plain, until

pytestmark = pytest.mark.skipif(
    SINCE["workflows"] > sdk.VERSION, reason="workflows came with a later version"
)
EXECUTE: Final = "workflows.execute_workflow"
WAIT: Final = "workflows.execute_workflow_and_wait"
NAMED: Final = {"workflow_identifier": "greet"}
WORDS: Final = {"name": "Ada Lovelace"}
ID: Final = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
TRACEPARENT: Final = pytest.mark.skipif(
    not sdk.has_module("_hooks.traceparent"), reason="this SDK tells workers of no trace"
)


def takes_traceparent() -> bool:
    """Whether this SDK takes ``traceparent`` as an argument, and sends it in the body, too."""
    if not sdk.has_module("workflows"):
        return False
    cls: Any = importlib.import_module(f"{sdk.ROOT}.workflows").Workflows
    return "traceparent" in inspect.signature(cls.execute_workflow).parameters


def parents(emulator: Emulator) -> set[str]:
    """What the first request told the worker to join: in its header and, if it can, its body."""
    sent = emulator.requests[0]
    return {sent.headers["traceparent"], sent.body.get("traceparent", sent.headers["traceparent"])}


def told(emulator: Emulator, **more: Any) -> dict[str, Any]:
    """What the span of an execution of `greet` says."""
    return {
        **place(emulator),
        s.OPERATION_NAME: "invoke_workflow",
        s.WORKFLOW_NAME: "greet",
        s.WORKFLOW_EXECUTION: "exec_1",
        s.WORKFLOW_RUN: "run_1",
        s.WORKFLOW_STATUS: "RUNNING",
        **more,
    }


def seconds(span: ReadableSpan) -> float:
    return ((span.end_time or 0) - (span.start_time or 0)) / 1e9


def traceparent(span: ReadableSpan) -> str:
    """The header that makes a worker's spans children of this one."""
    assert span.context is not None
    flags = int(span.context.trace_flags)
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{flags:02x}"


@contextmanager
def answering(client: Any, scenario: str) -> Generator[None]:
    """All requests of a client, polling included, are answered with this scenario."""
    known = client.sdk_configuration.client
    known.headers["x-emulator-scenario"] = scenario
    try:
        yield
    finally:
        del known.headers["x-emulator-scenario"]


@BOTH
def test_an_execution_is_one_whole_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask
) -> None:
    ask(client, EXECUTE, **NAMED, input=WORDS)
    assert_is(recording.span(), Span("invoke_workflow greet", told(emulator)))
    (took,) = recording.spans()
    assert recording.metrics() == {
        s.METRIC_WORKFLOW_DURATION: [({s.WORKFLOW_NAME: "greet"}, (1, seconds(took)))]
    }


@BOTH
def test_an_execution_by_registration_is_named_by_its_answer(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask
) -> None:
    with pytest.warns(DeprecationWarning, match="DEPRECATED"):
        ask(
            client,
            "workflows.execute_workflow_registration",
            workflow_registration_id="reg_1",
            execution_id="mine",
            deployment_name="blue",
        )
    expected = told(emulator) | {
        s.WORKFLOW_NAME: "Emulated",
        s.WORKFLOW_REGISTRATION: "reg_1",
        s.WORKFLOW_EXECUTION: "mine",
        s.WORKFLOW_DEPLOYMENT: "blue",
    }
    assert_is(recording.span(), Span("invoke_workflow Emulated", expected))


def test_an_id_is_in_no_name_and_on_no_metric(client: Any, recording: Recording) -> None:
    headers = {"x-emulator-scenario": "workflow_named"}
    client.workflows.execute_workflow(workflow_identifier=ID, http_headers=headers)
    with pytest.raises(Exception, match="500"):
        client.workflows.execute_workflow(
            workflow_identifier=ID, http_headers={"x-emulator-scenario": "http_500"}
        )
    good, bad = map(plain, recording.spans())
    assert (good.name, bad.name) == ("invoke_workflow translate", "invoke_workflow")
    assert good.attributes[s.WORKFLOW_NAME] == "translate"
    assert s.WORKFLOW_NAME not in bad.attributes
    assert ID not in str(recording.metrics())


@BOTH
def test_an_execution_that_is_refused_is_an_error(
    client: Any, recording: Recording, ask: Ask
) -> None:
    with pytest.raises(Exception, match="429"):
        ask(client, EXECUTE, "http_429", **NAMED)
    span = recording.span()
    assert (span.name, span.status, span.description) == ("invoke_workflow greet", "ERROR", "429")
    assert span.attributes[s.ERROR_TYPE] == "429"
    ((attributes, _),) = recording.metrics()[s.METRIC_WORKFLOW_DURATION]
    assert attributes == {s.WORKFLOW_NAME: "greet", s.ERROR_TYPE: "429"}


@BOTH
def test_waiting_is_one_span_that_lasts_to_the_result(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask
) -> None:
    result = ask(client, WAIT, **NAMED, input=WORDS, polling_interval=0)
    assert result == {"greeting": "Hello world"}
    asked = [(request.method, request.path) for request in emulator.requests]
    assert asked == [
        ("POST", "/v1/workflows/greet/execute"),
        *[("GET", "/v1/workflows/executions/exec_1")] * 2,
    ]
    expected = told(emulator, **{s.WORKFLOW_STATUS: "COMPLETED"})
    assert_is(recording.span(), Span("invoke_workflow greet", expected))
    assert [*recording.metrics()] == [s.METRIC_WORKFLOW_DURATION]


def test_arguments_of_a_wait_may_have_no_names(
    emulator: Emulator, client: Any, recording: Recording
) -> None:
    client.workflows.execute_workflow_and_wait("greet", WORDS, "mine", "blue", polling_interval=0)
    expected = told(emulator) | {
        s.WORKFLOW_EXECUTION: "mine",
        s.WORKFLOW_DEPLOYMENT: "blue",
        s.WORKFLOW_STATUS: "COMPLETED",
    }
    assert_is(recording.span(), Span("invoke_workflow greet", expected))


def test_a_wait_on_the_server_has_no_status(
    emulator: Emulator, client: Any, recording: Recording
) -> None:
    with answering(client, "workflow_result"):
        client.workflows.execute_workflow_and_wait("greet", use_api_sync=True)
    expected = told(emulator)
    del expected[s.WORKFLOW_STATUS], expected[s.WORKFLOW_RUN]
    assert_is(recording.span(), Span("invoke_workflow greet", expected))


def test_a_workflow_that_fails_while_it_is_awaited_is_an_error_with_its_execution(
    emulator: Emulator, client: Any, recording: Recording
) -> None:
    with answering(client, "workflow_failed"), pytest.raises(RuntimeError, match="FAILED"):
        client.workflows.execute_workflow_and_wait("greet")
    span = recording.span()
    assert span.attributes == told(emulator) | {
        s.WORKFLOW_STATUS: "FAILED",
        s.ERROR_TYPE: "RuntimeError",
    }
    assert (span.status, span.description) == ("ERROR", "RuntimeError")
    ((attributes, _),) = recording.metrics()[s.METRIC_WORKFLOW_DURATION]
    assert attributes == {s.WORKFLOW_NAME: "greet", s.ERROR_TYPE: "RuntimeError"}


def test_a_workflow_that_is_no_longer_waited_for_still_runs(
    client: Any, recording: Recording
) -> None:
    with answering(client, "workflow_running"), pytest.raises(TimeoutError):
        client.workflows.execute_workflow_and_wait("greet", max_attempts=1)
    span = recording.span()
    assert span.attributes[s.ERROR_TYPE] == "TimeoutError"
    assert span.attributes[s.WORKFLOW_STATUS] == "RUNNING"


def test_a_wait_whose_execution_is_refused_is_one_error(client: Any, recording: Recording) -> None:
    with answering(client, "http_500"), pytest.raises(Exception, match="500"):
        client.workflows.execute_workflow_and_wait("greet")
    span = recording.span()
    assert (span.name, span.status) == ("invoke_workflow greet", "ERROR")
    assert s.WORKFLOW_EXECUTION not in span.attributes


def test_a_wait_that_is_cancelled_is_no_error(emulator: Emulator, recording: Recording) -> None:
    async def go() -> None:
        headers = {"x-emulator-scenario": "workflow_running"}
        async with (
            sdk.httpx.AsyncClient(verify=False, headers=headers) as http,
            sdk.Mistral("key", server_url=emulator.url, async_client=http) as client,
        ):
            emulator.clear()
            waiting = client.workflows.execute_workflow_and_wait_async("greet")
            task = asyncio.ensure_future(waiting)
            await until(lambda: len(emulator.requests) >= 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(go())
    span = recording.span()
    assert (span.status, span.attributes[s.WORKFLOW_EXECUTION]) == ("UNSET", "exec_1")
    assert s.ERROR_TYPE not in span.attributes


def test_an_execution_in_the_callers_own_hook_has_a_span_of_its_own(
    emulator: Emulator, recording: Recording
) -> None:
    """It is made while the SDK waits, in the context of that wait."""
    made: list[str] = []

    def hook(request: Any) -> None:
        if request.method == "GET" and not made:
            made.append("")
            client.workflows.execute_workflow(workflow_identifier="other", execution_id="exec_2")

    with sdk.httpx.Client(event_hooks={"request": [hook]}) as http:
        emulator.clear()
        client = sdk.Mistral("key", server_url=emulator.url, client=http)
        client.workflows.execute_workflow_and_wait("greet", polling_interval=0)
    inner, outer = recording.spans()
    assert (inner.name, outer.name) == ("invoke_workflow other", "invoke_workflow greet")
    assert inner.parent == outer.context
    assert (outer.attributes or {})[s.WORKFLOW_EXECUTION] == "exec_1"


# The worker's spans


@TRACEPARENT
@BOTH
@pytest.mark.parametrize("method", [EXECUTE, WAIT])
def test_the_worker_is_told_to_join_our_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, method: str
) -> None:
    more = {"polling_interval": 0} if method == WAIT else {}
    ask(client, method, **NAMED, **more)
    (span,) = recording.spans()
    assert parents(emulator) == {traceparent(span)}
    assert ("traceparent" in emulator.requests[0].body) == takes_traceparent()


@TRACEPARENT
def test_the_worker_joins_the_callers_trace(
    emulator: Emulator, client: Any, recording: Recording
) -> None:
    tracer = recording.tracer_provider.get_tracer("caller")
    with tracer.start_as_current_span("caller"):
        client.workflows.execute_workflow(**NAMED)
    ours, callers = recording.spans()
    assert ours.parent == callers.context
    assert parents(emulator) == {traceparent(ours)}


@pytest.mark.skipif(not takes_traceparent(), reason="this SDK does not take one")
def test_a_traceparent_of_the_callers_is_left_alone(
    emulator: Emulator, client: Any, recording: Recording
) -> None:
    own = f"00-{1:032x}-{2:016x}-01"
    client.workflows.execute_workflow(**NAMED, traceparent=own)
    assert emulator.requests[0].body["traceparent"] == own
    assert len(recording.spans()) == 1


@TRACEPARENT
def test_a_span_that_is_not_sampled_leaves_the_sdk_its_own_way(
    emulator: Emulator, client: Any
) -> None:
    """It wants a worker's trace in any case, and invents one."""
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    instrument(tracer_provider=provider)
    try:
        client.workflows.execute_workflow(**NAMED)
    finally:
        uninstrument()
    assert all(parent.endswith("-01") for parent in parents(emulator))
    assert not trace.get_current_span().get_span_context().is_valid


# Content


def test_no_word_is_recorded_unasked(client: Any, recording: Recording) -> None:
    client.workflows.execute_workflow_and_wait("greet", WORDS, polling_interval=0)
    assert "Ada" not in str(recording.span())
    assert "Hello" not in str(recording.span())


def test_with_capture_on_the_input_and_the_result_are_messages(client: Any) -> None:
    recording = Recording()
    redact: Callable[[str], str] = lambda text: text.replace("Lovelace", "L.")  # noqa: E731
    instrument(**recording.providers, capture_content="span_only", redact=redact)
    try:
        client.workflows.execute_workflow_and_wait("greet", WORDS, polling_interval=0)
    finally:
        uninstrument()
    said = recording.span().attributes
    (asked,) = json.loads(said[s.INPUT_MESSAGES])
    (answered,) = json.loads(said[s.OUTPUT_MESSAGES])
    assert asked["role"] == "user"
    assert json.loads(asked["parts"][0]["content"]) == {"name": "Ada L."}
    assert json.loads(answered["parts"][0]["content"]) == {"greeting": "Hello world"}
    assert answered["finish_reason"] == "stop"
