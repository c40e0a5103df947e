# SPDX-License-Identifier: Apache-2.0
"""Traced programs that converse while parts of the chain are killed: what they did, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain as chained
from time import monotonic, sleep, time_ns
from typing import TYPE_CHECKING

from tests.deploy.diaries import Call, Diary
from tests.deploy.parts import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.deploy.chain import Chain

# What was measured, told at the end.
Facts = dict[str, str]
DEADLINE_SECONDS = 240.0
# Two programs whose exports wait for as long as it takes, and two that give up soon and hold
# little: those must drop. None of the four may be slowed.
_PATIENT = {"OTEL_EXPORTER_OTLP_TIMEOUT": "300"}
_IMPATIENT = {
    "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
    "OTEL_BSP_MAX_QUEUE_SIZE": "32",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16",
}
SETTINGS = (_PATIENT, _PATIENT, _IMPATIENT, _IMPATIENT)


@dataclass
class Outage:
    """When no broker took anything, in ns since the epoch."""

    killed: int
    started: int = 0
    back: int = 0


@dataclass
class Run:
    """Programs that converse while parts of the chain are killed and come back."""

    chain: Chain
    folder: Path
    programs: list[Part] = field(default_factory=list[Part])
    outages: list[Outage] = field(default_factory=list[Outage])

    def diaries(self) -> list[Diary]:
        """What the programs have written so far."""
        return [Diary(self.folder / f"diary{n}") for n in range(len(SETTINGS))]

    def calls(self) -> list[Call]:
        """Those that have ended."""
        return [call for diary in self.diaries() for call in diary.calls]

    def wait_for_calls(self, count: int) -> None:
        """Returns when so many have ended, of all programs together."""
        wait(lambda: len(self.calls()) >= count, f"{count} calls", self.programs)

    def end(self) -> None:
        """Returns when the programs have ended."""
        (self.folder / "enough").touch()
        for program in self.programs:
            assert program.process.wait(DEADLINE_SECONDS) == 0, program.says()

    def kill_broker(self) -> None:
        """Nothing is acknowledged from now on."""
        self.chain.kafka.part.kill()
        self.outages.append(Outage(time_ns()))

    def start_broker(self) -> None:
        """Returns when something is acknowledged again."""
        outage = self.outages[-1]
        outage.started = time_ns()
        self.chain.kafka.part.start()

        def is_back() -> bool:
            exports = chained.from_iterable(diary.exports for diary in self.diaries())
            return any(at > outage.started for at in exports)

        wait(is_back, "an export", [self.chain.kafka.part])
        outage.back = time_ns()

    def acknowledged(self) -> dict[str, set[str]]:
        """The spans that were, by trace."""
        found: dict[str, set[str]] = {}
        for diary in self.diaries():
            found.update(diary.acknowledged)
        return found


def wait(
    condition: Callable[[], bool], what: str, parts: Sequence[Part], pause: float = 0.5
) -> None:
    """Returns when the condition holds; none of the parts may fail meanwhile.

    Args:
        condition: is asked again and again.
        what: is waited for.
        parts: that must not fail.
        pause: between two times, in seconds; asking costs time that the programs need.
    """
    deadline = monotonic() + DEADLINE_SECONDS
    while not condition():
        if monotonic() > deadline or any(part.process.poll() for part in parts):
            says = "\n".join(part.says() for part in parts)
            raise AssertionError(f"waited in vain for {what}; {says}")
        sleep(pause)
