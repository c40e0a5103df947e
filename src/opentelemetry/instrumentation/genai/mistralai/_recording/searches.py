# SPDX-License-Identifier: Apache-2.0
"""Records the search of an index: how many documents it found and, if that is asked, which."""

from __future__ import annotations

from typing import cast

from .. import _names as s
from .._content.searches import documents_of
from .._content.structure import Clean
from .._reading.fields import Fields
from .completions import CompletionRecorder
from .ending import Ending
from .recorder import OpenCall


class SearchRecorder(CompletionRecorder):
    """Records one search, which is never streamed."""

    __slots__ = ("_hits",)

    def __init__(self, call: OpenCall) -> None:
        super().__init__(call)
        # This is None if the response has no list of hits: 0 would say that nothing was found.
        self._hits: list[object] | None = None

    def on_completion(self, data: Fields, field: str) -> None:  # noqa: ARG002 -- interface
        """Reads the hits of a response."""
        hits = data.get("hits", data.get("chunks"))
        self._hits = cast("list[object]", hits) if isinstance(hits, list) else None

    def conclude(self, ending: Ending, at: int) -> int:
        """Adds the number of hits to the ending."""
        at = super().conclude(ending, at)
        if self._hits is not None:
            ending.attributes[s.RETRIEVAL_COUNT] = len(self._hits)
        return at

    def say(self, ending: Ending, clean: Clean) -> None:
        """Moves the documents into the ending."""
        ending.output = [(documents_of(self._hits or (), clean), None)]
