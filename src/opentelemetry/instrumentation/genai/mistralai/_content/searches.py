# SPDX-License-Identifier: Apache-2.0
"""Reads the content of a search: what is looked for, and the documents that are found.

Filters, and the metadata of documents, are not recorded: they are structures of the user's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from .. import _names as s
from .._reading.fields import fields_of, items_of, text
from .mode import Content, Part
from .parts import collect, text_part, word
from .structure import Clean


class Search(Content):
    """Holds the content of one search, which has no messages."""

    def __init__(self, query: list[Part]) -> None:
        super().__init__([], [], [])
        self._query = query

    def whole(
        self,
        output: list[tuple[list[Part], str | None]],
        told: Mapping[str, object],  # noqa: ARG002 -- a document has no finish reason
    ) -> dict[str, list[Part]]:
        """Returns the query and the documents by attribute name; the query gets room first."""
        documents = [document for parts, _ in output for document in parts]
        return {
            key: items
            for key, items in ((s.RETRIEVAL_QUERY, self._query), (s.RETRIEVAL_DOCUMENTS, documents))
            if items
        }


def search_content(kwargs: Mapping[str, Any], clean: Clean) -> Content:
    """Reads what a search looks for: a pattern, or the text of its retrievers."""
    retriever = fields_of(kwargs.get("retriever"))
    fused = (fields_of(each) for each in items_of(retriever.get("retrievers")))
    queries = (each.get("query") for each in (retriever, *fused))
    texts = map(text, (kwargs.get("pattern"), *queries))
    # Retrievers that are fused nearly always look for the same text: it is recorded once.
    parts = (text_part("text", query, clean) for query in dict.fromkeys(texts) if query)
    return Search([part for part in parts if part is not None])


def documents_of(hits: Sequence[object], clean: Clean) -> list[Part]:
    """Reads the documents that a search found, in the order in which they came."""

    def document(hit: object) -> list[Part]:
        fields = fields_of(hit)
        # What `grep` finds has no score, and is no more than the chunk itself.
        chunk, score = fields_of(fields.get("chunk", fields)), fields.get("score")
        made = {key: word(chunk.get(key), clean) for key in ("id", "source_id", "content")}
        known: Part = {key: value for key, value in made.items() if value is not None}
        # JSON has no NaN, and a viewer would not read the other documents either.
        if isinstance(score, float) and isfinite(score):
            known["score"] = score
        return [known]

    return collect(hits, document)
