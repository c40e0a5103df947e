# SPDX-License-Identifier: Apache-2.0
"""One Jaeger keeps what it has acknowledged, also when it is killed."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.deploy.jaegers import OneJaeger
from tests.jaeger.program import ids, run_program
from tests.support.systems import needs_posix

if TYPE_CHECKING:
    from pathlib import Path

    from emulator import Emulator

pytestmark = needs_posix


def test_acknowledged_traces_outlive_a_kill(emulator: Emulator, tmp_path: Path) -> None:
    with ExitStack() as stack:
        jaeger = OneJaeger(stack, tmp_path)
        program = stack.enter_context(run_program(jaeger.view(), emulator, is_async=False))
        with program.caller() as caller:
            program.converse("start", "handoff_chain", agent_id="ag_triage", inputs="Hello")
        # Flushes: from here on they are acknowledged, and that alone must do.
        sent = sorted(ids(span)[1] for span in program.spans())
        assert len(sent) > 3
        jaeger.part.kill()
        jaeger.part.start()
        trace = jaeger.view().trace(ids(caller)[0], spans=len(sent))
        assert sorted(span["spanID"] for span in trace["spans"]) == sent
