# SPDX-License-Identifier: Apache-2.0
"""Whole spans of searches in an index, and what is recorded of the words in them.

Before SDK 3.7 the same methods are `beta.rag.managed_indexes`.
"""

from __future__ import annotations

import importlib
import json
import logging
from typing import Any, Final

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument
from tests.support import methods, sdk
from tests.support import names as s
from tests.support.completions import BOTH, Ask, ask_sync, assert_is, named, place
from tests.support.other_calls import SINCE
from tests.support.recording import Recording, Span
from tests.support.telling import TELLING, everything

SEARCH: Final = f"{methods.INDEXES}.search"
GREP: Final = f"{methods.INDEXES}.grep"
NEAREST: Final[dict[str, Any]] = {
    "type": "nearest_neighbour",
    "top_k": 3,
    "query": "When is it open?",
}
KEYWORD: Final[dict[str, Any]] = {"type": "keyword", "query": "When is it open?"}
FOUND: Final[list[dict[str, Any]]] = [
    {
        "id": "chunk_1",
        "source_id": "doc_1",
        "content": "Opening hours are from nine to five.",
        "score": 0.92,
    },
    {
        "id": "chunk_2",
        "source_id": "doc_2",
        "content": "On Sundays nobody is there.",
        "score": 0.5,
    },
]
KIB: Final = 1024

pytestmark = pytest.mark.skipif(
    SINCE[SEARCH] > sdk.VERSION, reason=f"{SEARCH} came with {SINCE[SEARCH]}"
)

greps = pytest.mark.skipif(SINCE[GREP] > sdk.VERSION, reason=f"{GREP} came with {SINCE[GREP]}")

fuses = pytest.mark.skipif(sdk.VERSION < (3,), reason="no retriever fuses others before 3.0")


def search(client: Any, retriever: Any = NEAREST, ask: Ask = ask_sync, **more: Any) -> Any:
    return ask(client, SEARCH, **{"index_name": "docs", "retriever": retriever, **more})


def grep(client: Any, ask: Ask = ask_sync) -> Any:
    return ask(client, GREP, index_name="docs", source_id="doc_1", pattern="Sundays", top_k=3)


def told(emulator: Emulator, count: int | None = 2, **more: Any) -> dict[str, Any]:
    known = {s.RETRIEVAL_COUNT: count} if count is not None else {}
    return {
        **place(emulator),
        s.OPERATION_NAME: "retrieval",
        s.DATA_SOURCE_ID: "docs",
        s.REQUEST_TOP_K: 3,
        s.RETRIEVAL_TOP_K: 3,
        **known,
        **more,
    }


@BOTH
def test_a_search_is_one_whole_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask
) -> None:
    found = search(client, ask=ask)
    assert [hit.chunk.id for hit in found.hits] == ["chunk_1", "chunk_2"]
    assert_is(recording.span(), Span("retrieval docs", told(emulator)))
    # With neither tokens nor content there is no log event.
    assert recording.logs() == []


def test_a_hook_gets_the_response_that_the_caller_gets(client: Any, recording: Recording) -> None:
    seen: list[Any] = []
    instrument(response_hook=lambda _, response: seen.append(response))
    found = search(client)
    assert recording.spans()
    (response,) = seen
    assert response is found


@BOTH
def test_a_search_that_finds_nothing_says_so(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask
) -> None:
    instrument(capture_content="span_only")
    search(client, ask=ask, scenario="search_empty")
    expected = told(emulator, 0, **{s.RETRIEVAL_QUERY: NEAREST["query"]})
    assert_is(recording.span(), Span("retrieval docs", expected))


@BOTH
@pytest.mark.parametrize("capture", ["no_content", "span_only"])
def test_a_search_that_is_refused(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, capture: str
) -> None:
    instrument(capture_content=capture)
    with pytest.raises(Exception, match="When is it open"):
        search(client, ask=ask, scenario="http_400")
    error: dict[str, Any] = {
        s.ERROR_TYPE: "400",
        s.HTTP_STATUS_CODE: 400,
        s.ERROR_CODE: "3001",
    }
    asked = {s.RETRIEVAL_QUERY: NEAREST["query"]} if capture == "span_only" else {}
    expected = told(emulator, None, **error, **asked)
    span = Span("retrieval docs", expected, "CLIENT", "ERROR", "400", None, ["exception"])
    assert_is(recording.span(), span)


@BOTH
@pytest.mark.parametrize("typed", [False, True], ids=["dict", "model"])
def test_with_capture_on_query_and_documents_are_on_the_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, *, typed: bool
) -> None:
    models = importlib.import_module(f"{sdk.ROOT}.models")
    instrument(capture_content="span_only")
    retriever = models.NearestNeighbourRetriever(**NEAREST) if typed else NEAREST
    search(client, retriever, ask)
    span = recording.span()
    assert json.loads(span.attributes.pop(s.RETRIEVAL_DOCUMENTS)) == FOUND
    assert_is(span, Span("retrieval docs", told(emulator, **{s.RETRIEVAL_QUERY: NEAREST["query"]})))


@pytest.mark.parametrize(
    ("retriever", "query"),
    [
        (KEYWORD, "When is it open?"),
        pytest.param({"type": "rrf", "retrievers": [KEYWORD, NEAREST]}, "When is it open?",
                     marks=fuses),
        pytest.param({"type": "rrf", "retrievers": [KEYWORD, {**NEAREST, "query": "hours"}]},
                     "When is it open?\nhours", marks=fuses),
        ({"type": "nearest_neighbour", "query_embedding": [0.1, 0.2]}, None),
    ],
    ids=["keyword", "the same twice", "two", "a vector"],
)  # fmt: skip
def test_the_query_is_the_text_of_the_retriever_or_of_those_that_it_fuses(
    client: Any, recording: Recording, retriever: Any, query: str | None
) -> None:
    instrument(capture_content="span_only")
    search(client, retriever)
    attributes = recording.span().attributes
    assert attributes.get(s.RETRIEVAL_QUERY) == query
    # What the request does not say is not recorded.
    assert s.RETRIEVAL_TOP_K not in attributes


@pytest.mark.parametrize("mode", ["no_content", "event_only"])
def test_no_word_of_a_search_is_in_any_signal_unless_spans_may_have_it(
    client: Any, recording: Recording, no_log_records: list[logging.LogRecord], mode: str
) -> None:
    instrument(capture_content=mode)
    value = {"type": "equal", "field": f"{TELLING}-field", "value": f"{TELLING}-value"}
    search(client, {**KEYWORD, "query": f"{TELLING}-query", "filter_": value})
    recorded = everything(recording, no_log_records)
    for word in (TELLING, "Opening hours", "chunk_1", "doc_1", "somebody"):
        assert word not in recorded


def test_query_and_documents_pass_redact_and_filters_are_not_recorded(
    client: Any, recording: Recording, no_log_records: list[logging.LogRecord]
) -> None:
    shown: list[str] = []

    def redact(text: str) -> str:
        shown.append(text)
        return text.replace(TELLING, "[redacted]").replace("Sundays", "[day]")

    instrument(capture_content="span_only", redact=redact)
    value = {"type": "equal", "field": f"{TELLING}-field", "value": f"{TELLING}-value"}
    search(client, {**KEYWORD, "query": f"{TELLING}-query", "filter_": value})
    attributes = recording.span().attributes
    assert attributes[s.RETRIEVAL_QUERY] == "[redacted]-query"
    contents = [document["content"] for document in json.loads(attributes[s.RETRIEVAL_DOCUMENTS])]
    assert contents == [FOUND[0]["content"], "On [day] nobody is there."]
    assert {document[key] for document in FOUND for key in ("id", "source_id")} <= set(shown)
    recorded = everything(recording, no_log_records)
    for word in (TELLING, "Sundays", "somebody"):
        assert word not in recorded


def test_a_redact_that_fails_drops_the_texts_and_keeps_the_number(
    client: Any, recording: Recording, no_log_records: list[logging.LogRecord]
) -> None:
    def redact(text: str) -> str:
        raise ValueError(text)

    instrument(capture_content="span_only", redact=redact)
    assert search(client).hits
    attributes = recording.span().attributes
    assert s.RETRIEVAL_QUERY not in attributes
    assert json.loads(attributes[s.RETRIEVAL_DOCUMENTS]) == [{"score": 0.92}, {"score": 0.5}]
    assert attributes[s.RETRIEVAL_COUNT] == 2
    (record,) = no_log_records
    assert record.getMessage().startswith("telemetry failed (redact): ValueError at ")
    no_log_records.clear()


@fuses
def test_a_long_query_and_many_long_documents_are_cut_visibly(
    client: Any, recording: Recording
) -> None:
    instrument(capture_content="span_only", redact=lambda text: text * (2 * KIB))
    queries = [{**KEYWORD, "query": f"{n}{'q' * 60}"} for n in range(12)]
    search(client, {"type": "rrf", "retrievers": queries})
    attributes = recording.span().attributes
    # Seven texts of 64 KiB have room, and neither the eighth nor a document.
    assert 7 * 64 * KIB < len(attributes[s.RETRIEVAL_QUERY].encode()) <= 512 * KIB
    assert attributes[s.RETRIEVAL_QUERY].count("…[cut]") == 8
    assert json.loads(attributes[s.RETRIEVAL_DOCUMENTS]) == [{"id": "…[cut]"}]


def test_long_documents_are_cut_visibly(client: Any, recording: Recording) -> None:
    instrument(capture_content="span_only", redact=lambda text: text + "x" * (65 * KIB))
    search(client)
    documents = json.loads(recording.span().attributes[s.RETRIEVAL_DOCUMENTS])
    assert [len(document["content"].encode()) for document in documents] == [64 * KIB] * 2
    assert all(document["content"].endswith("…[cut]") for document in documents)


@greps
@BOTH
@pytest.mark.parametrize("capture", ["no_content", "span_only"])
def test_a_grep_is_one_whole_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, capture: str
) -> None:
    instrument(capture_content=capture)
    found = grep(client, ask)
    assert [chunk.id for chunk in found.chunks] == ["chunk_2"]
    span = recording.span()
    content = {
        key: span.attributes.pop(key)
        for key in (s.RETRIEVAL_QUERY, s.RETRIEVAL_DOCUMENTS)
        if key in span.attributes
    }
    assert_is(span, Span("retrieval docs", told(emulator, 1)))
    if capture == "no_content":
        assert content == {}
    else:
        assert content[s.RETRIEVAL_QUERY] == "Sundays"
        (chunk,) = json.loads(content[s.RETRIEVAL_DOCUMENTS])
        assert chunk == {"id": "chunk_2", "source_id": "doc_1", "content": FOUND[1]["content"]}


@greps
def test_a_grep_passes_redact(
    client: Any, recording: Recording, no_log_records: list[logging.LogRecord]
) -> None:
    instrument(capture_content="span_only", redact=lambda text: text.replace("Sundays", "[day]"))
    grep(client)
    attributes = recording.span().attributes
    assert attributes[s.RETRIEVAL_QUERY] == "[day]"
    assert "On [day] nobody is there." in attributes[s.RETRIEVAL_DOCUMENTS]
    assert "Sundays" not in everything(recording, no_log_records)


def test_managing_an_index_has_no_span(client: Any, recording: Recording) -> None:
    with pytest.raises(Exception, match="Not Found"):
        named(client, f"{methods.INDEXES}.get")(index_name="docs")
    assert recording.spans() == []
