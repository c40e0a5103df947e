# SPDX-License-Identifier: Apache-2.0
"""Receivers in all kinds of trouble, and what became of a program that met one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tests.exporters.program import Trouble
from tests.zero_code.receiver import (
    Behaviour,
    answers,
    is_slow,
    never_answers,
    resets,
)

BEHAVIOURS: Final[dict[str, Behaviour]] = {
    "never answers": never_answers,
    "answers 503": answers(503),
    "answers 429": answers(429, Retry_After="1"),
    "answers 400": answers(400),
    "resets": resets,
    "is slow": is_slow,
}
TROUBLES: Final = (*BEHAVIOURS, "is not there")
PILES_UP: Final = "never answers a single one"
CONVERSATIONS: Final = 1600


@dataclass(frozen=True)
class Met:
    """What became of a program that met one kind of trouble."""

    trouble: Trouble
    exit_seconds: float
    measured: dict[str, Any]
    log: list[str]
    healthy: list[str]
    requests: int
