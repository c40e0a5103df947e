# SPDX-License-Identifier: Apache-2.0
"""Where content goes: on spans, as a log event, on both, nowhere; and that of tools."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import ContentMode, instrument, uninstrument
from tests.support import names as s
from tests.support.agent_runs import STREAMED, add, asking, prepared, whoami
from tests.support.agent_runs import run as run_loop
from tests.support.content import INPUT, INSTRUCTIONS, OUTPUT, TOOLS, content, details, given, text
from tests.support.conversation_spans import family
from tests.support.conversations import (
    Run,
    ask_async,
    ask_sync,
    read_async,
    read_sync,
    with_defaults,
)
from tests.support.recording import Recording
from tests.support.said import ASKS, HELLO, SAID, TELLS_ARGUMENTS, answer, call, skip_if_unknown

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
WORDS: dict[str, Any] = {"instructions": "Be brief.", "tools": [{"type": "web_search"}]}
DEFINED = [{"type": "web_search", "name": "web_search"}]
ASKED = {INPUT: HELLO, INSTRUCTIONS: [text("Be brief.")], TOOLS: DEFINED}
WHOLE = {**ASKED, OUTPUT: [SAID["answer"]]}
MODES: list[tuple[str, bool, bool]] = [
    ("no_content", False, False), ("span_only", True, False), ("event_only", False, True),
    ("span_and_event", True, True), (ContentMode.EVENT_ONLY, False, True),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "on_span", "on_event"), MODES)
@ASKS
def test_the_argument_says_where_content_goes(
    client: Any, ask: Run, recording: Recording, mode: Any, *, on_span: bool, on_event: bool
) -> None:
    instrument(capture_content=mode)
    ask(client, "answer", **WORDS)
    assert content(recording.the_span()) == (WHOLE if on_span else {})
    assert [said for said, _ in details(recording)] == [WHOLE] * on_event
    assert len(recording.logs()) == on_event


@pytest.mark.parametrize(
    ("value", "on_span", "on_event"),
    [*MODES, (" Span_And_Event\n", True, True), ("true", False, False), ("false", False, False),
     ("", False, False), (None, False, False), ("everything", False, False)],
)  # fmt: skip
def test_the_environment_says_it_where_the_argument_does_not(
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
    no_log_records: list[logging.LogRecord],
    value: str | None,
    *,
    on_span: bool,
    on_event: bool,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, str.__str__(value))
    recording = Recording()
    instrument(**recording.providers)
    try:
        read_sync(client, "answer", **WORDS)
        ask_sync(client, "answer", **WORDS)
    finally:
        uninstrument()
    assert list(map(content, recording.spans())) == [WHOLE if on_span else {}] * 2
    assert [said for said, _ in details(recording)] == [WHOLE] * 2 * on_event
    warning = (
        f"{VARIABLE}={value} is none of no_content, span_only, event_only, span_and_event:"
        " content is not captured"
    )
    unknown = value in ("everything", "true", "false")
    assert [record.getMessage() for record in no_log_records] == [warning] * unknown
    no_log_records.clear()


def test_the_argument_wins_over_the_environment(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "span_and_event")
    recording = Recording()
    instrument(**recording.providers, capture_content="no_content")
    try:
        read_sync(client, "answer")
    finally:
        uninstrument()
    assert (content(recording.the_span()), recording.logs()) == ({}, [])


@pytest.mark.parametrize("scenario", ["tools_interleaved", "functions_parallel", "handoff_chain"])
@ASKS
def test_an_event_has_structures_and_all_that_the_span_has(
    client: Any, ask: Run, recording: Recording, scenario: str
) -> None:
    skip_if_unknown(scenario, streamed=ask in (read_sync, read_async))
    instrument(capture_content="span_and_event")
    ask(client, scenario, **({"agent_id": "ag_1"} if scenario == "handoff_chain" else {}))
    span, _ = family(recording)
    said = {INPUT: HELLO, OUTPUT: [SAID[scenario]]}
    ((structures, attributes),) = details(recording)
    assert (content(span), structures) == (said, said)
    known = s.AGENT_ID if scenario == "handoff_chain" else s.REQUEST_MODEL
    assert attributes.keys() >= {known, s.USAGE_INPUT_TOKENS, s.SERVER_ADDRESS}


@pytest.mark.parametrize(
    ("ask", "scenario"), [(read_sync, "error_event"), (read_sync, "http_500"),
                          (ask_sync, "http_500"), (ask_async, "tool_error_event")]
)  # fmt: skip
def test_a_failed_calls_event_has_its_error(
    client: Any, recording: Recording, ask: Run, scenario: str
) -> None:
    instrument(capture_content="event_only")
    try:
        ask(client, scenario)
    except Exception:  # noqa: BLE001 -- which one differs by line
        assert scenario != "error_event"
    ((said, attributes),) = details(recording)
    assert said[INPUT] == HELLO
    assert attributes[s.ERROR_TYPE] == "500"
    assert content(recording.the_span()) == {}


def test_a_stream_that_is_left_has_its_event_and_one_only(
    client: Any, recording: Recording
) -> None:
    instrument(capture_content="event_only")
    with client.beta.conversations.start_stream(**with_defaults("answer", {})) as stream:
        assert [next(stream), next(stream)]
    del stream
    ((said, attributes),) = details(recording)
    assert said[OUTPUT] == [answer("", text("A stream"))]
    assert attributes[s.STREAM_OUTCOME] == "closed"


# Tools


@pytest.mark.parametrize(("mode", "on_span"), [(mode, on_span) for mode, on_span, _ in MODES[:4]])
@ASKS
def test_a_servers_tool_has_its_arguments_and_result_on_its_span(
    client: Any, ask: Run, recording: Recording, mode: str, *, on_span: bool
) -> None:
    if not TELLS_ARGUMENTS:
        pytest.skip("this line's model of the event has no field for a tool's arguments")
    instrument(capture_content=mode)
    ask(client, "tools_interleaved")
    _, tools = family(recording)
    seen = [(span.name.split()[1], given(span)) for span in tools]
    told = [
        {s.TOOL_CALL_ARGUMENTS: '{"query": "spans"}', s.TOOL_CALL_RESULT: '{"results": 3}'},
        {s.TOOL_CALL_ARGUMENTS: '{"code": "6 * 7"}', s.TOOL_CALL_RESULT: '{"code_output": "42"}'},
    ]
    names = ["web_search", "code_interpreter"]
    assert seen == list(zip(names, told if on_span else [{}, {}], strict=True))


@pytest.mark.parametrize(("mode", "on_span", "on_event"), MODES[:4])
@STREAMED
async def test_a_functions_arguments_and_result_are_on_its_span_and_in_the_messages(
    emulator: Emulator, recording: Recording, mode: str, *, streamed: bool, on_span: bool,
    on_event: bool,
) -> None:  # fmt: skip
    instrument(capture_content=mode)
    async with asking(emulator.url, "loop_parallel") as conversations:
        await run_loop(conversations, prepared(add, whoami), streamed=streamed)
    spans = {span.name: span for span in recording.spans()}
    added = {s.TOOL_CALL_ARGUMENTS: '{"a": 1, "b": 2}', s.TOOL_CALL_RESULT: "3"}
    told = {s.TOOL_CALL_ARGUMENTS: "{}", s.TOOL_CALL_RESULT: "a function"}
    assert given(spans["execute_tool add"]) == (added if on_span else {})
    assert given(spans["execute_tool whoami"]) == (told if on_span else {})
    messages = [content(span) for span in recording.spans() if span.kind.name == "CLIENT"]
    recorded = [(told.get(INPUT), told.get(OUTPUT)) for told in messages]
    of_events = [(said.get(INPUT), said.get(OUTPUT)) for said, _ in details(recording)]
    calls = [call("add", {"a": 1, "b": 2}), call("whoami", {}, 2)]
    results = [{"role": "tool", "parts": [
        {"type": "tool_call_response", "id": f"call_{number}", "response": response}]}
        for number, response in ((1, 3), (2, "a function"))]  # fmt: skip
    hello = [{"role": "user", "parts": [text("1 + 2?")]}]
    both = [
        (hello, [answer("tool_call", *calls)]),
        (results, [answer("stop", text("It is done."))]),
    ]
    assert recorded == (both if on_span else [(None, None)] * 2)
    assert of_events == both * on_event


# OTLP carries 28 objects inside one another here, and refuses the log event with 29.
NESTED = ['{"a":' * levels + "1" + "}" * levels for levels in (24, 29, 30, 32, 200)]


@pytest.mark.parametrize("value", ["10" * 20, '"\\ud800"', "[" * 200 + "]" * 200, "null", *NESTED])
def test_what_an_event_says_can_be_exported(
    client: Any, recording: Recording, value: str, no_log_records: list[logging.LogRecord]
) -> None:
    instrument(capture_content="span_and_event")
    result = {"type": "function.result", "tool_call_id": "call_1", "result": value}
    read_sync(client, "answer", inputs=[result])
    exported = encode_logs(vars(recording)["_logs"].get_finished_logs())
    (record,) = exported.resource_logs[0].scope_logs[0].log_records
    assert {attribute.key for attribute in record.attributes} >= {INPUT, OUTPUT}
    assert type(exported).FromString(exported.SerializeToString()) == exported
    assert recording.the_span().to_json().encode()
    assert no_log_records == []
