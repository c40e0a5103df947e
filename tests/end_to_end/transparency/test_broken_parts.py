# SPDX-License-Identifier: Apache-2.0
"""Providers, hooks and results that misbehave: the call goes on, and no span stays open."""

from __future__ import annotations

import importlib
import logging
from typing import Any
from unittest.mock import MagicMock

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider

from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import names as s
from tests.support import sdk
from tests.support.conversations import read_sync, with_defaults
from tests.support.recording import Recording, wait_until

Records = list[logging.LogRecord]


class Raising:
    """A provider of which every part raises."""

    def __bool__(self) -> bool:
        raise ValueError("no truth in it")

    def get_tracer(self, *_args: Any, **_kwargs: Any) -> Any:
        raise ValueError("no tracer")

    get_meter = get_logger = get_tracer


def kinds(records: Records) -> list[str]:
    """What was logged, without the place; taken from the list."""
    said = [record.getMessage().partition(" at ")[0] for record in records]
    records.clear()
    return said


@pytest.mark.parametrize("which", ["tracer_provider", "meter_provider", "logger_provider"])
def test_a_provider_that_raises_changes_nothing_for_the_caller(
    client: Any, no_log_records: Records, which: str
) -> None:
    made = Recording()
    providers: dict[str, Any] = {**made.providers, which: Raising()}
    instrument(**providers)
    try:
        assert len(read_sync(client, "agent")) == 4
        with pytest.raises(Exception, match="429"):
            read_sync(client, "http_429")
    finally:
        uninstrument()
    assert len(made.finished()) == made.started == (0 if which == "tracer_provider" else 2)
    no_log_records.clear()


def test_a_meter_that_raises_leaves_no_tools_span_open(
    client: Any, no_log_records: Records
) -> None:
    made = Recording()
    providers: dict[str, Any] = {**made.providers, "meter_provider": Raising()}
    instrument(**providers)
    try:
        read_sync(client, "web_search")
    finally:
        uninstrument()
    assert len(made.finished()) == made.started == 2
    no_log_records.clear()


def test_a_provider_whose_name_means_nothing_leaves_the_others(
    client: Any, no_log_records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_PYTHON_LOGGER_PROVIDER", "nonsense")
    made = Recording()
    instrument(tracer_provider=made.tracer_provider, meter_provider=made.meter_provider)
    try:
        for _ in range(2):
            assert len(read_sync(client, "agent")) == 4
    finally:
        uninstrument()
    assert len(made.finished()) == made.started == 2
    # OpenTelemetry's own line, and ours, once.
    first, ours = kinds(no_log_records)
    assert first.startswith("Failed to load configured provider")
    assert ours == "telemetry failed (find a provider): StopIteration"


def test_a_logger_that_raises_costs_neither_the_counters_nor_the_end(
    client: Any, no_log_records: Records
) -> None:
    made = Recording()
    providers: dict[str, Any] = {**made.providers, "logger_provider": Raising()}
    instrument(**providers)
    try:
        with pytest.raises(Exception, match="429"):
            read_sync(client, "http_429")
    finally:
        uninstrument()
    assert made.span().description == "429"
    assert made.span().events == ["exception"]
    assert s.METRIC_DURATION in made.metrics()
    assert kinds(no_log_records) == ["telemetry failed (end a call): ValueError"]


def test_a_request_hook_that_exits_leaves_no_span_open_and_none_current(
    client: Any, recording: Recording
) -> None:
    def leave(*_args: Any) -> None:
        raise SystemExit(3)

    instrument(request_hook=leave)
    before = trace.get_current_span()
    with pytest.raises(SystemExit):
        read_sync(client, "agent")
    assert trace.get_current_span() is before
    assert recording.span().status == "UNSET"


def test_a_response_hook_that_exits_does_not_stop_the_thread_that_ends_dropped_streams(
    client: Any, recording: Recording, no_log_records: Records
) -> None:
    def leave(*_args: Any) -> None:
        raise SystemExit(3)

    instrument(response_hook=leave)
    for count in (1, 2):
        client.beta.conversations.start_stream(**with_defaults("agent", {}))
        wait_until(lambda count=count: len(recording.finished()) == count)  # type: ignore[misc]
    assert kinds(no_log_records) == ["telemetry failed (end an open call): SystemExit"]


def test_a_result_that_only_looks_like_a_stream_ends_its_span(
    client: Any, recording: Recording, no_log_records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_class = importlib.import_module(sdk.EVENTSTREAMING).EventStream
    mock = MagicMock(spec=stream_class)
    uninstrument()
    conversations: Any = importlib.import_module(sdk.CONVERSATIONS).Conversations

    def start_stream(*_args: Any, **_kwargs: Any) -> Any:
        return mock

    monkeypatch.setattr(conversations, "start_stream", start_stream)
    instrument(**recording.providers)
    assert client.beta.conversations.start_stream(model="m", inputs="Hello?") is mock
    assert s.STREAM_OUTCOME not in recording.span().attributes
    uninstrument()
    assert len(no_log_records) == 1
    no_log_records.clear()


def test_an_exit_with_nonsense_arguments_is_the_sdks_to_judge(
    client: Any, recording: Recording, no_log_records: Records
) -> None:
    stream = client.beta.conversations.start_stream(**with_defaults("agent", {}))
    stream.__exit__("nonsense", None, None)
    del stream
    assert recording.the_span() is not None
    assert kinds(no_log_records) == ["telemetry failed (leave a stream): TypeError"]


def test_an_exception_without_a_module_is_still_an_error(
    client: Any, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere: Any = type("Nowhere", (Exception,), {"__module__": None, "status_code": 10**30})

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise nowhere

    monkeypatch.setattr(client.sdk_configuration.client, "send", fail)
    with pytest.raises(nowhere):
        read_sync(client, "agent")
    assert recording.span().description == "None.Nowhere"


def test_a_meter_provider_of_the_sdk_alone_is_enough(client: Any) -> None:
    made = Recording()
    instrument(meter_provider=made.meter_provider)
    try:
        read_sync(client, "agent")
    finally:
        uninstrument()
    assert isinstance(made.meter_provider, MeterProvider)
    counted = made.metrics()[s.METRIC_INPUT_TOKENS]
    assert [value for _, value in counted] == [5]
