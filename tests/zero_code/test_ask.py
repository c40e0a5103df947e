# SPDX-License-Identifier: Apache-2.0
"""The example's script, run by the command of its README: all that arrives, and what does not."""

from __future__ import annotations

import shlex
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

import examples.zero_code.ask as ask_example
from tests.jaeger.server import needed_binary, run_jaeger
from tests.support.systems import needs_posix
from tests.zero_code.commands import environment, run, script_of
from tests.zero_code.expected import (
    ANSWERS,
    HTTP_SCOPE,
    RESOURCE,
    SCOPE,
    Expected,
    amounts,
    events,
    fixed,
    picture,
)

if TYPE_CHECKING:
    from emulator import Emulator
    from tests.zero_code.receiver import Receiver

pytestmark = needs_posix

_COLLECTOR = Path(__file__).with_name("collector.yaml")
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"


def ask(emulator: Emulator, endpoint: str, **variables: str) -> None:
    """Runs the script; whatever becomes of telemetry, it says what it says without."""
    script = script_of("A script", endpoint=endpoint)
    assert run(script, environment(emulator.url, **variables)) == (0, ANSWERS, "")


def assert_all_arrived(receiver: Receiver, emulator: Emulator) -> None:
    """Spans, points and log events, each whole, of one resource; nothing else is of our scope."""
    expected = Expected(urlsplit(emulator.url).port or 0)
    assert picture(receiver.spans) == expected.spans()
    by_name = sorted(amounts(receiver.points), key=repr)
    assert by_name == sorted(expected.points(), key=repr)
    first, _tool, second = sorted(receiver.spans_in(SCOPE[0]), key=lambda span: span.start)
    assert events(receiver.logs) == expected.logs(first, second)
    resources = [
        *(span.resource for span in receiver.spans),
        *(point.resource for point in receiver.points),
        *(log.resource for log in receiver.logs),
    ]
    assert all(resource == resources[0] for resource in resources)
    assert fixed(resources[0]) == RESOURCE
    # The HTTP client is instrumented as well: its spans are inside ours, request by request.
    parents = [span.parent_id for span in receiver.spans_in(HTTP_SCOPE)]
    assert parents == [first.span_id, second.span_id]


def test_spans_metrics_and_logs_arrive_in_a_receiver(
    emulator: Emulator, receiver: Receiver
) -> None:
    ask(emulator, receiver.url, **{_CONTENT: "event_only"})
    assert_all_arrived(receiver, emulator)


def test_they_arrive_in_jaeger_and_pass_through_its_collector(
    emulator: Emulator, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXT_RECEIVER", receiver.url)
    with run_jaeger(needed_binary(), tmp_path / "log", _COLLECTOR) as jaeger:
        ask(emulator, jaeger.otlp_url, **{_CONTENT: "event_only"})
        assert_all_arrived(receiver, emulator)
        sizes = Counter(span.trace_id for span in receiver.spans)
        shown = [jaeger.trace(trace_id, spans=size) for trace_id, size in sizes.items()]
    assert sorted(
        (span["spanID"], span["operationName"], trace["processes"]["p1"]["serviceName"])
        for trace in shown
        for span in trace["spans"]
    ) == sorted((span.span_id, span.name, "zero-code") for span in receiver.spans)


def test_disabled_by_its_name_it_alone_is_silent(emulator: Emulator, receiver: Receiver) -> None:
    ask(emulator, receiver.url, **{_CONTENT: "event_only", _DISABLED: "genai-mistralai"})
    assert [(span.scope[0], span.name) for span in receiver.spans] == [(HTTP_SCOPE, "POST")] * 2
    assert {point.scope[0] for point in receiver.points} == {HTTP_SCOPE}
    assert receiver.logs == []


def test_with_the_sdk_disabled_nothing_is_sent(emulator: Emulator, receiver: Receiver) -> None:
    ask(emulator, receiver.url, **{_CONTENT: "event_only", "OTEL_SDK_DISABLED": "true"})
    assert receiver.requests == 0


def test_with_a_key_it_needs_nothing_of_the_repository(emulator: Emulator, tmp_path: Path) -> None:
    # As in a container that has only the program: it imported the emulator at its top once.
    copy = shutil.copy(Path(ask_example.__file__), tmp_path)
    script = f"cd {shlex.quote(str(tmp_path))} && python {shlex.quote(str(copy))}"
    assert run(script, environment(emulator.url)) == (0, ANSWERS, "")
