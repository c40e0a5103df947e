# SPDX-License-Identifier: Apache-2.0
"""The README is short, begins with what a reader looks for, and says what is true.

`make test-readme` runs it from top to bottom.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from emulator import serve
from tests.examples.running import without_settings
from tests.support import sdk
from tests.support.fixtures import no_log_records
from tests.support.readme_blocks import ROOT, Block, blocks_on
from tests.support.readme_tables import documents, with_tables
from tests.support.strict import STRICT

__all__ = ["no_log_records"]

README: Final = (ROOT / "README.md").read_text()
_BLOCKS: Final = blocks_on("README.md")
_PYTHON: Final = [block for block in _BLOCKS if block.language == "python"]
_COMMANDS: Final = [block for block in _BLOCKS if block.language == "sh"]


@pytest.mark.skipif(sdk.VERSION < (3, 4), reason="the tables are of the newest SDK")
def test_the_tables_of_docs_are_what_is_emitted() -> None:
    told = documents()
    assert with_tables(told) == told, "run python -m tests.support.readme_tables"


# What it looks like


def test_it_is_read_in_some_minutes() -> None:
    assert len(README) <= 7_000


def test_the_first_screen_is_a_sentence_a_picture_install_and_five_lines() -> None:
    title, sentence, picture, install, *_ = [
        part for part in re.split(r"\n\n+", README) if part.strip()
    ]
    assert title.startswith("# ")
    assert sentence.count(". ") == 0
    assert re.fullmatch(r"!\[[^\]]{60,}\]\(docs/pictures/[\w-]+\.png\)", picture)
    assert install == "## Install"
    assert re.findall(r"^## (.+)$", README, re.M) == [
        "Install", "Five lines", "See it", "What you get", "Privacy", "Cost", "Documentation",
        "Who is behind it", "Licence",
    ]  # fmt: skip
    assert README.index("instrument()\n") < 2_500


def test_privacy_is_three_lines_and_cost_is_one_with_microseconds() -> None:
    sections = dict(re.findall(r"^## (.+)\n\n((?:.+\n)+)", README, re.M))
    assert len(sections["Privacy"].splitlines()) == 3
    assert len(sections["Cost"].splitlines()) == 1
    assert " µs " in sections["Cost"]


def test_it_says_whose_it_is() -> None:
    _, _, who = README.partition("## Who is behind it")
    assert "neither part of OpenTelemetry nor of Mistral AI" in who


# What it says to run


@pytest.mark.skipif(sdk.VERSION < (2,), reason="it imports mistralai.client")
def test_the_first_block_prints_its_span_also_when_the_call_fails(tmp_path: Path) -> None:
    (first,) = _PYTHON
    with serve() as emulator:
        done = run(first, tmp_path, MISTRAL_SERVER_URL=emulator.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"name": "chat mistral-small-latest"' in done.stdout
    assert '"status_code": "UNSET"' in done.stdout
    # The emulator is gone: nobody listens there any more.
    done = run(first, tmp_path, MISTRAL_SERVER_URL=emulator.url)
    assert (done.returncode, done.stderr) == (0, "")
    # Older lines of the SDK ask with httpx.
    assert re.search(r'"error.type": "httpx2?\.ConnectError"', done.stdout)
    assert "Connection refused" in done.stdout.splitlines()[-1]


def run(block: Block, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a block of Python as a program of its own."""
    program = folder / "block.py"
    program.write_text(block.code)
    return subprocess.run(  # noqa: S603 -- ours
        [sys.executable, *STRICT, str(program)],
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


def test_of_the_readme_only_two_blocks_are_not_run() -> None:
    # That each says why is what `test_pages.py` tests.
    left_out = [" ".join(block.code.split()[:2]) for block in _COMMANDS if block.not_run]
    assert left_out == ["pip install", "docker run"]
    steps = re.findall(r"^(?:\w+=\S+ )?step (\S+)", (ROOT / ".ci/run").read_text(), re.M)
    assert {"demo", "docs", "test", "test-readme"} <= set(steps)


@pytest.mark.parametrize("page", ["README.md", "docs/viewers.md"])
def test_docker_does_not_block_the_terminal_nor_open_the_machine(page: str) -> None:
    commands = [line for block in blocks_on(page) for line in block.code.splitlines()]
    (command,) = [line for line in commands if line.startswith("docker run")]
    assert " -d " in command
    ports = re.findall(r" -p (\S+)", command)
    assert ports == ["127.0.0.1:16686:16686", "127.0.0.1:4318:4318"]


def test_the_five_lines_are_those_of_the_example() -> None:
    example = (ROOT / "examples" / "quickstart.py").read_text()
    for line in ("from opentelemetry import", "import instrument\n", "instrument()\n"):
        assert line in _PYTHON[0].code
        assert line in example
