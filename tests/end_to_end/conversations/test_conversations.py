# SPDX-License-Identifier: Apache-2.0
"""Whole spans of conversations that go well: who, what, how much, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from opentelemetry import trace

from emulator import Emulator
from tests.support import names as s
from tests.support import sdk
from tests.support.conversation_spans import FROM_THE_RUN, MODEL, common, nanoseconds, taken
from tests.support.conversations import Run, read_sync
from tests.support.recording import Recording, Span, plain


def test_a_conversation_is_one_span_that_ends_at_created_at(
    emulator: Emulator, client: Any, run: Run, recording: Recording
) -> None:
    events = run(
        client,
        "answer",
        model=MODEL,
        completion_args={
            "temperature": 0,
            "top_p": 0.9,
            "max_tokens": 100,
            "stop": ["END", "STOP"],
            "random_seed": 7,
            "presence_penalty": 0.5,
            "frequency_penalty": 1,
            "response_format": {"type": "json_object"},
        },
    )
    span, done = recording.the_span(), events[-1].data
    assert plain(span) == Span(
        name=f"chat {MODEL}",
        attributes={
            **common(emulator),
            **taken(span, *FROM_THE_RUN),
            s.OPERATION_NAME: "chat",
            s.REQUEST_MODEL: MODEL,
            s.REQUEST_TEMPERATURE: 0.0,
            s.REQUEST_TOP_P: 0.9,
            s.REQUEST_MAX_TOKENS: 100,
            s.REQUEST_STOP_SEQUENCES: ["END", "STOP"],
            s.REQUEST_SEED: 7,
            s.REQUEST_PRESENCE_PENALTY: 0.5,
            s.REQUEST_FREQUENCY_PENALTY: 1.0,
            s.OUTPUT_TYPE: "json",
            s.RESPONSE_ID: "msg_1",
            s.RESPONSE_MODEL: MODEL,
            s.RESPONSE_FINISH_REASONS: ["stop"],
            s.USAGE_INPUT_TOKENS: 24,
            s.USAGE_OUTPUT_TOKENS: 29,
            s.USAGE_TOTAL_TOKENS: 53,
            s.STREAM_OUTCOME: "completed",
            s.RESPONSE_CREATED_AT: done.created_at.isoformat().replace("Z", "+00:00"),
        },
    )
    assert span.end_time == nanoseconds(done.created_at)
    conversation = plain(span).attributes[s.CONVERSATION_ID]
    assert conversation == events[0].data.conversation_id
    assert isinstance(plain(span).attributes[s.REQUEST_TEMPERATURE], float)


def test_the_span_has_ended_when_the_caller_gets_the_done_event(
    client: Any, recording: Recording
) -> None:
    stream = client.beta.conversations.start_stream(model=MODEL, inputs="Hello?")
    for event in stream:
        is_done = event.event == "conversation.response.done"
        assert (len(recording.finished()) == 1) == is_done
        if is_done:
            counted = recording.metrics()[s.METRIC_INPUT_TOKENS]
            assert [value for _, value in counted] == [24]
            break
    assert plain(recording.the_span()).attributes[s.STREAM_OUTCOME] == "completed"


def test_an_agent_conversation_and_its_turns(
    emulator: Emulator, client: Any, run: Run, recording: Recording
) -> None:
    version = {"agent_version": 3} if sdk.VERSION >= (1, 10) else {}
    started = run(client, "agent", agent_id="ag_1", **version)
    conversation_id = started[0].data.conversation_id
    run(client, "agent", method="append_stream", conversation_id=conversation_id)
    run(client, "agent", method="restart_stream", conversation_id=conversation_id,
        from_entry_id="e1")  # fmt: skip
    answered = {
        **common(emulator),
        s.OPERATION_NAME: "invoke_agent",
        s.AGENT_ID: "ag_1",
        s.RESPONSE_ID: "msg_1",
        s.REQUEST_MODEL: MODEL,
        s.RESPONSE_MODEL: MODEL,
        s.RESPONSE_FINISH_REASONS: ["stop"],
        s.USAGE_INPUT_TOKENS: 5,
        s.USAGE_OUTPUT_TOKENS: 7,
        s.USAGE_TOTAL_TOKENS: 12,
        s.STREAM_OUTCOME: "completed",
    }
    start, append, restart = recording.finished()
    from_run = (*FROM_THE_RUN, s.RESPONSE_CREATED_AT)
    versions = {s.AGENT_VERSION: "3"} if version else {}
    assert plain(start) == Span("invoke_agent", answered | taken(start, *from_run) | versions)
    assert plain(append) == Span("invoke_agent", answered | taken(append, *from_run))
    again = {s.RESTARTED_FROM: conversation_id}
    assert plain(restart) == Span("invoke_agent", answered | taken(restart, *from_run) | again)
    ids = [plain(span).attributes[s.CONVERSATION_ID] for span in (start, append, restart)]
    assert ids[:2] == [conversation_id] * 2
    assert ids[2] != conversation_id


def test_an_append_starts_as_the_turn_before_it_and_without_one_as_chat(
    client: Any, recording: Recording
) -> None:
    (first, *_) = read_sync(client, "agent", agent_id="ag_2")
    known = {"conversation_id": first.data.conversation_id}
    for arguments in (known, {"conversation_id": "conv_of_another_process"}):
        for scenario in ("empty", "answer"):
            read_sync(client, scenario, method="append_stream", **arguments)
    names = [span.name for span in recording.finished()]
    assert names == ["invoke_agent", "invoke_agent", "invoke_agent", "chat", f"chat {MODEL}"]


def test_a_handoff_names_the_first_agent(client: Any, run: Run, recording: Recording) -> None:
    run(client, "handoff", agent_id="ag_triage")
    (span,) = [plain(span) for span in recording.spans() if span.kind.name == "CLIENT"]
    assert span.attributes[s.AGENT_ID] == "ag_triage"
    assert span.attributes[s.AGENT_NAME] == "triage"
    assert span.name == "invoke_agent"


def test_a_function_call_at_the_end_is_the_finish_reason(
    client: Any, run: Run, recording: Recording
) -> None:
    run(client, "function_call")
    attributes = recording.span().attributes
    assert attributes[s.RESPONSE_FINISH_REASONS] == ["tool_call"]
    assert attributes[s.RESPONSE_ID] == "fc_1"


def test_connectors_are_counted_and_hostile_names_are_not_keys(
    client: Any, run: Run, recording: Recording
) -> None:
    run(client, "connectors")
    attributes = recording.span().attributes
    assert {key: attributes[key] for key in attributes if "connector" in key} == {
        s.USAGE_CONNECTOR_TOKENS: 100,
        s.USAGE_CONNECTORS_WEB_SEARCH: 2,
        s.USAGE_CONNECTORS_CODE_INTERPRETER: 1,
    }
    metrics = recording.metrics()
    calls = metrics[s.METRIC_CONNECTOR_CALLS]
    by_name = {found[s.CONNECTOR_NAME]: value for found, value in calls}
    assert by_name == {"web_search": 2, "code_interpreter": 1, "_OTHER": 7}
    assert [value for _, value in metrics[s.METRIC_CONNECTOR_TOKENS]] == [100]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_server_clock_that_is_off_is_shifted_and_durations_stay_exact(
    client: Any, run: Run, recording: Recording, hours: int
) -> None:
    events = run(client, "answer", http_headers={"x-emulator-clock-offset": str(hours * 3600)})
    span = recording.the_span()
    shift = plain(span).attributes[s.CLOCK_SHIFT]
    assert shift == pytest.approx(-hours * 3_600_000, abs=2_000)
    assert span.start_time is not None
    assert span.end_time is not None
    # Never after its arrival: where the done event travelled faster than the first, that decides.
    shifted = nanoseconds(events[-1].data.created_at) + round(shift * 1e6)
    assert 0 <= shifted - span.end_time < 100_000_000
    assert 0 < span.end_time - span.start_time < 5e9
    created_at = plain(span).attributes[s.RESPONSE_CREATED_AT]
    assert datetime.fromisoformat(created_at) == events[-1].data.created_at


def test_the_span_is_a_child_of_the_callers_and_the_callers_stays_current(
    client: Any, recording: Recording
) -> None:
    tracer = recording.tracer_provider.get_tracer("caller")
    with tracer.start_as_current_span("caller") as caller:
        for _ in client.beta.conversations.start_stream(model=MODEL, inputs="Hello?"):
            assert trace.get_current_span() is caller
        assert trace.get_current_span() is caller
    ours = next(span for span in recording.finished() if span.name != "caller")
    assert plain(ours).parent == caller.get_span_context().span_id


def test_retries_are_one_span_and_time_to_first_chunk_includes_them(
    client: Any, run: Run, recording: Recording
) -> None:
    run(client, "retry_then_ok", retries=sdk.retries(), http_headers={"authorization": "Bearer r"})
    assert recording.span().status == "UNSET"
    assert recording.span().attributes[s.STREAM_OUTCOME] == "completed"
