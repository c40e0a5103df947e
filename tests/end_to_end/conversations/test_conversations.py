# SPDX-License-Identifier: Apache-2.0
"""Whole spans of conversations that go well: who, what, how much, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from opentelemetry import trace

from emulator import Emulator
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
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": MODEL,
            "gen_ai.request.temperature": 0.0,
            "gen_ai.request.top_p": 0.9,
            "gen_ai.request.max_tokens": 100,
            "gen_ai.request.stop_sequences": ["END", "STOP"],
            "gen_ai.request.seed": 7,
            "gen_ai.request.presence_penalty": 0.5,
            "gen_ai.request.frequency_penalty": 1.0,
            "gen_ai.output.type": "json",
            "gen_ai.response.id": "msg_1",
            "gen_ai.response.model": MODEL,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 24,
            "gen_ai.usage.output_tokens": 29,
            "mistral_ai.usage.total_tokens": 53,
            "mistral_ai.stream.outcome": "completed",
            "mistral_ai.response.created_at": done.created_at.isoformat().replace("Z", "+00:00"),
        },
    )
    assert span.end_time == nanoseconds(done.created_at)
    conversation = plain(span).attributes["gen_ai.conversation.id"]
    assert conversation == events[0].data.conversation_id
    assert isinstance(plain(span).attributes["gen_ai.request.temperature"], float)


def test_the_span_has_ended_when_the_caller_gets_the_done_event(
    client: Any, recording: Recording
) -> None:
    stream = client.beta.conversations.start_stream(model=MODEL, inputs="Hello?")
    for event in stream:
        is_done = event.event == "conversation.response.done"
        assert (len(recording.finished()) == 1) == is_done
        if is_done:
            counted = recording.metrics()["gen_ai.client.inference.usage.input_tokens"]
            assert [value for _, value in counted] == [24]
            break
    assert plain(recording.the_span()).attributes["mistral_ai.stream.outcome"] == "completed"


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
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": "ag_1",
        "gen_ai.response.id": "msg_1",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.model": MODEL,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 7,
        "mistral_ai.usage.total_tokens": 12,
        "mistral_ai.stream.outcome": "completed",
    }
    start, append, restart = recording.finished()
    from_run = (*FROM_THE_RUN, "mistral_ai.response.created_at")
    versions = {"gen_ai.agent.version": "3"} if version else {}
    assert plain(start) == Span("invoke_agent", answered | taken(start, *from_run) | versions)
    assert plain(append) == Span("invoke_agent", answered | taken(append, *from_run))
    again = {"mistral_ai.conversation.restarted_from": conversation_id}
    assert plain(restart) == Span("invoke_agent", answered | taken(restart, *from_run) | again)
    ids = [plain(span).attributes["gen_ai.conversation.id"] for span in (start, append, restart)]
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
    assert span.attributes["gen_ai.agent.id"] == "ag_triage"
    assert span.attributes["gen_ai.agent.name"] == "triage"
    assert span.name == "invoke_agent"


def test_a_function_call_at_the_end_is_the_finish_reason(
    client: Any, run: Run, recording: Recording
) -> None:
    run(client, "function_call")
    attributes = recording.span().attributes
    assert attributes["gen_ai.response.finish_reasons"] == ["tool_call"]
    assert attributes["gen_ai.response.id"] == "fc_1"


def test_connectors_are_counted_and_hostile_names_are_not_keys(
    client: Any, run: Run, recording: Recording
) -> None:
    run(client, "connectors")
    attributes = recording.span().attributes
    assert {key: attributes[key] for key in attributes if "connector" in key} == {
        "mistral_ai.usage.connector_tokens": 100,
        "mistral_ai.usage.connectors.web_search": 2,
        "mistral_ai.usage.connectors.code_interpreter": 1,
    }
    metrics = recording.metrics()
    calls = metrics["mistral_ai.client.connector.calls"]
    by_name = {found["mistral_ai.connector.name"]: value for found, value in calls}
    assert by_name == {"web_search": 2, "code_interpreter": 1, "_OTHER": 7}
    assert [value for _, value in metrics["mistral_ai.client.connector.tokens"]] == [100]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_server_clock_that_is_off_is_shifted_and_durations_stay_exact(
    client: Any, run: Run, recording: Recording, hours: int
) -> None:
    events = run(client, "answer", http_headers={"x-emulator-clock-offset": str(hours * 3600)})
    span = recording.the_span()
    shift = plain(span).attributes["mistral_ai.clock.shift_ms"]
    assert shift == pytest.approx(-hours * 3_600_000, abs=2_000)
    assert span.start_time is not None
    assert span.end_time is not None
    # Never after its arrival: where the done event travelled faster than the first, that decides.
    shifted = nanoseconds(events[-1].data.created_at) + round(shift * 1e6)
    assert 0 <= shifted - span.end_time < 100_000_000
    assert 0 < span.end_time - span.start_time < 5e9
    created_at = plain(span).attributes["mistral_ai.response.created_at"]
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
    assert recording.span().attributes["mistral_ai.stream.outcome"] == "completed"
