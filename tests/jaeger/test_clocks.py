# SPDX-License-Identifier: Apache-2.0
"""Jaeger draws what it is given, and complains of what cannot be: of our spans it must not."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

import pytest

from tests.jaeger.expected import (
    MODEL,
    created_at,
    first_chunk,
    recorded,
    shown_as,
    since_epoch,
    tags_of,
)
from tests.jaeger.program import ids
from tests.support import names as s

if TYPE_CHECKING:
    from tests.jaeger.program import Program

HOUR = 3600


@pytest.mark.parametrize("offset", [HOUR, -HOUR])
def test_a_server_clock_that_is_an_hour_off_moves_nothing(program: Program, offset: int) -> None:
    with program.caller() as caller:
        events = program.converse(
            "start", "answer", clock_offset=offset, model=MODEL, inputs="Hello"
        )
    [span] = program.client_spans()
    shift = recorded(span, s.CLOCK_SHIFT)
    own = {
        s.OPERATION_NAME: ("string", "chat"),
        s.REQUEST_MODEL: ("string", MODEL),
        s.CONVERSATION_ID: ("string", events[0].data.conversation_id),
        s.RESPONSE_ID: ("string", "msg_1"),
        s.RESPONSE_MODEL: ("string", MODEL),
        s.RESPONSE_FINISH_REASONS: ("string", '["stop"]'),
        s.USAGE_INPUT_TOKENS: ("int64", 24),
        s.USAGE_OUTPUT_TOKENS: ("int64", 29),
        s.USAGE_TOTAL_TOKENS: ("int64", 53),
        s.STREAM_OUTCOME: ("string", "completed"),
        s.RESPONSE_CREATED_AT: ("string", created_at(events[-1]).isoformat()),
        s.CLOCK_SHIFT: ("float64", shift),
        **first_chunk(span),
    }
    tags = tags_of(program, own)
    shown = program.shown(span)
    assert shown == shown_as(span, f"chat {MODEL}", tags, caller=caller)
    # The shift is what the clock is off, and the moment that the first event was under way.
    assert 0 <= shift + offset * 1000 < 5000
    # Shifted, or clamped to an arrival that came before that: never later than createdAt says.
    server_end = since_epoch(created_at(events[-1])) + shift * 1000
    assert shown["startTime"] + shown["duration"] <= server_end
    assert program.warnings(ids(caller)[0]) == []


@pytest.mark.parametrize(
    ("scenario", "offset", "leave_after"),
    [
        ("web_search", HOUR, None),
        ("error_event", HOUR, None),
        ("error_event", -HOUR, None),
        ("answer", -HOUR, 3),
        ("answer", 0, 0),
    ],
)
def test_jaeger_has_nothing_to_complain_of(
    program: Program, scenario: str, offset: int, leave_after: int | None
) -> None:
    with program.caller() as caller:
        program.converse(
            "start",
            scenario,
            clock_offset=offset,
            leave_after=leave_after,
            model=MODEL,
            inputs="Hello",
        )
    assert len(program.client_spans()) == 1
    assert program.warnings(ids(caller)[0]) == []


def test_jaeger_complains_of_a_span_that_is_an_hour_off(program: Program) -> None:
    """Without this, the absence of warnings would prove nothing."""
    hour_ago = time_ns() - HOUR * 10**9
    with program.caller() as caller:
        program.tracer.start_span("early", start_time=hour_ago).end(hour_ago + 1000)
    [[warning]] = program.warnings(ids(caller)[0])
    assert warning.startswith("clock skew adjustment disabled; not applying calculated delta of 1h")
