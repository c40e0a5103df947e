# SPDX-License-Identifier: Apache-2.0
"""The README says what is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end import sdk
from tests.end_to_end.readme_tables import README, with_tables

_CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.skipif(sdk.VERSION < (3, 4), reason="the tables are of the newest SDK")
def test_the_tables_of_attributes_and_metrics_are_what_is_emitted() -> None:
    readme = README.read_text()
    assert with_tables(readme) == readme, "run python -m tests.end_to_end.readme_tables"


def test_every_python_block_runs_as_it_stands(tmp_path: Path) -> None:
    blocks = _CODE.findall(README.read_text())
    assert blocks
    for index, block in enumerate(blocks):
        program = tmp_path / f"block_{index}.py"
        program.write_text(block)
        command = [sys.executable, "-W", "error", str(program)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- ours
        assert (done.returncode, done.stderr) == (0, ""), block


def test_the_five_lines_are_those_of_the_example() -> None:
    (first, *_) = _CODE.findall(README.read_text())
    example = (README.parent / "examples" / "quickstart.py").read_text()
    for line in ("from opentelemetry import", "import instrument\n", "instrument()\n"):
        assert line in first
        assert line in example
