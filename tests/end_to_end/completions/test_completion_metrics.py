# SPDX-License-Identifier: Apache-2.0
"""All metrics of everything that is no conversation, with all their attributes, in both modes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import names as s
from tests.support import sdk
from tests.support.completions import (
    KEEPS_EXTRA_USAGE,
    MESSAGES,
    MODEL,
    ask_sync,
    place,
)
from tests.support.methods import AUDIO, CLASSIFIED, GIVEN, INDEXES, PAPER
from tests.support.other_calls import ASKED, EMBED, HEAR_STREAM, RESPOND, SINCE, SPEAK, STREAM
from tests.support.recording import Recording

UNKNOWN: Final = {s.TOKEN_MODALITY: "unknown"}
OUTCOME: Final = {s.STREAM_OUTCOME: "completed"}
# Of an operation, in each mode: its duration, time to first chunk, and tokens in and out.
Names = tuple[str, str, str, str]
DEFAULT: Final[Names] = (
    s.METRIC_DURATION,
    s.METRIC_FIRST_CHUNK,
    s.METRIC_TOKEN_USAGE,
    s.METRIC_TOKEN_USAGE,
)
LATEST: Final[Names] = (
    s.METRIC_LATEST_DURATION,
    s.METRIC_LATEST_FIRST_CHUNK,
    s.METRIC_LATEST_INPUT_TOKENS,
    s.METRIC_LATEST_OUTPUT_TOKENS,
)


@pytest.fixture(params=["default", "latest"])
def mode(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Recording, Names]]:
    """The plugin, switched on in each mode, and the names that inference has there."""
    if request.param == "latest":
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_MISTRALAI_METRIC_NAMES", "latest")
    made = Recording()
    instrument(**made.providers)
    yield made, LATEST if request.param == "latest" else DEFAULT
    uninstrument()


def shared(emulator: Emulator, operation: str, asked: str | None, said: str | None) -> Any:
    models = {s.REQUEST_MODEL: asked, s.RESPONSE_MODEL: said}
    known = {key: value for key, value in models.items() if value is not None}
    return {**place(emulator), s.OPERATION_NAME: operation, **known}


def seconds(recording: Recording) -> tuple[float, Any]:
    """The duration of the only span, and its time to first chunk."""
    span = recording.the_span()
    took = ((span.end_time or 0) - (span.start_time or 0)) / 1e9
    return took, (span.attributes or {}).get(s.RESPONSE_TIME_TO_FIRST_CHUNK)


def inference(
    recording: Recording, names: Names, attributes: Any, prompt: int, completion: int
) -> dict[str, Any]:
    """What is recorded of an inference that went well; of a stream, if it has a first chunk."""
    duration, first_chunk = seconds(recording)
    whole = attributes if first_chunk is None else {**attributes, **OUTCOME}
    counted = {**attributes, **UNKNOWN}
    expected: dict[str, Any] = {
        s.METRIC_INPUT_TOKENS: [(counted, prompt)],
        s.METRIC_OUTPUT_TOKENS: [(counted, completion)],
        names[0]: [(whole, (1, duration))],
    }
    if first_chunk is not None:
        expected[names[1]] = [(attributes, (1, first_chunk))]
    for name, kind, count in ((names[2], "input", prompt), (names[3], "output", completion)):
        kinds = {s.TOKEN_TYPE: kind} if names == DEFAULT else {}
        expected.setdefault(name, []).append(({**attributes, **kinds}, (1, count)))
    return expected


INFERENCES: Final[list[tuple[str, str, dict[str, Any], tuple[int, int]]]] = [
    ("chat.complete", "chat", {}, (14, 9)),
    ("chat.stream", "chat", {}, (14, 9)),
    ("agents.complete", "invoke_agent", {}, (14, 9)),
    ("agents.stream", "invoke_agent", {}, (14, 9)),
    ("fim.complete", "text_completion", {}, (11, 16)),
    ("fim.stream", "text_completion", {}, (11, 16)),
    (HEAR_STREAM, "generate_content", {"model": "m", "file": AUDIO}, (4, 8)),
    (SPEAK, "generate_content", ASKED | STREAM, (6, 25)),
]


@pytest.mark.parametrize(("method", "operation", "given", "used"), INFERENCES)
def test_an_inference_has_all_metrics(
    emulator: Emulator,
    client: Any,
    mode: tuple[Recording, Names],
    method: str,
    operation: str,
    given: dict[str, Any],
    used: tuple[int, int],
) -> None:
    if SINCE.get(method, (0,)) > sdk.VERSION:
        pytest.skip(f"{method} came with {SINCE[method]}")
    recording, names = mode
    ask_sync(client, method, **given)
    said = recording.span().attributes
    asked, answered = said.get(s.REQUEST_MODEL), said.get(s.RESPONSE_MODEL)
    assert (asked is None, answered is None) == (False, method == SPEAK)
    # An agent's model is named by the response, and on the span alone.
    models = None if operation == "invoke_agent" else asked, answered
    attributes = shared(emulator, operation, *models)
    assert recording.metrics() == inference(recording, names, attributes, *used)


def test_embeddings_have_counters_and_the_duration_of_an_operation(
    emulator: Emulator, client: Any, mode: tuple[Recording, Names]
) -> None:
    recording, names = mode
    ask_sync(client, "embeddings.create", **EMBED)
    attributes = shared(emulator, "embeddings", "m", "m")
    counted = {**attributes, **UNKNOWN}
    expected: dict[str, Any] = {
        s.METRIC_INPUT_TOKENS: [(counted, 12)],
        s.METRIC_OUTPUT_TOKENS: [(counted, 0)],
        DEFAULT[0]: [(attributes, (1, seconds(recording)[0]))],
    }
    if names == DEFAULT:
        expected[names[2]] = [({**attributes, s.TOKEN_TYPE: "input"}, (1, 12))]
    assert recording.metrics() == expected


TIMED: Final[list[tuple[str, str, dict[str, Any], str | None]]] = [
    ("classifiers.moderate", "moderation", {"model": "m", "inputs": "Hello"}, "m"),
    ("classifiers.moderate_chat", "moderation", {"model": "m", "inputs": MESSAGES}, "m"),
    ("classifiers.classify", "classification", {"model": "m", "inputs": "Hello"}, "m"),
    ("classifiers.classify_chat", "classification",
     {"model": "m", CLASSIFIED: {"messages": MESSAGES}}, "m"),
    ("ocr.process", "generate_content", {"model": "m", "document": PAPER}, "m"),
    ("beta.agents.create", "create_agent", {"model": "m", "name": "writer"}, None),
    *((f"{INDEXES}.{name}", "retrieval", GIVEN[f"{INDEXES}.{name}"], None)
      for name in ("search", "grep")),
]  # fmt: skip


@pytest.mark.parametrize(("method", "operation", "given", "said"), TIMED)
def test_what_reports_no_tokens_has_a_duration_only(
    emulator: Emulator,
    client: Any,
    mode: tuple[Recording, Names],
    method: str,
    operation: str,
    given: dict[str, Any],
    said: str | None,
) -> None:
    if SINCE.get(method, (0,)) > sdk.VERSION:
        pytest.skip(f"{method} came with {SINCE[method]}")
    recording, _ = mode
    ask_sync(client, method, **given)
    attributes = shared(emulator, operation, given.get("model"), said)
    assert recording.metrics() == {DEFAULT[0]: [(attributes, (1, seconds(recording)[0]))]}


def test_an_inference_that_failed_counts_no_tokens_and_others_count_none_at_all(
    emulator: Emulator, client: Any, mode: tuple[Recording, Names]
) -> None:
    recording, names = mode
    for method, given in (("fim.complete", {}), ("ocr.process", {"model": "m", "document": PAPER})):
        with pytest.raises(Exception, match="429"):
            ask_sync(client, method, "http_429", **given)
    metrics = recording.metrics()
    code = {**shared(emulator, "text_completion", "codestral-latest", None)}
    paper = shared(emulator, "generate_content", "m", None)
    assert {
        metrics.pop(s.METRIC_INPUT_TOKENS)[0][1],
        metrics.pop(s.METRIC_OUTPUT_TOKENS)[0][1],
    } == {0}
    failed = {s.ERROR_TYPE: "429"}
    found = {name: [attributes for attributes, _ in metrics[name]] for name in metrics}
    if names == DEFAULT:
        assert found == {names[0]: [{**code, **failed}, {**paper, **failed}]}
    else:
        assert found == {names[0]: [{**code, **failed}], DEFAULT[0]: [{**paper, **failed}]}


def test_cached_and_reasoning_tokens_have_counters(
    emulator: Emulator, client: Any, mode: tuple[Recording, Names]
) -> None:
    recording, names = mode
    ask_sync(client, "chat.stream", "chat_cached")
    attributes = shared(emulator, "chat", MODEL, MODEL)
    expected = inference(recording, names, attributes, 2048, 120)
    if KEEPS_EXTRA_USAGE:
        counted = {**attributes, **UNKNOWN}
        expected[s.METRIC_CACHE_READ] = [(counted, 1920)]
        expected[s.METRIC_REASONING] = [(counted, 96)]
    assert recording.metrics() == expected


@pytest.mark.skipif(SINCE[RESPOND] > sdk.VERSION, reason="responses came with 3.4")
def test_a_response_counts_what_was_written_to_the_cache(
    emulator: Emulator, client: Any, mode: tuple[Recording, Names]
) -> None:
    recording, names = mode
    ask_sync(client, RESPOND, **ASKED)
    attributes = shared(emulator, "chat", "m", "m")
    counted = {**attributes, **UNKNOWN}
    assert recording.metrics() == {
        **inference(recording, names, attributes, 1500, 90),
        s.METRIC_CACHE_READ: [(counted, 1024)],
        s.METRIC_CACHE_WRITE: [(counted, 256)],
        s.METRIC_REASONING: [(counted, 64)],
    }


def test_chunk_times_are_recorded_when_asked_for(client: Any, recording: Recording) -> None:
    instrument(record_chunk_times=True)
    ask_sync(client, "chat.stream")
    ((_, (count, total)),) = recording.metrics()[s.METRIC_CHUNK]
    assert (count, 0 < total < 5) == (3, True)
