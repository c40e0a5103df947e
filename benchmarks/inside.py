# SPDX-License-Identifier: Apache-2.0
"""What tools and content cost inside a conversation."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from .floor import Floor
from .stage import Stage, drained_in, events, tools


def per_tool(stage: Stage, floor: Floor, rounds: int) -> dict[str, float]:
    """Microseconds that one more tool costs: ours, and a hand-written span."""

    def by_hand() -> Any:
        return floor.observe_tools(stage.bare)

    def cost(start: Callable[[], Any]) -> float:
        stage.script = tools(200)
        many = drained_in(start) - drained_in(stage.bare)
        stage.script = tools(0)
        return (many - drained_in(start) + drained_in(stage.bare)) / 200

    pairs = [(cost(stage.instrumented), cost(by_hand)) for _ in range(rounds)]
    found, hand = (statistics.median(values) for values in zip(*pairs, strict=True))
    return {"tool_us": found, "tool_floor_us": hand, "tool_ratio": found / hand}


def content(stage: Stage, rounds: int) -> dict[str, float]:
    """What content capture costs: us for one more delta, ms at the end of 10,000."""
    stage.script = events(10_000)
    pairs: list[tuple[float, float]] = []
    for _ in range(rounds):
        bare, stream = stage.bare(), stage.instrumented()
        times: list[float] = []
        for source in (bare, stream):
            began = perf_counter_ns()
            for _ in range(10_001):
                next(source)
            times.append((perf_counter_ns() - began) / 10_001 / 1e3)
        began = perf_counter_ns()
        next(stream)
        pairs.append((times[1] - times[0], (perf_counter_ns() - began) / 1e6))
    event, end = (statistics.median(values) for values in zip(*pairs, strict=True))
    return {"content_event_us": event, "content_end_ms": end}
