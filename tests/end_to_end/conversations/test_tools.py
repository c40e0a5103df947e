# SPDX-License-Identifier: Apache-2.0
"""Tools that run on the server, as whole spans inside their conversation's."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from opentelemetry.context import Context

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai._otel.metrics import Instruments
from tests.support import names as s
from tests.support import sdk
from tests.support.conversation_spans import (
    FROM_THE_RUN,
    MODEL,
    common,
    family,
    interval,
    known,
    taken,
    times_of,
    tool,
)
from tests.support.conversations import Run, with_defaults
from tests.support.recording import Recording, Span, plain
from tests.support.sdk import Mistral


@pytest.mark.parametrize("failing", ["tool_cut", "tool_error_event"])
def test_a_tool_under_way_fails_with_its_conversation(
    client: Any, run: Run, recording: Recording, failing: str
) -> None:
    error_type = f"{sdk.HTTP}.RemoteProtocolError" if failing == "tool_cut" else "500"
    if failing == "tool_cut":
        with pytest.raises(sdk.httpx.RemoteProtocolError):
            run(client, failing)
    else:
        run(client, failing)
    parent, (search,) = family(recording)
    assert plain(search) == tool(parent, error=error_type)
    assert plain(parent).description == error_type
    assert interval(search)[1] == interval(parent)[1]
    told = {s.TOOL_NAME: "web_search", s.TOOL_TYPE: "extension"}
    lasted = (interval(search)[1] - interval(search)[0]) / 1e9
    assert recording.metrics()[s.METRIC_TOOL_DURATION] == [
        ({**told, s.ERROR_TYPE: error_type}, (1, lasted))
    ]


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        (None, "closed"),
        (ValueError, "closed"),
        (KeyboardInterrupt, "cancelled"),
        ("dropped", "abandoned"),
        pytest.param(
            "close()", "closed", marks=pytest.mark.skipif(not sdk.STREAM_HAS_CLOSE, reason="none")
        ),
    ],
)
def test_a_tool_under_way_ends_unset_when_the_caller_leaves(
    client: Any, recording: Recording, how: Any, outcome: str
) -> None:
    stream = client.beta.conversations.start_stream(**with_defaults("tool_never_done", {}))
    assert [next(stream).event for _ in range(2)][1] == "tool.execution.started"
    if how == "close()":
        stream.close()
    elif how is None:
        with stream:
            pass
    elif how != "dropped":
        with pytest.raises(how), stream:
            raise how
    del stream
    _assert_left(recording, outcome)


@pytest.mark.parametrize("outcome", ["closed", "cancelled", "abandoned"])
def test_a_tool_under_way_ends_unset_when_an_async_caller_leaves(
    client: Any, recording: Recording, outcome: str
) -> None:
    async def read() -> None:
        url = client.sdk_configuration.server_url
        async with Mistral(api_key="key", server_url=url) as own:
            start = own.beta.conversations.start_stream_async
            stream = await start(**with_defaults("web_search", {}))
            await anext(stream)
            await anext(stream)
            if outcome == "closed":
                async with stream:
                    pass
            elif outcome == "cancelled":
                task = asyncio.ensure_future(anext(stream))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            del stream

    asyncio.run(read())
    _assert_left(recording, outcome)


def _assert_left(recording: Recording, outcome: str) -> None:
    parent, (search,) = family(recording)
    assert plain(search) == tool(parent)
    assert plain(parent).attributes[s.STREAM_OUTCOME] == outcome
    assert interval(search)[1] == interval(parent)[1]


# Each tool: its name and id, and which events began and ended it; None is the conversation's end.
TOLD: dict[str, list[tuple[str, str, int, int | None]]] = {
    "tools_interleaved": [("web_search", "tool_1", 1, 7), ("code_interpreter", "tool_2", 2, 8)],
    "tool_document_library": [("document_library", "tool_1", 1, 3)],
    "tool_never_done": [("web_search", "tool_1", 1, None)],
    "tool_done_only": [("web_search", "tool_1", 1, 1)],
    "tool_twice": [("web_search", "tool_1", 1, 2), ("web_search", "tool_1", 3, 4)],
    "tool_twice_nested": [("web_search", "tool_1", 1, 3), ("web_search", "tool_1", 2, 4)],
    "tools_200": [("web_search", f"tool_{n}", 2 * n + 1, 2 * n + 2) for n in range(200)],
}


@pytest.mark.parametrize("scenario", known(*TOLD))
@pytest.mark.parametrize("agent", [{}, {"agent": "ag_1"}], ids=["model", "agent"])
def test_tools_are_spans_between_the_times_of_their_events(
    client: Any, run: Run, recording: Recording, scenario: str, agent: dict[str, str]
) -> None:
    arguments = {"agent_id": "ag_1"} if agent else {}
    times = times_of(run(client, scenario, **arguments))
    parent, children = family(recording)
    seen = [(*interval(span), plain(span)) for span in children]
    expected = [
        (times[start], times[-1 if end is None else end], tool(parent, name, call, **agent))
        for name, call, start, end in TOLD[scenario]
    ]
    assert sorted(seen, key=repr) == sorted(expected, key=repr)
    assert interval(parent)[1] == times[-1]


def test_a_conversation_with_a_tool_is_two_whole_spans_and_a_duration(
    emulator: Emulator, client: Any, run: Run, recording: Recording
) -> None:
    times = times_of(run(client, "web_search"))
    parent, (search,) = family(recording)
    from_run = taken(parent, *FROM_THE_RUN, s.RESPONSE_CREATED_AT)
    assert plain(parent) == Span(
        f"chat {MODEL}",
        common(emulator)
        | from_run
        | {
            s.OPERATION_NAME: "chat",
            s.REQUEST_MODEL: MODEL,
            s.RESPONSE_ID: "msg_1",
            s.RESPONSE_MODEL: MODEL,
            s.RESPONSE_FINISH_REASONS: ["stop"],
            s.USAGE_INPUT_TOKENS: 142,
            s.USAGE_OUTPUT_TOKENS: 38,
            s.USAGE_TOTAL_TOKENS: 1204,
            s.USAGE_CONNECTOR_TOKENS: 1024,
            s.USAGE_CONNECTORS_WEB_SEARCH: 1,
            s.STREAM_OUTCOME: "completed",
        },
    )
    assert plain(search) == tool(parent)
    assert interval(search) == (times[1], times[2])
    measured = {s.TOOL_NAME: "web_search", s.TOOL_TYPE: "extension"}
    assert recording.metrics()[s.METRIC_TOOL_DURATION] == [
        (measured, (1, (times[2] - times[1]) / 1e9))
    ]


@pytest.mark.parametrize("hours", [-1, 1])
def test_tools_lie_where_they_ran_though_the_servers_clock_is_off(
    client: Any, run: Run, recording: Recording, hours: int
) -> None:
    off = {"x-emulator-clock-offset": str(hours * 3600)}
    times = times_of(run(client, "tool_twice", http_headers=off))
    parent, children = family(recording)
    shift = round(plain(parent).attributes[s.CLOCK_SHIFT] * 1e6)
    assert [plain(span) for span in children] == [tool(parent)] * 2
    for span, (start, end) in zip(children, ((1, 2), (3, 4)), strict=True):
        # Never after its arrival: an event that travelled faster than the first is that much early.
        for n, at in zip((start, end), interval(span), strict=True):
            assert 0 <= times[n] + shift - at < 100_000_000


def test_on_metrics_a_hundred_fit_names_of_tools_a_process_are_told_and_no_more(
    recording: Recording, no_log_records: list[logging.LogRecord]
) -> None:
    instruments = Instruments(recording.meter_provider.get_meter("test"), latest=False)
    unfit, fit = (
        ["", "a b", "a\n", "é", "x" * 65, "a/b"],
        [f"A-z_0.{n}" for n in range(99)] + ["x" * 64],
    )
    for name in (*unfit, *fit, "one_more", *fit[:2]):
        instruments.of_tool({s.TOOL_NAME: name}, None, 0.5, Context())()
    points = {told[s.TOOL_NAME]: n for told, (n, _) in recording.metrics()[s.METRIC_TOOL_DURATION]}
    assert points == {**dict.fromkeys(fit, 1), fit[0]: 2, fit[1]: 2, "_OTHER": 7}
    (line,) = no_log_records
    assert "100 different values of gen_ai.tool.name" in line.getMessage()
    no_log_records.clear()
