# SPDX-License-Identifier: Apache-2.0
"""The official OpenAI instrumentation and this one, in one process, under the same variables."""

from __future__ import annotations

import importlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

from emulator import Emulator, serve
from opentelemetry.instrumentation.genai.mistralai import _log as _guard
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.family.openai_server import serving
from tests.support import names as s
from tests.support.recording import Recording, wait_until
from tests.support.sdk import Mistral

openai: Any = importlib.import_module("openai")
official: Any = importlib.import_module("opentelemetry.instrumentation.genai.openai")

PREFIX: Final = "OTEL_INSTRUMENTATION_GENAI_"
CAPTURE, EMIT = f"{PREFIX}CAPTURE_MESSAGE_CONTENT", f"{PREFIX}EMIT_EVENT"
HOOK, PATH = f"{PREFIX}COMPLETION_HOOK", f"{PREFIX}UPLOAD_BASE_PATH"
OPT_IN: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
CONTENT: Final = (s.INPUT_MESSAGES, s.OUTPUT_MESSAGES, s.SYSTEM_INSTRUCTIONS,
                  s.TOOL_DEFINITIONS)  # fmt: skip
REFS: Final = (s.INPUT_MESSAGES_REF, s.OUTPUT_MESSAGES_REF, s.SYSTEM_INSTRUCTIONS_REF,
               s.TOOL_DEFINITIONS_REF)  # fmt: skip
# Ours count tokens besides, under names that nobody else has.
SHARED: Final = frozenset({
    s.METRIC_DURATION, s.METRIC_TOKEN_USAGE, s.METRIC_FIRST_CHUNK, s.METRIC_LATEST_DURATION,
    s.METRIC_LATEST_INPUT_TOKENS, s.METRIC_LATEST_OUTPUT_TOKENS, s.METRIC_LATEST_FIRST_CHUNK,
})  # fmt: skip
MESSAGES: Final = [
    {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"},
]  # fmt: skip
ADD: Final[dict[str, Any]] = {"name": "add", "parameters": {}}
TOOLS: Final[list[dict[str, Any]]] = [{"type": "function", "function": ADD}]
ASKED: Final[dict[str, Any]] = {"messages": MESSAGES, "tools": TOOLS}


@dataclass
class Seen:
    """What one instrumentation did."""

    spans: int
    on_span: set[str]
    events: list[str | None]
    on_event: set[str]
    refs_on_span: set[str]
    refs_on_event: set[str]
    files: dict[str, Any]
    metrics: set[str]
    warned: bool


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with serve() as running:
        yield running


@pytest.fixture(scope="module")
def openai_url() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What was logged; no variable of the family is set."""
    monkeypatch.setattr(_guard, "_reported", set[tuple[str, str]]())
    for name in os.environ:
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    caplog.set_level(logging.WARNING)
    return caplog


@pytest.fixture(params=[False, True], ids=["response", "stream"])
def both(
    request: pytest.FixtureRequest, emulator: Emulator, openai_url: str, log: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:  # fmt: skip
    """Sets variables, calls both SDKs under both instrumentations, and tells what each did."""
    streamed = bool(request.param)

    def observe(inside: Any = nullcontext, **variables: str) -> tuple[Seen, Seen]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        theirs, ours = Recording(), Recording()
        instrumentor = official.OpenAIInstrumentor()
        instrumentor.instrument(**theirs.providers)
        instrument(**ours.providers)
        try:
            with inside():
                ask_openai(openai_url, streamed=streamed)
                ask_mistral(emulator.url, streamed=streamed)
        finally:
            uninstrument()
            instrumentor.uninstrument()
        return seen(theirs, log, "util.genai"), seen(ours, log, "genai.mistralai")

    return observe


def ask_openai(url: str, *, streamed: bool) -> None:
    with openai.OpenAI(api_key="key", base_url=url, max_retries=0) as client:
        answer = client.chat.completions.create(model="gpt-1", stream=streamed, **ASKED)
        assert not streamed or len(list(answer)) == 2


def ask_mistral(url: str, *, streamed: bool) -> None:
    with Mistral(api_key="key", server_url=url) as client:
        method = client.chat.stream if streamed else client.chat.complete
        answer: Any = method(model="mistral-small-latest", **ASKED)
        assert not streamed or list(answer)


def seen(recording: Recording, log: Any, logger: str) -> Seen:
    spans = recording.spans()
    logs = [record for record in recording.logs() if record.event_name == s.DETAILS_EVENT]
    on_spans: set[str] = {key for span in spans for key in span.attributes or {}}
    on_events: set[str] = {key for record in logs for key in record.attributes or {}}
    refs = {k: v for span in spans for k, v in (span.attributes or {}).items() if k in REFS}
    return Seen(
        spans=len(spans),
        on_span=on_spans & {*CONTENT},
        events=[record.event_name for record in logs],
        on_event=on_events & {*CONTENT},
        refs_on_span=on_spans & {*REFS},
        refs_on_event=on_events & {*REFS},
        files={key: shape(str(ref)) for key, ref in refs.items()},
        metrics=set(recording.metrics()) & SHARED,
        warned=any(
            logger in record.name and (PREFIX in record.getMessage() or HOOK in record.getMessage())
            for record in log.records
        ),
    )


def shape(reference: str) -> Any:
    """Of an uploaded file, the roles of messages and the types of parts."""
    file = Path(reference.removeprefix("file://"))
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
    told: list[dict[str, Any]] = json.loads(file.read_text())
    return [
        (item.get("role"), [part["type"] for part in item["parts"]]) if "parts" in item
        else (item["type"], sorted(item))
        for item in told
    ]  # fmt: skip


def compare(pair: tuple[Seen, Seen]) -> Seen:
    """Asserts that both did the same; returns what."""
    theirs, ours = pair
    same = {field.name for field in fields(Seen)} - {"metrics"}
    assert {name: getattr(ours, name) for name in same} == {
        name: getattr(theirs, name) for name in same
    }
    # Each metric that the official one has we have under the same name.
    assert ours.metrics >= theirs.metrics
    return ours


MODES: Final = ["no_content", "span_only", "event_only", "span_and_event"]
VALUES: Final = [
    *MODES, "SPAN_ONLY", "Event_Only", " span_and_event ", "true", "TRUE", "false", "1", "span",
    "span_only,event_only", "", "   ", "ключ",
]  # fmt: skip


@pytest.mark.parametrize("value", [None, *VALUES])
def test_capture_content_means_the_same(both: Any, value: str | None) -> None:
    did = compare(both() if value is None else both(**{CAPTURE: value}))
    known = (value or "").strip().lower()
    assert did.spans == 1
    assert bool(did.on_span) == (known in ("span_only", "span_and_event"))
    assert bool(did.on_event) == (known in ("event_only", "span_and_event"))
    assert did.warned == (known not in (*MODES, ""))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("value", ["true", "True", " TRUE ", "false", "FALSE", "1", "yes", "", " "])
def test_emit_event_means_the_same(both: Any, mode: str, value: str) -> None:
    did = compare(both(**{CAPTURE: mode, EMIT: value}))
    said = value.strip().lower()
    emitted = "event" in mode if said not in ("true", "false") else said == "true"
    # The event of an exception is ours alone, and none is raised here.
    assert did.events == [s.DETAILS_EVENT] * emitted
    assert did.warned == (said in ("1", "yes"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("emit", ["true", "false", None])
def test_upload_does_the_same(both: Any, tmp_path: Path, mode: str, emit: str | None) -> None:
    variables = {HOOK: "upload", PATH: str(tmp_path), CAPTURE: mode}
    did = compare(both(**(variables if emit is None else {**variables, EMIT: emit})))
    kinds = {s.INPUT_MESSAGES_REF, s.OUTPUT_MESSAGES_REF, s.TOOL_DEFINITIONS_REF}
    assert did.refs_on_span == kinds
    assert did.refs_on_event == (kinds if did.events else set())
    assert did.files.keys() == kinds
    assert bool(did.on_span) == ("span" in mode)


@pytest.mark.parametrize("name", ["uplaod", "UPLOAD", "none", "", "upload"])
def test_a_hook_that_there_is_not_is_the_same(both: Any, log: Any, name: str) -> None:
    theirs, ours = both(**{HOOK: name})
    # `upload` has no path here. Both have it loaded by util-genai, which warns each of them.
    assert [record.name.startswith("opentelemetry.util.genai") for record in log.records] == (
        [True, True] if name else []
    )
    theirs.warned = ours.warned = False
    did = compare((theirs, ours))
    assert (did.spans, did.refs_on_span, did.files) == (1, set(), {})


OPTED_IN: Final = ["gen_ai_latest_experimental", "http,gen_ai_latest_experimental", "gen_ai", ""]


@pytest.mark.parametrize("value", OPTED_IN)
def test_the_opt_in_changes_nothing_in_either(both: Any, value: str) -> None:
    theirs, ours = both(**{OPT_IN: value})
    compare((theirs, ours))
    for did in (theirs, ours):
        assert s.METRIC_DURATION in did.metrics
        assert not [name for name in did.metrics if "inference" in name]


def test_suppression_is_heeded_by_us_alone(both: Any) -> None:
    # The official one of 1.3b0 records all the same; ours keeps OpenTelemetry's word.
    theirs, ours = both(suppress_instrumentation)
    assert theirs.spans == 1
    assert (ours.spans, ours.events, ours.metrics) == (0, [], set())


WARNING = """
import importlib, sys
from opentelemetry.instrumentation.genai.mistralai import instrument
importlib.import_module("opentelemetry.instrumentation.genai.openai").OpenAIInstrumentor().instrument()
instrument()
"""


@pytest.mark.parametrize(("variable", "value"), [(CAPTURE, "true"), (HOOK, "uplaod")])
def test_warnings_are_seen_where_no_logging_is_configured(variable: str, value: str) -> None:
    done = subprocess.run(  # noqa: S603 -- a program of ours
        [sys.executable, "-c", WARNING],
        env={**{k: v for k, v in os.environ.items() if "OTEL_" not in k}, variable: value},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    lines = done.stderr.splitlines()
    assert len(lines) >= 2
    assert all(variable in line and value in line for line in lines)
