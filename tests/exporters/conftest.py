# SPDX-License-Identifier: Apache-2.0
"""Receivers in all kinds of trouble, and the program that meets them, once for all tests."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from emulator import serve
from tests.exporters.program import Plan, Trouble
from tests.exporters.troubles import BEHAVIOURS, CONVERSATIONS, PILES_UP, Met
from tests.zero_code.commands import ROOT, environment
from tests.zero_code.receiver import (
    receive,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.zero_code.receiver import Receiver

# Only to end a program that hangs; on a busy machine it takes its time.
# Twenty busy processes make it ten times slower.
_TIMEOUT: Final = 2400


@pytest.fixture(scope="session")
def met(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Met]]:
    """The outcome for each of `TROUBLES`."""
    folder = tmp_path_factory.mktemp("exporters")
    with ExitStack() as stack:
        emulator, healthy = stack.enter_context(serve()), stack.enter_context(receive())
        failing = {
            name: stack.enter_context(receive(behaviour)) for name, behaviour in BEHAVIOURS.items()
        }
        # Bound and not listening: nobody else gets the port, and who connects is refused.
        closed = stack.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        endpoints = {name: receiver.url for name, receiver in failing.items()}
        endpoints["is not there"] = f"http://127.0.0.1:{closed.getsockname()[1]}"
        troubles = {name: Trouble(url, 256, 1.5) for name, url in endpoints.items()}
        # Its first export hangs for as long as the program runs, so that all the rest piles up.
        troubles[PILES_UP] = Trouble(endpoints["never answers"], 256, _TIMEOUT, CONVERSATIONS)
        plan = Plan(emulator.url, healthy.url, str(folder), troubles)
        command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "tests.exporters.program"]
        subprocess.run(  # noqa: S603 -- a program of ours
            [*command, json.dumps(asdict(plan))],
            cwd=ROOT,
            env=environment(emulator.url),
            timeout=_TIMEOUT,
            check=True,
        )
        codes = json.loads((folder / "codes.json").read_text())
        assert {name: (folder / f"{name}.log").read_text() for name in codes if codes[name]} == {}
        yield {name: _met(plan, name, healthy, failing.get(name)) for name in troubles}


def _met(plan: Plan, name: str, healthy: Receiver, failing: Receiver | None) -> Met:
    file = Path(plan.folder) / name
    exited = file.with_suffix(".exit")
    return Met(
        plan.troubles[name],
        float(exited.read_text()) if exited.exists() else 0.0,
        json.loads(file.with_suffix(".json").read_text()),
        file.with_suffix(".log").read_text().splitlines(),
        [span.name for span in healthy.spans if span.resource["service.name"] == name],
        failing.requests if failing else 0,
    )
