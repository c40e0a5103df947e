# SPDX-License-Identifier: Apache-2.0
"""The emulator as a whole: it can play every scenario, the SDK reads what it says, and it stops."""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator import Emulator
from emulator.scenario import load_scenarios
from tests.support.raw_http import SILENT, START, connect, post, read_all

if TYPE_CHECKING:
    pass

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("scenario", [name for name in load_scenarios() if name not in SILENT])
def test_every_scenario_can_be_played(emulator: Emulator, scenario: str, stream: bool) -> None:
    emulator.clear()  # a later attempt may be answered by another scenario, which hangs
    sock = connect(emulator.url, {**START, "stream": stream}, scenario)
    try:
        raw = read_all(sock)
    except ConnectionResetError:
        assert scenario == "reset"
    else:
        # The plain text with which a bug of the emulator itself is answered.
        assert not raw.endswith(b"Internal Server Error")


def test_every_file_is_a_scenario_and_explains_itself() -> None:
    folder = ROOT / "emulator" / "scenarios"
    files = {path.stem: path for path in folder.rglob("*.yaml") if path.parent.name != "realtime"}
    assert set(files) == set(load_scenarios())
    for path in files.values():
        assert path.read_text(encoding="utf-8").startswith("# ")


def sdk(url: str) -> Any:
    """Return a client; where the class lives depends on the line of the SDK."""
    for name in ("mistralai.client", "mistralai"):
        module = importlib.import_module(name)
        if hasattr(module, "Mistral"):
            return module.Mistral(api_key="key", server_url=url)
    raise AssertionError("no Mistral class")


# Older lines of the SDK use what newer pydantic deprecates.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("scenario", "outputs", "events"),
    [
        ("answer", ["message.output"], 14),
        ("web_search", ["tool.execution", "message.output"], 9),
        ("handoff", ["agent.handoff", "message.output"], 6),
        ("function_call", ["function.call"], 5),
    ],
)
def test_the_sdk_reads(emulator: Emulator, scenario: str, outputs: list[str], events: int) -> None:
    arguments: dict[str, Any] = {
        "inputs": "Hello",
        "model": "mistral-small-latest",
        "http_headers": {"x-emulator-scenario": scenario},
    }
    with sdk(emulator.url) as client:
        answer = client.beta.conversations.start(**arguments)
        with client.beta.conversations.start_stream(**arguments) as stream:
            read = list(stream)
    assert [output.type for output in answer.outputs] == outputs
    assert len(read) == events
    for event in read:
        # What a model rejects arrives as an "unknown" object: its class says so.
        assert type(event.data).__name__.endswith("Event")
        assert event.data.created_at.tzinfo is not None
    assert read[0].data.conversation_id.startswith("conv_")
    assert read[-1].data.usage.total_tokens == answer.usage.total_tokens > 0


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_one_line_and_stops(stop: signal.Signals) -> None:
    command = [sys.executable, "-m", "emulator", "--port", "0", "--clock-offset", "0.5"]
    process = subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        assert post(url, {**START, "stream": False})[0] == 200
        with connect(url, START, "hang") as hanging:
            hanging.recv(1)
            process.send_signal(stop)
            assert process.communicate(timeout=5) == ("", "")
    assert process.returncode == 0
