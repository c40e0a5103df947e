# SPDX-License-Identifier: Apache-2.0
"""Judges: a span each, with the score or the label, and no word of what was judged."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import methods, sdk
from tests.support import names as s
from tests.support.completions import BOTH, Ask, assert_is, place
from tests.support.recording import Recording, Span

pytestmark = pytest.mark.skipif(sdk.VERSION < (3, 1), reason="the later of the two came with 3.1")
CONVERSATION: Final = "beta.observability.judges.judge_conversation"
RECORD: Final = "beta.observability.datasets.records.judge"
GIVEN: Final = {method: methods.GIVEN[method] for method in (CONVERSATION, RECORD)}


def told(emulator: Emulator, method: str) -> Span:
    named = {
        CONVERSATION: {s.JUDGE_ID: "judge_1"},
        RECORD: {s.EVALUATION_NAME: "manners", s.REQUEST_MODEL: "m"},
    }
    name = "evaluate manners" if method == RECORD else "evaluate"
    return Span(name, {**place(emulator), s.OPERATION_NAME: "evaluate", **named[method]})


@BOTH
@pytest.mark.parametrize("method", GIVEN)
@pytest.mark.parametrize(
    ("scenario", "answer"),
    [
        ("judgement", {s.EVALUATION_SCORE: 0.75}),
        ("judgement_label", {s.EVALUATION_LABEL: "friendly"}),
        ("judgement_prose", {}),
    ],
)
def test_a_judgement_is_one_whole_span(
    emulator: Emulator,
    client: Any,
    recording: Recording,
    ask: Ask,
    method: str,
    scenario: str,
    answer: dict[str, Any],
) -> None:
    ask(client, method, scenario, **GIVEN[method])
    expected = told(emulator, method)
    expected.attributes |= answer
    assert_is(recording.span(), expected)
    ((attributes, (count, _)),) = recording.metrics().pop(s.METRIC_DURATION)
    model = {s.REQUEST_MODEL: "m"} if method == RECORD else {}
    shared = {**place(emulator), s.OPERATION_NAME: "evaluate", **model}
    assert (attributes, count) == (shared, 1)
    assert [*recording.metrics()] == [s.METRIC_DURATION]
    assert "Hello" not in str(recording.span())


def test_with_capture_on_what_is_judged_and_the_analysis_are_messages(client: Any) -> None:
    recording = Recording()
    instrument(**recording.providers, capture_content="span_only")
    try:
        client.beta.observability.judges.judge_conversation(**GIVEN[CONVERSATION])
    finally:
        uninstrument()
    said = recording.span().attributes
    (asked,) = json.loads(said[s.INPUT_MESSAGES])
    (answered,) = json.loads(said[s.OUTPUT_MESSAGES])
    assert asked == {"role": "user", "parts": [{"type": "text", "content": "Hello?"}]}
    assert answered["parts"] == [{"type": "text", "content": "Hello is friendly"}]
