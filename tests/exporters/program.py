# SPDX-License-Identifier: Apache-2.0
"""A program that converses while one of its two receivers of telemetry is in trouble.

``python -m tests.exporters.program PLAN`` imports all it needs, then forks for each trouble: so
they are measured one after the other, while those before take their time to exit.
"""

from __future__ import annotations

import atexit
import dataclasses
import json
import logging
import os
import sys
from pathlib import Path
from time import monotonic

from tests.exporters.conversing import Conversing
from tests.exporters.sides import Side

_SIDES = ("bare", "healthy", "failing")
# As many rounds as fit, so that exports fail meanwhile; a machine that is busy makes the fewest.
_ROUNDS, _SECONDS = 10, 1.5
# Conversations of each kind, sync and async; one more, that is not measured, comes first.
_IN_A_ROUND = 2


@dataclasses.dataclass(frozen=True)
class Trouble:
    """A receiver that misbehaves, and how a program meets it."""

    endpoint: str
    # Spans, and log records, that the SDK holds for it.
    queue: int
    # How long an export may take, in seconds.
    timeout: float
    # Conversations over which memory is looked at, in place of all else.
    conversations: int = 0


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the test wants to know."""

    server_url: str
    healthy: str
    folder: str
    troubles: dict[str, Trouble]


def measured(plan: Plan, name: str) -> dict[str, object]:
    """Holds conversations without the plugin, with a healthy receiver, and with one in trouble.

    Returns:
        ``seconds`` of the measured ones by side and kind; ``held``, how many there were by side;
        ``different``, the conversations whose events were not those of the first one. Or just the
        latter, and the ``memory`` in use half-way and at the end.
    """
    trouble = plan.troubles[name]
    conversing = Conversing(plan.server_url)
    failing = Side(name, trouble.endpoint, trouble.queue, trouble.timeout)
    if trouble.conversations:
        memory = conversing.memory_over(trouble.conversations, failing)
        return {"memory": memory, "different": conversing.different}
    sides = {
        "bare": None,
        # Long enough for a receiver that shares a busy machine.
        "healthy": Side(name, plan.healthy, 2048, 30),
        "failing": failing,
    }
    held = dict.fromkeys(_SIDES, 0)
    turn, enough = 0, monotonic() + _SECONDS
    while turn < _ROUNDS or monotonic() < enough:
        # Each side comes first, second and third equally often.
        for place in range(len(_SIDES)):
            side = _SIDES[(turn + place) % len(_SIDES)]
            held[side] += conversing.measure(side, sides[side], _IN_A_ROUND)
        turn += 1
    conversing.close()
    told = {"seconds": conversing.seconds, "different": conversing.different}
    return {**told, "held": held}


def meet(plan: Plan, name: str, ready: int) -> None:
    """Measures, in a fork of its own; what is left is the natural end of the interpreter."""
    output = Path(plan.folder)
    os.dup2(os.open(output / f"{name}.log", os.O_WRONLY | os.O_CREAT), sys.stderr.fileno())
    logging.basicConfig(format="%(name)s %(levelname)s %(message)s", level=logging.WARNING)
    ends: list[float] = []

    @atexit.register  # before the providers', so that it is called after them
    def report() -> None:
        (output / f"{name}.exit").write_text(str(monotonic() - ends[0]))

    result = measured(plan, name)
    (output / f"{name}.json").write_text(json.dumps(result))
    ends.append(monotonic())
    os.write(ready, b".")
    if plan.troubles[name].conversations:
        os._exit(0)  # its exports have time until the end of all tests


def main() -> None:
    """Meets each trouble in turn, and returns in each fork, and when all have exited."""
    given = json.loads(sys.argv[1])
    troubles = {name: Trouble(**trouble) for name, trouble in given.pop("troubles").items()}
    plan = Plan(troubles=troubles, **given)
    pids: dict[str, int] = {}
    for name in troubles:
        wait, ready = os.pipe()
        pid = os.fork()
        if pid == 0:
            meet(plan, name, ready)
            return
        os.close(ready)
        # Its end, without a byte, is that of a fork that failed.
        os.read(wait, 1)
        pids[name] = pid
    codes = {name: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for name, pid in pids.items()}
    (Path(plan.folder) / "codes.json").write_text(json.dumps(codes))


if __name__ == "__main__":
    main()
