# SPDX-License-Identifier: Apache-2.0
"""A conversation is found in Jaeger by what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.jaeger.expected import MODEL, recorded
from tests.jaeger.program import ids
from tests.support import names as s

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.jaeger.program import Program
    from tests.jaeger.server import Jaeger


def three_traces(program: Program) -> tuple[ReadableSpan, ReadableSpan, ReadableSpan]:
    """One that completes, one that the caller leaves, one that the server refuses."""
    program.converse("start", "answer", model=MODEL, inputs="Hello")
    program.converse("start", "answer", leave_after=3, model=MODEL, inputs="Hello")
    with pytest.raises(Exception, match="Status 429"):
        program.converse("start", "http_429", model=MODEL, inputs="Hello")
    completed, left, failed = program.client_spans()
    return completed, left, failed


def test_a_search_finds_just_the_trace_that_has_the_tag(program: Program, jaeger: Jaeger) -> None:
    completed, left, failed = three_traces(program)
    conversation_id = recorded(completed, s.CONVERSATION_ID)
    for tags, span in (
        ({s.CONVERSATION_ID: conversation_id}, completed),
        ({s.STREAM_OUTCOME: "completed"}, completed),
        ({s.STREAM_OUTCOME: "closed"}, left),
        ({s.ERROR_TYPE: "429"}, failed),
        ({s.REQUEST_MODEL: MODEL, s.HTTP_STATUS_CODE: "429"}, failed),
    ):
        found = jaeger.search(program.service, tags)
        assert [trace["traceID"] for trace in found] == [ids(span)[0]], tags


def test_a_conversations_id_finds_all_its_turns(program: Program, jaeger: Jaeger) -> None:
    started = program.converse("start", "web_search", model=MODEL, inputs="Hello")
    conversation_id = started[0].data.conversation_id
    program.converse("append", "answer", conversation_id=conversation_id, inputs="And?")
    program.converse("start", "answer", model=MODEL, inputs="Another one")
    first, second, _ = (ids(span)[0] for span in program.client_spans())
    for trace_id in (first, second):
        program.trace(trace_id)  # until it is there
    found = jaeger.search(program.service, {s.CONVERSATION_ID: conversation_id})
    assert {trace["traceID"] for trace in found} == {first, second}


def test_an_error_inside_a_conversation_is_found_by_its_type(
    program: Program, jaeger: Jaeger
) -> None:
    program.converse("start", "answer", model=MODEL, inputs="Hello")
    program.converse("start", "tool_error_event", model=MODEL, inputs="Hello")
    _, failed = program.client_spans()
    for tags in (
        {s.ERROR_TYPE: "500"},
        {s.ERROR_TYPE: "500", s.TOOL_NAME: "web_search"},
        {s.STREAM_OUTCOME: "failed"},
    ):
        found = jaeger.search(program.service, tags)
        assert [trace["traceID"] for trace in found] == [ids(failed)[0]], tags
