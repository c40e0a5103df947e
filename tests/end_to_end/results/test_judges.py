# SPDX-License-Identifier: Apache-2.0
"""Judges: a span each, with the score or the label, and no word of what was judged."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import methods, sdk
from tests.support.completions import BOTH, Ask, assert_is, place
from tests.support.recording import Recording, Span

pytestmark = pytest.mark.skipif(sdk.VERSION < (3, 1), reason="the later of the two came with 3.1")
CONVERSATION: Final = "beta.observability.judges.judge_conversation"
RECORD: Final = "beta.observability.datasets.records.judge"
GIVEN: Final = {method: methods.GIVEN[method] for method in (CONVERSATION, RECORD)}
DURATION: Final = "gen_ai.client.operation.duration"


def told(emulator: Emulator, method: str) -> Span:
    named = {
        CONVERSATION: {"mistral_ai.judge.id": "judge_1"},
        RECORD: {"gen_ai.evaluation.name": "manners", "gen_ai.request.model": "m"},
    }
    name = "evaluate manners" if method == RECORD else "evaluate"
    return Span(name, {**place(emulator), "gen_ai.operation.name": "evaluate", **named[method]})


@BOTH
@pytest.mark.parametrize("method", GIVEN)
@pytest.mark.parametrize(
    ("scenario", "answer"),
    [
        ("judgement", {"gen_ai.evaluation.score.value": 0.75}),
        ("judgement_label", {"gen_ai.evaluation.score.label": "friendly"}),
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
    ((attributes, (count, _)),) = recording.metrics().pop(DURATION)
    model = {"gen_ai.request.model": "m"} if method == RECORD else {}
    shared = {**place(emulator), "gen_ai.operation.name": "evaluate", **model}
    assert (attributes, count) == (shared, 1)
    assert [*recording.metrics()] == [DURATION]
    assert "Hello" not in str(recording.span())


def test_with_capture_on_what_is_judged_and_the_analysis_are_messages(client: Any) -> None:
    recording = Recording()
    instrument(**recording.providers, capture_content="span_only")
    try:
        client.beta.observability.judges.judge_conversation(**GIVEN[CONVERSATION])
    finally:
        uninstrument()
    said = recording.span().attributes
    (asked,) = json.loads(said["gen_ai.input.messages"])
    (answered,) = json.loads(said["gen_ai.output.messages"])
    assert asked == {"role": "user", "parts": [{"type": "text", "content": "Hello?"}]}
    assert answered["parts"] == [{"type": "text", "content": "Hello is friendly"}]
