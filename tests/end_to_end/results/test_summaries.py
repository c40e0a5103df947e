# SPDX-License-Identifier: Apache-2.0
"""Summaries of an index, the SDK's third class of streams: a span each, however they end."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
from typing import Any, Final

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import methods, sdk
from tests.support import names as s
from tests.support.completions import BOTH, Ask, assert_is, place
from tests.support.recording import Recording, Span

pytestmark = pytest.mark.skipif(sdk.VERSION < (3, 7), reason="it was elsewhere before")
METHOD: Final = "beta.context.search_indexes.generate_index_summary"


def given(scenario: str = "index_summary") -> dict[str, Any]:
    return {**methods.GIVEN[METHOD], "http_headers": {"x-emulator-scenario": scenario}}


def ask_for(client: Any, scenario: str = "index_summary") -> Any:
    return client.beta.context.search_indexes.generate_index_summary(**given(scenario))


@BOTH
def test_a_summary_is_one_whole_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask
) -> None:
    pieces = ask(client, METHOD, **methods.GIVEN[METHOD])
    assert [getattr(piece, "content", None) for piece in pieces] == [None, "Hello ", "world"]
    span = recording.span()
    first = span.attributes.pop(s.RESPONSE_TIME_TO_FIRST_CHUNK)
    took = recording.the_span()
    # The first piece tells of the summary, and is none of it.
    assert 0.01 <= first <= ((took.end_time or 0) - (took.start_time or 0)) / 1e9
    shared = {**place(emulator), s.OPERATION_NAME: "generate_content"}
    expected = {
        **shared,
        s.REQUEST_STREAM: True,
        s.OUTPUT_TYPE: "text",
        s.DATA_SOURCE_ID: "books",
        s.STREAM_OUTCOME: "completed",
    }
    assert_is(span, Span("generate_content", expected))
    metrics = recording.metrics()
    duration, first_chunk = (
        s.METRIC_DURATION,
        s.METRIC_FIRST_CHUNK,
    )
    assert metrics.keys() == {duration, first_chunk}
    assert metrics[first_chunk] == [(shared, (1, first))]
    assert metrics[duration][0][0] == {**shared, s.STREAM_OUTCOME: "completed"}


def test_a_summary_that_is_left_is_closed(client: Any, recording: Recording) -> None:
    with ask_for(client) as stream:
        next(stream)
    assert recording.span().attributes[s.STREAM_OUTCOME] == "closed"


def test_a_summary_that_is_left_by_an_async_caller_is_closed(
    emulator: Emulator, recording: Recording
) -> None:
    async def go() -> None:
        async with sdk.Mistral("key", server_url=emulator.url) as client:
            indexes = client.beta.context.search_indexes
            async with await indexes.generate_index_summary_async(**given()) as stream:
                await stream.__anext__()

    asyncio.run(go())
    assert recording.span().attributes[s.STREAM_OUTCOME] == "closed"


@pytest.mark.parametrize("read", [0, 1])
def test_a_summary_that_is_dropped_is_abandoned(
    client: Any, recording: Recording, read: int
) -> None:
    stream = ask_for(client)
    for _ in range(read):
        next(stream)
    stream.response.close()
    del stream
    gc.collect()
    assert recording.span().attributes[s.STREAM_OUTCOME] == "abandoned"


def test_an_error_in_a_summary_is_an_error_without_its_words(
    client: Any, recording: Recording
) -> None:
    pieces = list(ask_for(client, "index_summary_error"))
    assert pieces[-1].error == "Hello is not here"
    span = recording.span()
    assert (span.status, span.attributes[s.ERROR_TYPE], span.attributes[s.STREAM_OUTCOME]) == (
        "ERROR", "_OTHER", "failed",
    )  # fmt: skip
    assert "Hello" not in str(span)


def test_a_connection_that_breaks_is_an_error(client: Any, recording: Recording) -> None:
    with pytest.raises(sdk.httpx.RemoteProtocolError):
        list(ask_for(client, "index_summary_cut"))
    span = recording.span()
    assert span.attributes[s.ERROR_TYPE] == f"{sdk.HTTP}.RemoteProtocolError"
    assert span.attributes[s.STREAM_OUTCOME] == "failed"


def test_a_stream_that_is_open_when_we_are_switched_off_still_learns_that_it_is_left(
    client: Any,
) -> None:
    made = Recording()
    instrument(**made.providers)
    with ask_for(client) as stream:
        next(stream)
        uninstrument()
    assert made.span().attributes[s.STREAM_OUTCOME] == "closed"
    instrument()
    uninstrument()
    jsonl: Any = importlib.import_module(f"{sdk.ROOT}.utils.jsonl")
    assert not hasattr(jsonl.JsonLStream.__exit__, "__wrapped__")


def test_with_capture_on_the_summary_is_one_message(client: Any) -> None:
    recording = Recording()
    instrument(**recording.providers, capture_content="span_only")
    try:
        list(ask_for(client))
    finally:
        uninstrument()
    (answered,) = json.loads(recording.span().attributes[s.OUTPUT_MESSAGES])
    assert answered == {
        "role": "assistant",
        "parts": [{"type": "text", "content": "Hello world"}],
        "finish_reason": "stop",
    }
