# SPDX-License-Identifier: Apache-2.0
"""Usage: which counts are usable, what is said of the others, and what reaches the span."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentelemetry.instrumentation.genai.mistralai._reading.conversions import count
from opentelemetry.instrumentation.genai.mistralai._reading.counts import connector_counts
from opentelemetry.instrumentation.genai.mistralai._recording.ending import read_usage
from tests.support import names as s
from tests.support.fake_events import (
    UNSET,
    Event,
    Usage,
    delta,
    done,
    rejected,
    server,
    started,
)
from tests.support.fakes import Ended, Story, counts_of, typed

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.lists(st.none()),
)


def read(source: object) -> tuple[object, ...]:
    """Input, output, total and connector tokens, and connectors."""
    return counts_of(read_usage(source))


def described(source: object) -> dict[str, object]:
    usage = read_usage(source)
    return {**usage.counts, **connector_counts(usage.connectors)}


@pytest.mark.parametrize(
    "unusable", [-1, 10**12 + 1, 10**30, True, "7", "the user's words", 7.0, float("nan"), [7]]
)
def test_an_unusable_count_is_dropped_with_one_line_that_does_not_repeat_it(
    unusable: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert count(unusable) is None
    kind = type(unusable).__name__
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", f"dropped an unusable count of type {kind}")
    ]


@pytest.mark.parametrize("absent", [None, UNSET])
def test_what_was_not_sent_is_no_news(absent: object, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert count(absent) is None
    assert caplog.records == []


@pytest.mark.parametrize("falsy", [False, 0.0, ""])
def test_a_falsy_value_is_not_a_count_of_zero(falsy: object) -> None:
    assert count(falsy) is None


@pytest.mark.parametrize("usable", [0, 1, 10**12])
def test_a_usable_count_is_kept(usable: int) -> None:
    assert typed({"n": count(usable)}) == typed({"n": usable})


@pytest.mark.parametrize("source", [None, UNSET, 7, "usage", [], {}, object()])
def test_what_is_no_usage_reports_nothing(source: object) -> None:
    assert read(source) == (None, None, None, None, {})


def test_the_models_default_zeros_are_reported() -> None:
    assert read(Usage()) == (0, 0, 0, None, {})


def test_explicit_nulls_are_not_reported() -> None:
    assert read(Usage(None, None, None, None, None)) == (None, None, None, None, {})


@pytest.mark.parametrize("connectors", [None, UNSET, "web_search", ["web_search"], 3])
def test_connectors_that_are_no_mapping_are_not_reported(connectors: object) -> None:
    assert read(Usage(1, 2, 3, 4, connectors)) == (1, 2, 3, 4, {})


def test_one_unusable_count_does_not_take_the_others_with_it() -> None:
    usage = Usage(-1, 2, "3", 10**13, {"web_search": 1, "image": -1, "code": True, 5: 5})
    assert read(usage) == (None, 2, None, None, {"web_search": 1})


def test_the_raw_json_of_a_rejected_event_is_read_as_it_is() -> None:
    raw = {"prompt_tokens": 10, "completion_tokens": "7", "connectors": {"web_search": 2}}
    assert read(raw) == (10, None, None, None, {"web_search": 2})


def test_connector_tokens_are_beside_the_input_tokens_and_never_inside() -> None:
    usage = Usage(10, 20, 95, 65, {"web_search": 1, "document_library": 0})
    assert typed(described(usage)) == typed(
        {
            s.USAGE_INPUT_TOKENS: 10,
            s.USAGE_OUTPUT_TOKENS: 20,
            s.USAGE_TOTAL_TOKENS: 95,
            s.USAGE_CONNECTOR_TOKENS: 65,
            s.USAGE_CONNECTORS_WEB_SEARCH: 1,
            s.USAGE_CONNECTORS_DOCUMENT_LIBRARY: 0,
        }
    )


def test_zero_is_an_attribute_and_nothing_is_none() -> None:
    assert described({"prompt_tokens": 0}) == {s.USAGE_INPUT_TOKENS: 0}
    assert described({}) == {}


@pytest.mark.parametrize("name", ["", "a b", "naïve", "a\n", "a/b", "x" * 65])
def test_an_unfit_connector_name_is_no_attribute(name: str) -> None:
    usage = {"connectors": {name: 1, "fit.Name-1_x": 2}}
    assert described(usage) == {f"{s.USAGE_CONNECTORS}fit.Name-1_x": 2}


def test_at_most_32_connectors_reach_the_span_and_unfit_names_take_no_place() -> None:
    unfit = {f"un fit {n}": n for n in range(40)}
    fit = {f"fit_{n}": n for n in range(40)}
    assert described({"connectors": {**unfit, **fit}}) == {
        f"{s.USAGE_CONNECTORS}fit_{n}": n for n in range(32)
    }


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "prompt_tokens": ANYTHING,
            "completion_tokens": ANYTHING,
            "total_tokens": ANYTHING,
            "connector_tokens": ANYTHING,
            "connectors": ANYTHING | st.dictionaries(st.text() | st.integers(), ANYTHING),
        },
    )
)
def test_whatever_is_sent_every_attribute_is_a_usable_count(source: dict[str, object]) -> None:
    attributes = described(source)
    assert all(
        isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= 10**12
        for n in attributes.values()
    )


def test_a_rejected_done_event_is_read_from_the_apis_own_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = Story(monkeypatch)
    story.receives((0.2, rejected("conversation.response.started", conversation_id="conv_1")))
    raw: dict[str, object] = {"prompt_tokens": 10, "completion_tokens": None, "connectors": 7}
    at = server(0.5).isoformat().replace("+00:00", "Z")
    last = rejected("conversation.response.done", usage=raw, created_at=at)
    story.receives((0.6, last))
    attributes: dict[str, object] = {
        s.CONVERSATION_ID: "conv_1",
        s.RESPONSE_FINISH_REASONS: ["stop"],
        s.USAGE_INPUT_TOKENS: 10,
        s.RESPONSE_CREATED_AT: server(0.5).isoformat(),
        s.STREAM_OUTCOME: "completed",
    }
    usage = (10, None, None, None, dict[str, int]())
    assert story.call.endings == [Ended(0.5, "completed", attributes, usage, closing=last)]


def test_a_done_event_that_was_named_a_piece_of_a_message_does_not_hide_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The SDK tells events apart by the type inside, and does not compare it with the name.
    story = Story(monkeypatch)
    misnamed = Event("message.output.delta", done(0.3).data)
    last = done(0.4, usage=Usage(3, 4, 7))
    story.receives((0.1, started(0.1)), (0.2, delta(0.2)), (0.3, misnamed), (0.4, last))
    (ended,) = story.call.endings
    assert (ended.outcome, ended.at, ended.usage[:2]) == ("completed", 0.4, (3, 4))
