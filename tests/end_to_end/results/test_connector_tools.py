# SPDX-License-Identifier: Apache-2.0
"""Tools of connectors that the caller calls: a span each, its duration, the caller's warning."""

from __future__ import annotations

import inspect
import warnings
from typing import Any, Final

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import methods, sdk
from tests.support import names as s
from tests.support.completions import BOTH, Ask, ask_sync, assert_is, place
from tests.support.recording import Recording, Span

pytestmark = pytest.mark.skipif(sdk.VERSION < (2,), reason="connectors came with 2.0")
METHOD: Final = "beta.connectors.call_tool"
GIVEN: Final = methods.GIVEN[METHOD]
TOOL: Final = {s.TOOL_NAME: "look_up", s.TOOL_TYPE: "extension"}


def told(emulator: Emulator) -> dict[str, Any]:
    return {
        **place(emulator),
        **TOOL,
        s.OPERATION_NAME: "execute_tool",
        s.CONNECTOR_NAME: "books",
    }


@BOTH
def test_a_tool_is_one_whole_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask
) -> None:
    ask(client, METHOD, **GIVEN, arguments={"of": "Ada"})
    assert_is(recording.span(), Span("execute_tool look_up", told(emulator)))
    took = recording.the_span()
    seconds = ((took.end_time or 0) - (took.start_time or 0)) / 1e9
    assert recording.metrics() == {s.METRIC_TOOL_DURATION: [(TOOL, (1, seconds))]}


def test_a_tool_that_failed_is_an_error_although_the_request_went_well(
    emulator: Emulator, client: Any, recording: Recording
) -> None:
    ask_sync(client, METHOD, "connector_tool_failed", **GIVEN)
    expected = told(emulator) | {s.ERROR_TYPE: "tool_error"}
    assert_is(
        recording.span(),
        Span(
            "execute_tool look_up", expected, status="ERROR", description="tool_error",
        ),
    )  # fmt: skip
    ((attributes, _),) = recording.metrics()[s.METRIC_TOOL_DURATION]
    assert attributes == {**TOOL, s.ERROR_TYPE: "tool_error"}


def test_with_capture_on_arguments_and_result_are_on_the_span(client: Any) -> None:
    recording = Recording()
    instrument(**recording.providers, capture_content="span_only", redact=lambda text: text.lower())
    try:
        ask_sync(client, METHOD, **GIVEN, arguments={"of": "Ada"})
    finally:
        uninstrument()
    said = recording.span().attributes
    assert said[s.TOOL_CALL_ARGUMENTS] == '{"of": "ada"}'
    assert said[s.TOOL_CALL_RESULT] == "hello world"


def test_content_for_events_alone_stays_off_the_span(client: Any) -> None:
    recording = Recording()
    instrument(**recording.providers, capture_content="event_only")
    try:
        ask_sync(client, METHOD, **GIVEN, arguments={"of": "Ada"})
    finally:
        uninstrument()
    assert not [key for key in recording.span().attributes if "tool.call" in key]
    assert recording.logs() == []


@pytest.mark.skipif(sdk.VERSION < (3,), reason="not deprecated before")
def test_the_deprecation_is_blamed_on_the_callers_line(client: Any, recording: Recording) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = (frame := inspect.currentframe()) and frame.f_lineno + 1
        client.beta.connectors.call_tool(**GIVEN)
    (warning,) = [one for one in caught if issubclass(one.category, DeprecationWarning)]
    assert (warning.filename, warning.lineno) == (__file__, line)
    assert len(recording.spans()) == 1
