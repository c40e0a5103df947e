# SPDX-License-Identifier: Apache-2.0
"""What the options do to calls: None takes out, variables decide, and nobody listening is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry import metrics, trace

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import (
    MistralAIInstrumentor,
    instrument,
    uninstrument,
)
from opentelemetry.instrumentation.genai.mistralai import _log as _guard
from opentelemetry.instrumentation.genai.mistralai._otel.telemetry import Switch
from tests.support import names as s
from tests.support.content import CONTENT, INPUT, content
from tests.support.conversations import Run, read_sync
from tests.support.programs import run as run_program
from tests.support.recording import Recording

EMIT = "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"
METRIC_NAMES = "OTEL_INSTRUMENTATION_GENAI_MISTRALAI_METRIC_NAMES"
INSIDE = "OTEL_INSTRUMENTATION_GENAI_MISTRALAI_INSIDE_INFERENCE"
SWITCHES = pytest.mark.parametrize(
    "switch", [instrument, MistralAIInstrumentor().instrument], ids=["function", "instrumentor"]
)


@SWITCHES
def test_none_takes_a_hook_redact_and_providers_out_again(
    client: Any, run: Run, recording: Recording, switch: Any
) -> None:
    seen: list[str] = []

    def on_request(_span: Any, _kwargs: Mapping[str, Any]) -> None:
        seen.append("request")

    def on_response(_span: Any, _result: Any) -> None:
        seen.append("response")

    def redact(_text: str) -> str:
        return "[-]"

    switch(
        capture_content="span_only",
        redact=redact,
        request_hook=on_request,
        response_hook=on_response,
    )
    run(client, "agent")
    switch(request_hook=None)
    run(client, "agent")
    switch(response_hook=None, redact=None)
    run(client, "agent")
    assert seen == ["request", "response", "response"]
    words = [content(span)[INPUT][0]["parts"][0]["content"] for span in recording.spans()]
    assert words == ["[-]", "[-]", "Hello?"]
    other = Recording()
    switch(**other.providers)
    run(client, "agent")
    assert (recording.started, other.started) == (3, 1)
    switch(tracer_provider=None, meter_provider=None, logger_provider=None)
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    assert type(metrics.get_meter_provider()).__module__.startswith("opentelemetry.metrics")
    run(client, "agent")
    assert (recording.started, other.started) == (3, 1)


@SWITCHES
@pytest.mark.parametrize("name", ["redact", "request_hook", "response_hook"])
def test_a_hook_that_could_not_be_called_is_refused_before_anything_is_patched(
    client: Any, name: str, switch: Any
) -> None:
    async def hook(*_args: Any) -> None:
        """Would never be awaited."""

    def nothing() -> None:
        """Takes nothing."""

    methods: Any = type(client.beta.conversations).__dict__
    method = methods["start_stream"]
    for wrong in (hook, nothing):
        with pytest.raises(TypeError, match=rf"^{name} must .*{name}\("):
            switch(**{name: wrong})
    assert Switch.telemetry is None
    assert methods["start_stream"] is method


@pytest.mark.parametrize(
    ("given", "value", "name"),
    [
        ("latest", None, s.METRIC_LATEST_DURATION),
        ("v1.41", "latest", s.METRIC_DURATION),
        (None, "latest", s.METRIC_LATEST_DURATION),
        (None, None, s.METRIC_DURATION),
        (None, "V1.41", s.METRIC_DURATION),
    ],
)
@pytest.mark.parametrize("opted_in", ["gen_ai_latest_experimental", "http,gen_ai", ""])
def test_the_argument_the_variable_and_nothing_else_name_the_metrics(
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
    given: Any,
    value: str | None,
    name: str,
    opted_in: str,
) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", opted_in)
    if value is not None:
        monkeypatch.setenv(METRIC_NAMES, value)
    recording = Recording()
    instrument(**recording.providers, metric_names=given)
    try:
        read_sync(client, "answer")
    finally:
        uninstrument()
    assert recording.metrics().keys() & {s.METRIC_DURATION, s.METRIC_LATEST_DURATION} == {name}


@pytest.mark.parametrize(
    ("given", "value", "adopts"),
    [(None, None, True), (None, "record", False), ("adopt", "record", True), ("record", "", False)],
)
def test_the_argument_or_the_variable_says_what_becomes_of_a_call_inside_a_call(
    monkeypatch: pytest.MonkeyPatch, given: Any, value: str | None, *, adopts: bool
) -> None:
    if value is not None:
        monkeypatch.setenv(INSIDE, value)
    instrument(inside_inference=given)
    try:
        assert Switch.telemetry is not None
        assert Switch.telemetry.adopts is adopts
    finally:
        uninstrument()


@pytest.mark.parametrize("mode", ["no_content", "span_only", "event_only", "span_and_event"])
@pytest.mark.parametrize("value", ["true", "FALSE", ""])
def test_the_variable_says_whether_there_is_an_event_and_the_mode_what_it_says(
    client: Any, monkeypatch: pytest.MonkeyPatch, mode: str, value: str
) -> None:
    monkeypatch.setenv(EMIT, value)
    recording = Recording()
    instrument(**recording.providers, capture_content=mode)
    try:
        read_sync(client, "answer")
    finally:
        uninstrument()
    span = recording.the_span()
    logs = recording.logs()
    emitted = value == "true" or (not value and "event" in mode)
    assert [log.event_name for log in logs] == [s.DETAILS_EVENT] * emitted
    assert (content(span) != {}) == ("span" in mode)
    for log in logs:
        told: Any = dict(log.attributes or {})
        assert (INPUT in told) == ("event" in mode)
        named = {key: value for key, value in told.items() if key not in CONTENT}
        assert named.keys() == {key for key in (span.attributes or {}) if key not in CONTENT}


# Nobody listens

SAID = "nothing is recorded: mistralai is instrumented, but no OpenTelemetry provider is set"


def test_nobody_listening_is_one_line_at_the_first_call(emulator: Emulator) -> None:
    source = """
        import logging
        class Keeps(logging.Handler):
            def emit(self, record):
                emit([record.levelname, record.name, record.getMessage()])
        logging.basicConfig(level=logging.INFO, handlers=[Keeps()])
        logging.getLogger("httpx").setLevel(logging.WARNING)
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        instrument()
        emit("on")
        for _ in range(3):
            list(start())
        instrument(record_chunk_times=True)
        list(start())
        uninstrument()
        list(start())
        emit("again")
        instrument()
        asyncio.run(idle.aclose())
        list(start())
        list(start())
    """
    ran = run_program(source, emulator.url)
    assert (ran.code, ran.stderr) == (0, "")
    name = "opentelemetry.instrumentation.genai.mistralai"
    lines = [
        line if isinstance(line, str) else [*line[:2], line[2][: len(SAID)]] for line in ran.lines
    ]
    assert lines == ["on", ["INFO", name, SAID], "again", ["INFO", name, SAID]]


def test_somebody_who_listens_is_told_nothing(
    client: Any, run: Run, recording: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "opentelemetry.instrumentation.genai.mistralai")
    run(client, "agent")
    assert recording.started == 1
    assert [record for record in caplog.records if record.getMessage().startswith("nothing")] == []


def test_the_line_costs_a_later_call_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_guard, "_reported", set[tuple[str, str]]())
    caplog.set_level(logging.INFO, "opentelemetry.instrumentation.genai.mistralai")
    instrument()
    try:
        telemetry: Any = Switch.telemetry
        telemetry.look_for_listeners()
        monkeypatch.setattr(_guard, "inform_once", None)
        for _ in range(3):
            telemetry.look_for_listeners()
            assert not telemetry.listened_to
    finally:
        uninstrument()
    assert [record.getMessage()[: len(SAID)] for record in caplog.records] == [SAID]
