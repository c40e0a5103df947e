# SPDX-License-Identifier: Apache-2.0
"""While a receiver is down, slow or refuses, a caller's stream is the same, and as fast."""

from __future__ import annotations

from math import sqrt
from statistics import median

import pytest

from tests.exporters.troubles import CONVERSATIONS, PILES_UP, TROUBLES, Met
from tests.support.systems import needs_fork

pytestmark = needs_fork

# Of memory, for each conversation: a program keeps 4 to 13 with the plugin, 4 to 7 without it,
# and 105 where no queue has a limit.
_BLOCKS = 30

# A handoff's conversation.
_SPANS = 3

of_each_kind = pytest.mark.parametrize("trouble", TROUBLES)


@of_each_kind
def test_the_caller_gets_the_same_events_and_no_exception(
    met: dict[str, Met], trouble: str
) -> None:
    # With an exception it would have exited with another code than 0, which `met` looks at.
    outcome = met[trouble]
    assert outcome.measured["different"] == []
    # Exporters say that they fail, and nobody else says anything.
    exporters = ("opentelemetry.exporter.", "opentelemetry.sdk.")
    assert [line for line in outcome.log if not line.startswith(exporters)] == []
    if trouble != "is slow":
        assert any("Failed to export spans batch" in line for line in outcome.log)
    assert outcome.requests or trouble == "is not there"
    # What it is compared with was healthy indeed.
    assert len(outcome.healthy) == _SPANS * outcome.measured["held"]["healthy"]


@of_each_kind
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_caller_waits_no_longer(met: dict[str, Met], trouble: str, kind: str) -> None:
    seconds = met[trouble].measured["seconds"]
    bare, healthy, failing = (seconds[f"{side} {kind}"] for side in ("bare", "healthy", "failing"))
    # Neighbours in time are compared, so that what else the machine does takes from both.
    longer = [after - before for before, after in zip(healthy, failing, strict=True)]
    assert median(longer) < 0.25 * median(healthy) + 3 * standard_error(longer)
    # Nor now and then, for as long as an export takes: unless the machine stalls everybody so.
    assert max(failing) < max(1.0, 3 * max(*bare, *healthy))


@of_each_kind
def test_the_program_exits_when_the_exporters_give_up(met: dict[str, Met], trouble: str) -> None:
    outcome = met[trouble]
    # Spans and logs: the export under way, then each batch that is left. Metrics: the one under
    # way and the last one. Each takes its timeout at most, or a second from the slow one.
    batches = 1 + max(1, outcome.trouble.queue // 512)
    exports = 2 * batches + 2
    assert outcome.exit_seconds < exports * outcome.trouble.timeout + 5


def standard_error(values: list[float]) -> float:
    """Of their median, as far as the values themselves tell, outliers left aside."""
    middle = median(values)
    deviation = 1.4826 * median(abs(value - middle) for value in values)
    return 1.2533 * deviation / sqrt(len(values))


def test_memory_is_bounded_by_what_the_sdk_holds(met: dict[str, Met]) -> None:
    measured = met[PILES_UP].measured
    assert measured["different"] == []
    half_way, at_end = measured["memory"]
    assert at_end - half_way < _BLOCKS * CONVERSATIONS / 2
