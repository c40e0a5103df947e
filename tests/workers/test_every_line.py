# SPDX-License-Identifier: Apache-2.0
"""An interrupt at every line of ours that a call runs: the caller gets it, and nothing is lost.

See `every_line`: each span that was started is ended at the latest at exit, its tokens are counted
exactly once, and nothing of ours is left in the caller's context.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import pytest

from emulator import Emulator
from tests.support.systems import needs_posix
from tests.workers.processes import ended, started, told

pytestmark = needs_posix

# Scenario, how it is interrupted, and at which lines. A loop's and an async call's lines are mostly
# those of the sync conversation, so that these are interrupted where each line runs first and last.
CASES: Final = (
    ("conversation", "KeyboardInterrupt", "all"),
    ("conversation", "signal", "ends"),
    ("conversation async", "KeyboardInterrupt", "ends"),
    ("conversation async", "signal", "ends"),
    ("conversation whole", "KeyboardInterrupt", "ends"),
    ("chat", "KeyboardInterrupt", "all"),
    ("chat", "signal", "all"),
    ("chat async", "KeyboardInterrupt", "ends"),
    ("chat left", "KeyboardInterrupt", "all"),
    ("chat left", "signal", "ends"),
    ("chat left async", "KeyboardInterrupt", "ends"),
    ("loop", "KeyboardInterrupt", "ends"),
    ("loop", "signal", "ends"),
    ("loop streamed", "KeyboardInterrupt", "ends"),
    ("loop streamed", "signal", "ends"),
)
# The fewest lines that a scenario runs: fewer mean that the trace function saw another package.
_FEWEST: Final = 200
_SECONDS: Final = 240.0
_SHOWN: Final = 40


@pytest.mark.parametrize(
    ("scenario", "kind", "selection"), CASES, ids=[f"{case[0]}, {case[1]}" for case in CASES]
)
def test_an_interrupt_at_any_line_loses_nothing(
    emulator: Emulator, tmp_path: Path, scenario: str, kind: str, selection: str
) -> None:
    command = [sys.executable, "-m", "tests.workers.every_line"]
    with started([*command, emulator.url, scenario, kind, selection], tmp_path) as process:
        code = ended(process, tmp_path, _SECONDS)
    assert code == 0, told(tmp_path)
    result = json.loads((tmp_path / "stdout").read_text())
    assert result["cases"] >= _FEWEST
    lost = [": ".join([place, "; ".join(wrong)]) for place, *wrong in result["lost"]]
    assert lost[:_SHOWN] == [], f"{len(lost)} of {result['cases']} cases"
