# SPDX-License-Identifier: Apache-2.0
"""What is looked for and what is found, in whatever shape it comes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._content.cleaning import cut
from opentelemetry.instrumentation.genai.mistralai._content.mode import on_span
from opentelemetry.instrumentation.genai.mistralai._content.searches import (
    documents_of,
    search_content,
)
from tests.support import names as s


@pytest.mark.parametrize(
    ("retriever", "query"),
    [
        ({"query": "a"}, "a"),
        (SimpleNamespace(query="a"), "a"),
        (SimpleNamespace(retrievers=(SimpleNamespace(query="b"), {"query": "a"})), "b\na"),
        ({"query": "a", "retrievers": [{"query": "a"}, {"query": 7}, None, "c"]}, "a"),
        ({"retrievers": iter([{"query": "a"}])}, None),
        (None, None),
        ("a", None),
    ],
)
def test_what_is_looked_for(retriever: Any, query: str | None) -> None:
    whole = search_content({"retriever": retriever}, cut).whole([], {})
    assert {key: on_span(key, items) for key, items in whole.items()} == (
        {} if query is None else {s.RETRIEVAL_QUERY: query}
    )


@pytest.mark.parametrize("score", [None, "0.9", float("nan"), float("inf"), True])
def test_a_score_that_json_does_not_have_is_left_out(score: object) -> None:
    hits = [{"chunk": {"id": "a", "content": "b"}, "score": score}, None, 7, {"chunk": {"id": 7}}]
    assert documents_of(hits, cut) == [{"id": "a", "content": "b"}, {}, {}, {}]
