# SPDX-License-Identifier: Apache-2.0
"""A conversation is found in Jaeger by what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.jaeger.expected import MODEL, recorded
from tests.jaeger.program import ids

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
    conversation_id = recorded(completed, "gen_ai.conversation.id")
    for tags, span in (
        ({"gen_ai.conversation.id": conversation_id}, completed),
        ({"mistral_ai.stream.outcome": "completed"}, completed),
        ({"mistral_ai.stream.outcome": "closed"}, left),
        ({"error.type": "429"}, failed),
        ({"gen_ai.request.model": MODEL, "http.response.status_code": "429"}, failed),
    ):
        found = jaeger.search(program.service, tags)
        assert [trace["traceID"] for trace in found] == [ids(span)[0]], tags
