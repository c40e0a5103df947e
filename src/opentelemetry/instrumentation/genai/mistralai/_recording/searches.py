# SPDX-License-Identifier: Apache-2.0
"""Records the search of an index: how many documents it found and, if that is asked, which."""

from __future__ import annotations

from typing import Any, cast

from .. import _names as s
from .._content.searches import documents_of
from .._content.structure import Clean
from .._reading.fields import fields_of
from .ending import Ending
from .open_call import OpenCall
from .recorder import Recorder


class SearchRecorder(Recorder):
    """Records one search, which is never streamed."""

    __slots__ = ("_hits",)

    def __init__(self, call: OpenCall) -> None:
        super().__init__(call)
        # This is None if the response has no list of hits: 0 would say that nothing was found.
        self._hits: list[object] | None = None

    def on_response(self, response: Any) -> None:
        """Takes in the response, and ends the call with it."""
        self._whole, self._unheard, fields = True, response, fields_of(response)
        hits = fields.get("hits", fields.get("chunks"))
        self._hits = cast("list[object]", hits) if isinstance(hits, list) else None
        self.end(Ending(closing=response), self._call.now())

    def conclude(self, ending: Ending, at: int) -> int:
        """Adds the number of hits to the ending."""
        if self._hits is not None:
            ending.attributes[s.RETRIEVAL_COUNT] = len(self._hits)
        return at

    def say(self, ending: Ending, clean: Clean) -> None:
        """Moves the documents into the ending."""
        ending.output = [(documents_of(self._hits or (), clean), None)]
