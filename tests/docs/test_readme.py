# SPDX-License-Identifier: Apache-2.0
"""The README says what is true; `make test-readme` runs it from top to bottom."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from emulator import serve
from tests.examples.running import without_settings
from tests.support import sdk
from tests.support.fixtures import no_log_records
from tests.support.readme_blocks import UNTIL_INTERRUPTED, Block, blocks_of
from tests.support.readme_tables import README, with_tables

__all__ = ["no_log_records"]

_BLOCKS = blocks_of(README.read_text())
_PYTHON = [block for block in _BLOCKS if block.language == "python"]
_COMMANDS = [block for block in _BLOCKS if block.language == "sh"]


@pytest.mark.skipif(sdk.VERSION < (3, 4), reason="the tables are of the newest SDK")
def test_the_tables_of_attributes_and_metrics_are_what_is_emitted() -> None:
    readme = README.read_text()
    assert with_tables(readme) == readme, "run python -m tests.support.readme_tables"


@pytest.mark.parametrize("block", _PYTHON)
def test_every_python_block_runs_as_it_stands(tmp_path: Path, block: Block) -> None:
    if "mistralai.client" in block.code and sdk.VERSION < (2,):
        pytest.skip("what imports mistralai.client is written for SDK 2 and newer")
    with serve() as emulator:
        done = run(block, tmp_path, MISTRAL_SERVER_URL=emulator.url, MISTRAL_API_KEY="none")
    assert (done.returncode, done.stderr) == (0, ""), block


@pytest.mark.skipif(sdk.VERSION < (2,), reason="it imports mistralai.client")
def test_the_first_block_prints_its_span_also_when_the_call_fails(tmp_path: Path) -> None:
    (first, *_) = _PYTHON
    with serve() as emulator:
        done = run(first, tmp_path, MISTRAL_SERVER_URL=emulator.url)
    assert '"name": "chat mistral-small-latest"' in done.stdout
    assert '"status_code": "UNSET"' in done.stdout
    # The emulator is gone: nobody listens there any more.
    done = run(first, tmp_path, MISTRAL_SERVER_URL=emulator.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"error.type": "httpx2.ConnectError"' in done.stdout
    assert "Connection refused" in done.stdout.splitlines()[-1]


def run(block: Block, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a block of Python as a program of its own."""
    program = folder / "block.py"
    program.write_text(block.code)
    return subprocess.run(  # noqa: S603 -- ours
        [sys.executable, "-W", "error", str(program)],
        capture_output=True,
        text=True,
        check=False,
        env=without_settings(**variables),
    )


def test_install_comes_first_and_installs_what_the_first_program_imports() -> None:
    install, first = _BLOCKS[0], _PYTHON[0]
    assert install.language == "sh"
    assert install.not_run == ""
    assert "dist/*.whl mistralai opentelemetry-sdk opentelemetry-exporter-otlp" in install.code
    imported = set(re.findall(r"^(?:from|import) (\w+)", first.code, re.M))
    assert imported == {"os", "mistralai", "opentelemetry"}


def test_each_block_is_run_or_says_on_the_spot_why_it_is_not() -> None:
    assert all(
        block.comment == "" or block.serves or len(block.not_run) > 10 for block in _BLOCKS
    ), f"before a block stands nothing, `<!-- {UNTIL_INTERRUPTED} -->` or `<!-- not run: why -->`"
    fences = re.findall(r"^```(\w+)$", README.read_text(), re.M)
    assert [name for name in fences if name != "text"] == [block.language for block in _BLOCKS]
    # What `make test-readme` leaves out, and which test runs it all the same, if one does.
    left_out = [" ".join(block.code.split()[:2]) for block in _COMMANDS if block.not_run]
    assert left_out == ["pip install", "docker run", "make jaeger-run"]
    steps = re.findall(r"^(?:\w+=\S+ )?step (\S+)", (README.parent / ".ci/run").read_text(), re.M)
    assert {"demo", "test", "test-readme"} <= set(steps)


def test_docker_does_not_block_the_terminal_nor_open_the_machine() -> None:
    commands = [line for block in _COMMANDS for line in block.code.splitlines()]
    (command,) = [line for line in commands if line.startswith("docker run")]
    assert " -d " in command
    ports = re.findall(r" -p (\S+)", command)
    assert ports == ["127.0.0.1:16686:16686", "127.0.0.1:4318:4318"]


def test_the_five_lines_are_those_of_the_example() -> None:
    example = (README.parent / "examples" / "quickstart.py").read_text()
    for line in ("from opentelemetry import", "import instrument\n", "instrument()\n"):
        assert line in _PYTHON[0].code
        assert line in example
