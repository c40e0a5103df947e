# SPDX-License-Identifier: Apache-2.0
"""A notebook: cells in a real ipykernel, run again, awaited at the top, and interrupted."""

from __future__ import annotations

import ast
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.surroundings.running import ASYNC, ROOT, SYNC, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from emulator import Emulator

jupyter_client: Any = pytest.importorskip("jupyter_client", reason="make test-workers installs it")
_SECONDS: Final = 120
_BEGIN: Final = """
%load_ext autoreload
%autoreload 2
from tests.surroundings.program import *
memory, options = providers()
client = Mistral(api_key='key', server_url='{url}')
"""
_INSTRUMENT: Final = """
from opentelemetry.instrumentation.genai.mistralai import instrument
instrument(**options)
"""
_HANG: Final = """
stream = client.beta.conversations.start_stream(**arguments('hang'))
# All that comes: the next event is waited for in vain.
for _ in range(3):
    next(stream)
print('reading', flush=True)
next(stream)
"""


class Notebook:
    """A kernel, and its cells."""

    def __init__(self, manager: Any, client: Any) -> None:
        self._manager = manager
        self._client = client

    def run(self, cell: str, on_print: Callable[[], None] | None = None) -> tuple[str, Any]:
        """Runs a cell; returns ``ok`` and its value, or ``error`` and the exception's name."""
        values: list[Any] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "execute_result":
                values.append(ast.literal_eval(message["content"]["data"]["text/plain"]))
            elif message["msg_type"] == "stream" and on_print is not None:
                on_print()

        reply = self._client.execute_interactive(cell, timeout=_SECONDS, output_hook=hear)
        content = reply["content"]
        return content["status"], content["ename"] if "ename" in content else (*values, None)[0]

    def interrupted(self, cell: str) -> tuple[str, Any]:
        """Runs a cell, and presses the square when it first prints something."""
        return self.run(cell, self._manager.interrupt_kernel)


@contextmanager
def notebook() -> Generator[Notebook]:
    """A real kernel in a process of its own, which ends with the block."""
    manager = jupyter_client.KernelManager(kernel_name="python3")
    manager.start_kernel(
        cwd=str(ROOT), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=_SECONDS)
        yield Notebook(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def cells(url: str, *, instruments: bool) -> tuple[list[Any], Any]:
    """What each cell came to, and the spans."""
    with notebook() as kernel:
        begun = kernel.run(_BEGIN.format(url=url))
        assert begun == ("ok", None)
        if instruments:
            # Twice: who changes a cell runs it again.
            assert kernel.run(_INSTRUMENT) == kernel.run(_INSTRUMENT) == ("ok", None)
        saw = [
            kernel.run("talk(client)"),
            kernel.run("await talk_async(client)"),
            kernel.interrupted(_HANG),
            kernel.run("talk(client)"),
        ]
        spans = kernel.run(f"told(memory, {12 if instruments else 0})")[1]
    return saw, spans


def test_cells_of_a_notebook(emulator: Emulator) -> None:
    bare, nothing = cells(emulator.url, instruments=False)
    saw, spans = cells(emulator.url, instruments=True)
    assert saw == bare
    assert [status for status, _ in bare] == ["ok", "ok", "error", "ok"]
    assert bare[2] == ("error", "KeyboardInterrupt")
    assert nothing == []
    stopped = ["chat mistral-small-latest", "UNSET", "cancelled"]
    assert spans == sorted([*SYNC, *ASYNC, stopped, *SYNC])
