# SPDX-License-Identifier: Apache-2.0
"""What the traced programs have written down, read while they write and afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Call:
    """A conversation, as the program saw it."""

    trace: str
    at: int
    """When it began, in ns since the epoch."""
    took: int
    """In ns."""


class Diary:
    """What one program has written so far."""

    def __init__(self, path: Path) -> None:
        """Reads the file; a line that is being written is left out."""
        text = path.read_text() if path.exists() else ""
        entries: list[dict[str, Any]] = [
            json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")
        ]
        self.calls = [Call(**entry) for entry in entries if "trace" in entry]
        self.exports: list[int] = [entry["at"] for entry in entries if "acknowledged" in entry]
        """When each export was acknowledged, in ns since the epoch."""
        self.acknowledged: dict[str, set[str]] = {}
        """Spans by trace."""
        for entry in entries:
            for trace, span in entry.get("acknowledged", ()):
                self.acknowledged.setdefault(trace, set()).add(span)
        self.ended: int | None = next((e["ended"] for e in entries if "ended" in e), None)
        """How many spans the program had; None until it is done."""
