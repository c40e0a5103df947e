# SPDX-License-Identifier: Apache-2.0
"""Describes what a recorder needs of its call, and where it reports what it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .._content.structure import Clean
from .._reading.requests import Request
from .ending import Ending

if TYPE_CHECKING:
    from .steps import Step


class Wanted(Protocol):
    """Describes what the user has switched on, as far as recorders ask."""

    record_chunk_times: bool
    """Whether each output chunk's time is recorded."""
    content_on_spans: bool
    """Whether spans may carry content."""


class OpenCall(Protocol):
    """Describes an open call as its recorder sees it: the request, the time, where reports go."""

    request: Request
    started: int
    """The span's start, ns since the epoch."""

    @property
    def telemetry(self) -> Wanted:
        """Returns what the user wants recorded."""
        ...

    @property
    def clean(self) -> Clean | None:
        """Returns the function that cleans a text; None while content is not captured."""
        ...

    def now(self) -> int:
        """Returns the local time, ns since the epoch."""
        ...

    def at(self, arrived: int) -> int:
        """Converts an arrival in ``time.monotonic_ns()`` to ns since the epoch."""
        ...

    def step(self, step: Step) -> None:
        """Takes in a tool or a handoff when it is done, an agent's work at its start and end."""

    def record_chunk(self, ending: Ending, seconds: float) -> None:
        """Records the time between two output chunks.

        Args:
            ending: what is known of the response so far.
            seconds: the time since the previous chunk.
        """

    def end(self, ending: Ending, at: int) -> bool:
        """Ends the span at ``at``, ns since the epoch; returns False if it had ended before."""
        ...
