# SPDX-License-Identifier: Apache-2.0
"""Conversations that are not streamed: the same spans, without what only a stream has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from emulator import Emulator
from emulator.scenario import load_scenarios
from tests.support import names as s
from tests.support import sdk
from tests.support.conversation_spans import (
    MODEL,
    child,
    common,
    family,
    id_of,
    interval,
    known,
    nanoseconds,
    tool,
)
from tests.support.conversations import Ask, ask_async, ask_sync, read_sync, with_defaults
from tests.support.recording import PATIENCE, Recording, Span, plain, put_forward, until
from tests.support.sdk import Mistral

ONLY_IN_STREAMS = {
    s.REQUEST_STREAM,
    s.RESPONSE_TIME_TO_FIRST_CHUNK,
    s.CLOCK_SHIFT,
    s.RESPONSE_CREATED_AT,
    s.STREAM_OUTCOME,
}


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Asks for a scenario's response, sync or async."""
    made: Ask = request.param
    return made


def unstreamed(emulator: Emulator) -> dict[str, Any]:
    """What every span of a call that is not streamed says."""
    return {k: v for k, v in common(emulator).items() if k not in ONLY_IN_STREAMS}


# What goes wrong

NAMED = {
    "start": s.REQUEST_MODEL,
    "append": s.CONVERSATION_ID,
    "restart": s.RESTARTED_FROM,
}


@pytest.mark.parametrize("method", NAMED)
@pytest.mark.parametrize(
    ("scenario", "attributes"),
    [
        ("http_500", {s.HTTP_STATUS_CODE: 500, s.ERROR_CODE: "1000"}),
        ("tool_error_event", {s.HTTP_STATUS_CODE: 500, s.ERROR_CODE: "500"}),
        ("tool_cut", {}),
        ("reset", {}),
    ],
)
def test_a_call_that_failed_is_an_error_without_outcome(
    emulator: Emulator, client: Any, ask: Ask, recording: Recording, method: str,
    scenario: str, attributes: dict[str, Any],
) -> None:  # fmt: skip
    arguments: dict[str, Any] = {"model": MODEL}
    if method != "start":
        arguments = {"conversation_id": ask(client, "answer").conversation_id}
    if method == "restart":
        arguments["from_entry_id"] = "e1"
    before = recording.started
    with pytest.raises(Exception) as raised:  # noqa: PT011 -- which one differs by line
        ask(client, scenario, method, **arguments)
    (span,) = recording.spans()[before:]
    error_type = "500" if attributes else f"{sdk.HTTP}.{type(raised.value).__name__}"
    named = {"append": s.CONVERSATION_ID}.get(method, s.RESTARTED_FROM)
    request: dict[str, Any] = {s.REQUEST_MODEL: MODEL}
    if method != "start":
        request = {named: arguments["conversation_id"]}
    request[s.RESPONSE_FINISH_REASONS] = ["error"]
    assert plain(span) == Span(
        f"chat {MODEL}" if method == "start" else "chat",
        unstreamed(emulator)
        | {s.OPERATION_NAME: "chat", s.ERROR_TYPE: error_type, **request, **attributes},
        status="ERROR",
        description=error_type,
        events=["exception"],
    )
    metrics = recording.metrics()
    durations = metrics[s.METRIC_DURATION]
    assert [told[s.ERROR_TYPE] for told, _ in durations if s.ERROR_TYPE in told] == [error_type]
    assert not any(s.STREAM_OUTCOME in told for told, _ in durations)
    counted = metrics[s.METRIC_INPUT_TOKENS]
    assert sum(value for _, value in counted) == (0 if method == "start" else 24)


async def test_a_call_that_was_cancelled_is_no_error(
    emulator: Emulator, recording: Recording
) -> None:
    emulator.clear()
    async with Mistral(api_key="key", server_url=emulator.url) as own:
        starting = own.beta.conversations.start_async(**with_defaults("hang", {}))
        waiting = asyncio.ensure_future(asyncio.wait_for(starting, PATIENCE))
        await until(lambda: bool(emulator.requests))
        put_forward(PATIENCE)
        with pytest.raises(asyncio.TimeoutError):
            await waiting
    assert (recording.span().status, recording.span().events) == ("UNSET", [])
    assert not recording.span().attributes.keys() & {s.ERROR_TYPE, s.STREAM_OUTCOME}


# What goes well


def test_start_append_and_restart_are_whole_client_spans(
    emulator: Emulator, client: Any, ask: Ask, recording: Recording
) -> None:
    version = {"agent_version": 3} if sdk.VERSION >= (1, 10) else {}
    first = ask(client, "agent", agent_id="ag_1", **version)
    known = {"conversation_id": first.conversation_id}
    ask(client, "agent", "append", **known)
    again = ask(client, "agent", "restart", from_entry_id="e1", **known)
    spans = recording.spans()
    answered = {
        **unstreamed(emulator),
        s.USAGE_INPUT_TOKENS: 5,
        s.USAGE_OUTPUT_TOKENS: 7,
        s.USAGE_TOTAL_TOKENS: 12,
        s.OPERATION_NAME: "invoke_agent",
        s.AGENT_ID: "ag_1",
        s.CONVERSATION_ID: first.conversation_id,
        s.RESPONSE_ID: "msg_1",
        s.REQUEST_MODEL: MODEL,
        s.RESPONSE_MODEL: MODEL,
        s.RESPONSE_FINISH_REASONS: ["stop"],
    }
    restarted = {
        s.CONVERSATION_ID: again.conversation_id,
        s.RESTARTED_FROM: first.conversation_id,
    }
    versions = {s.AGENT_VERSION: "3"} if version else {}
    expected = [answered | versions, answered, answered | restarted]
    assert [plain(span) for span in spans] == [Span("invoke_agent", told) for told in expected]
    metrics = recording.metrics()
    assert "chunk" not in str(metrics.keys())
    ((told, (count, total)),) = metrics[s.METRIC_DURATION]
    of_agent = {s.OPERATION_NAME: "invoke_agent", s.RESPONSE_MODEL: MODEL}
    assert told == {**unstreamed(emulator), **of_agent}
    assert count == 3
    assert total == pytest.approx(sum(end - start for start, end in map(interval, spans)) / 1e9)
    assert [n for _, n in metrics[s.METRIC_INPUT_TOKENS]] == [15]


def test_tools_have_the_times_of_their_entries(client: Any, ask: Ask, recording: Recording) -> None:
    first, second, _ = ask(client, "tools_interleaved").outputs
    parent, (search, code) = family(recording)
    expected = tool(parent), tool(parent, "code_interpreter", "tool_2")
    assert (plain(search), plain(code)) == expected
    for span, entry in ((search, first), (code, second)):
        assert interval(span) == (nanoseconds(entry.created_at), nanoseconds(entry.completed_at))
    lasted = [(end - start) / 1e9 for start, end in (interval(search), interval(code))]
    assert [value for _, value in recording.metrics()[s.METRIC_TOOL_DURATION]] == [
        (1, n) for n in lasted
    ]


def test_entries_without_completed_at_take_the_next_ones_time(
    client: Any, ask: Ask, recording: Recording
) -> None:
    outputs = ask(client, "entries_without_completed_at", agent_id="ag_triage").outputs
    times = [nanoseconds(entry.created_at) for entry in outputs]
    parent, children = family(recording)
    writer = next(span for span in children if span.name == "invoke_agent writer")
    triage, at_work = {"agent": "ag_triage"}, {"agent": "ag_writer", "agent_name": "writer"}
    named = {**triage, "agent_name": "triage", "name": "agent_handoff", "mode": "pass_control"}
    named |= {"target": "writer", "target_id": "ag_writer"}
    handed = "execute_tool agent_handoff writer"
    assert {interval(span): plain(span) for span in children} == {
        (times[0], times[1]): tool(parent, **triage),
        (times[1], times[2]): child(parent, handed, **named),
        (times[2], interval(parent)[1]): child(parent, "invoke_agent writer", **at_work),
        (times[2], times[3]): tool(writer, "code_interpreter", "tool_2", **at_work),
    }


@pytest.mark.parametrize("hours", [-1, 1])
def test_tools_lie_inside_the_call_though_the_servers_clock_is_off(
    client: Any, ask: Ask, recording: Recording, hours: int
) -> None:
    headers = {"x-emulator-clock-offset": str(hours * 3600)}
    (entry, message) = ask(client, "web_search", http_headers=headers).outputs
    parent, (search,) = family(recording)
    shift, (start, end) = plain(parent).attributes[s.CLOCK_SHIFT], interval(search)
    assert shift == pytest.approx(-hours * 3_600_000, abs=2_000)
    assert abs(nanoseconds(entry.created_at) + round(shift * 1e6) - start) < 1_000
    assert end - start == nanoseconds(entry.completed_at) - nanoseconds(entry.created_at)
    assert nanoseconds(message.completed_at) + shift * 1e6 <= interval(parent)[1]


# The same as a stream


# Why a stream and a response of these cannot tell the same.
NOT_ALIKE = {
    "created_at_garbage": "the SDK rejects each event, but the whole response",
    "done_rejected": "the SDK rejects the usage of a response with all else",
    **dict.fromkeys(("usage_null", "usage_missing"), "the same"),
    "unknown_event": "on old lines the stream ends at it",
    "no_started": "the stream does not name its conversation",
    "deprecated": "the SDK fails where it warns of a stream",
    "long": "10,000 pieces take seconds and tell no more than a few",
    "events_after_done": "a response has no end before its end",
    "two_done": "of which a response has the last one's usage",
    **({"content_mixed": "its chunks are not known"} if sdk.VERSION < (2,) else {}),
    **({"thinking": "its chunks are not known"} if sdk.VERSION < (1, 9) else {}),
}


def _is_told_alike(scenario: str) -> bool:
    first, *others = load_scenarios()[scenario].attempts
    events = [event for group in first.events or [] for event in group.events]
    types = {event.payload.get("type") for event in events}
    done = "conversation.response.done" in types and first.end == "complete"
    failed = "conversation.response.error" in types or any(event.raw for event in events)
    return done and not (failed or others or scenario in NOT_ALIKE)


def _tree(spans: list[ReadableSpan]) -> Any:
    *_, client = spans
    conversation = plain(client).attributes[s.CONVERSATION_ID]

    def of(span: ReadableSpan) -> Any:
        seen = plain(span)
        told = {k: v for k, v in seen.attributes.items() if k not in ONLY_IN_STREAMS}
        assert told.pop(s.CONVERSATION_ID) == conversation
        within = (of(one) for one in spans if one.parent and one.parent.span_id == id_of(span))
        inside = sorted(within, key=repr)
        return seen.name, seen.kind, seen.status, seen.description, seen.events, told, inside

    return of(client)


@pytest.mark.parametrize("scenario", known(*filter(_is_told_alike, load_scenarios())))
@pytest.mark.parametrize(
    "who", [{"agent_id": "ag_triage"}, {"model": MODEL}], ids=["agent", "model"]
)
def test_a_response_is_told_as_the_stream_of_the_same_conversation(
    client: Any, recording: Recording, scenario: str, who: dict[str, str]
) -> None:
    if scenario.startswith("handoff_") and "model" in who:
        pytest.skip("a handoff begins with the request's agent")
    read_sync(client, scenario, **who)
    streamed = recording.spans()
    ask_sync(client, scenario, **who)
    assert _tree(streamed) == _tree(recording.spans()[len(streamed) :])
