# SPDX-License-Identifier: Apache-2.0
"""Streams of a workflow's events: one span each, linked to the execution, however they end."""

from __future__ import annotations

import gc
from typing import Any, Final

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai._otel.surroundings import last_turns
from tests.support import names as s
from tests.support import sdk
from tests.support.completions import BOTH, Ask, assert_is, place
from tests.support.methods import SINCE
from tests.support.recording import Recording, Span, plain

pytestmark = pytest.mark.skipif(
    SINCE["workflows"] > sdk.VERSION, reason="workflows came with a later version"
)
RUN: Final = ("workflows.executions.stream", {"execution_id": "exec_1"})
EVENTS: Final = ("workflows.events.get_stream_events", {"workflow_exec_id": "exec_1"})
SAME: Final = ("events.get_stream_events", {"root_workflow_exec_id": "exec_1"})
# Since then the SDK raises for an error that the server tells of; before, it is an event.
RAISES: Final = sdk.has_module("_hooks.stream_error_hook")


def told(emulator: Emulator, outcome: str, **more: Any) -> dict[str, Any]:
    return {
        **place(emulator),
        s.OPERATION_NAME: "follow_workflow",
        s.REQUEST_STREAM: True,
        s.WORKFLOW_NAME: "greet",
        s.WORKFLOW_EXECUTION: "exec_1",
        s.WORKFLOW_STATUS: "RUNNING",
        s.STREAM_OUTCOME: outcome,
        **more,
    }


@pytest.fixture(autouse=True)
def no_execution_before() -> None:
    """Nobody has started ``exec_1`` yet."""
    vars(last_turns)["_turns"].clear()


@BOTH
@pytest.mark.parametrize(("method", "given"), [RUN, EVENTS, SAME], ids=["run", "events", "same"])
def test_the_events_of_an_execution_are_one_whole_span(
    emulator: Emulator,
    client: Any,
    recording: Recording,
    ask: Ask,
    method: str,
    given: dict[str, Any],
) -> None:
    events = ask(client, method, **given)
    assert len(events) == 4
    expected = told(emulator, "completed", **{s.WORKFLOW_STATUS: "COMPLETED"})
    assert_is(recording.span(), Span("follow_workflow greet", expected))
    ((attributes, (count, _)),) = recording.metrics()[s.METRIC_DURATION]
    assert count == 1
    assert attributes == {
        **place(emulator),
        s.OPERATION_NAME: "follow_workflow",
        s.STREAM_OUTCOME: "completed",
    }
    assert [*recording.metrics()] == [s.METRIC_DURATION]


def test_a_stream_is_linked_to_the_execution_that_was_started_here(
    client: Any, recording: Recording
) -> None:
    client.workflows.execute_workflow(workflow_identifier="greet")
    for _ in range(2):
        list(client.workflows.executions.stream(execution_id="exec_1"))
    started, *followed = recording.spans()
    for span in followed:
        assert [link.context for link in span.links] == [started.context]
        assert span.name == "follow_workflow greet"


def test_a_stream_of_an_unknown_execution_has_no_link(client: Any, recording: Recording) -> None:
    list(client.workflows.executions.stream(execution_id="exec_1"))
    assert not recording.the_span().links


def test_a_stream_that_is_left_early_is_closed(
    emulator: Emulator, client: Any, recording: Recording
) -> None:
    with client.workflows.executions.stream(execution_id="exec_1") as stream:
        next(stream)
    assert_is(recording.span(), Span("follow_workflow greet", told(emulator, "closed")))


def test_a_stream_that_is_left_after_the_last_event_is_complete(
    client: Any, recording: Recording
) -> None:
    with client.workflows.executions.stream(execution_id="exec_1") as stream:
        for event in stream:
            if event.data.data.event_type == "WORKFLOW_EXECUTION_COMPLETED":
                break
    assert recording.span().attributes[s.STREAM_OUTCOME] == "completed"


def test_a_stream_that_is_dropped_is_abandoned(client: Any, recording: Recording) -> None:
    stream = client.workflows.executions.stream(execution_id="exec_1")
    next(stream)
    stream.response.close()
    del stream
    gc.collect()
    assert recording.span().attributes[s.STREAM_OUTCOME] == "abandoned"


def test_an_error_of_the_server_is_an_error_without_its_words(
    client: Any, recording: Recording
) -> None:
    headers = {"x-emulator-scenario": "workflow_events_error"}
    stream = client.workflows.executions.stream(execution_id="exec_1", http_headers=headers)
    kind = "read_error"
    try:
        list(stream)
    except Exception as exc:  # noqa: BLE001 -- which one is the SDK's matter
        # Before that hook, an SDK's model rejects the event, or the stream ends with it.
        raised = type(exc)
        assert raised.__name__ == ("StreamDisconnectedError" if RAISES else "ValidationError")
        kind = f"{'mistralai' if RAISES else raised.__module__}.{raised.__name__}"
    else:
        assert not RAISES
    span = recording.span()
    assert span.attributes[s.STREAM_OUTCOME] == "failed"
    assert (span.status, span.attributes[s.ERROR_TYPE]) == ("ERROR", kind)
    assert "Hello" not in str(plain(recording.the_span()))


def test_a_connection_that_breaks_is_an_error(client: Any, recording: Recording) -> None:
    headers = {"x-emulator-scenario": "workflow_events_cut"}
    with pytest.raises(sdk.httpx.RemoteProtocolError):
        list(client.workflows.executions.stream(execution_id="exec_1", http_headers=headers))
    span = recording.span()
    assert span.attributes[s.ERROR_TYPE] == f"{sdk.HTTP}.RemoteProtocolError"
    assert span.attributes[s.STREAM_OUTCOME] == "failed"
