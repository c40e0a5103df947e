# SPDX-License-Identifier: Apache-2.0
"""What one run found, as ``docs/peers.json`` keeps it: raw, so that all can be redrawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
STORED: Final = ROOT / "docs" / "peers.json"


@dataclass
class Found:
    """What was measured of one candidate.

    Attributes:
        versions: of the packages that are named, by distribution.
        measured: the numbers of each round, by metric.
        spans: the spans that one operation made in each round, by scope, by operation.
        absent: why there is nothing else, or empty.
    """

    versions: dict[str, str] = field(default_factory=dict[str, str])
    measured: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    spans: dict[str, list[dict[str, float]]] = field(
        default_factory=dict[str, list[dict[str, float]]]
    )
    absent: str = ""

    def add(self, numbers: Mapping[str, float], kind: str = "") -> None:
        """Keeps what one round found.

        Args:
            numbers: by metric.
            kind: what the metrics' names start with.
        """
        for name, number in numbers.items():
            self.measured.setdefault(f"{kind}{name}", []).append(number)


@dataclass
class Result:
    """One run.

    Attributes:
        date: of the run, as ``2026-01-31``.
        machine: what it ran on, as the page says it.
        calls: without a stream, in each round.
        deltas: of each round's short stream, in which the cost of one is measured.
        long_deltas: of the long stream, which fewer rounds have.
        memory_deltas: of the stream whose memory is measured.
        candidates: what was found, by the candidate's name.
    """

    date: str
    machine: str
    calls: int
    deltas: int
    long_deltas: int
    memory_deltas: int
    candidates: dict[str, Found]

    def to_json(self) -> str:
        """The text of the stored file."""
        return json.dumps(_rounded(asdict(self)), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        """The opposite of `to_json`."""
        told: dict[str, Any] = json.loads(text)
        candidates = {name: Found(**found) for name, found in told.pop("candidates").items()}
        return cls(**told, candidates=candidates)


def _rounded(value: Any) -> Any:
    """Four digits more than anybody reads, and none that only tells of floats."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_rounded(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
