# SPDX-License-Identifier: Apache-2.0
"""The README says what is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import sdk
from tests.support.fixtures import no_log_records
from tests.support.readme_tables import README, with_tables

__all__ = ["no_log_records"]

_CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.skipif(sdk.VERSION < (3, 4), reason="the tables are of the newest SDK")
def test_the_tables_of_attributes_and_metrics_are_what_is_emitted() -> None:
    readme = README.read_text()
    assert with_tables(readme) == readme, "run python -m tests.support.readme_tables"


def test_every_python_block_runs_as_it_stands(tmp_path: Path) -> None:
    blocks = _CODE.findall(README.read_text())
    assert blocks
    for index, block in enumerate(blocks):
        program = tmp_path / f"block_{index}.py"
        program.write_text(block)
        command = [sys.executable, "-W", "error", str(program)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- ours
        assert (done.returncode, done.stderr) == (0, ""), block


# Where each command of the README is run as it stands; a new one needs a place here.
_ROOT = README.parent
RUN_BY = {
    "make demo": ".ci/run",
    "make test": ".ci/run",
    "pip install opentelemetry-instrumentation-genai-mistralai": "tests/docs/test_packaging.py",
    "opentelemetry-instrument python -m examples.zero_code.ask": "examples/zero_code/README.md",
    "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 make demo": "tests/jaeger/test_demo.py",
    "python -m opentelemetry.instrumentation.genai.mistralai": "tests/doctor/running.py",
    "make chat": "tests/web/chat.py",
    ".venv/bin/python -m examples.prometheus": "examples/prometheus/README.md",
}


def test_each_command_is_run_somewhere_or_says_that_it_is_not() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    run = [
        line.partition("   #")[0].strip() for line in lines if "not run by the tests" not in line
    ]
    assert sorted(run) == sorted(RUN_BY)
    assert all((_ROOT / place).exists() for place in RUN_BY.values())
    steps = re.findall(r"^(?:\w+=\S+ )?step (\S+)", (_ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(steps)
    assert (
        "opentelemetry-instrument python -m examples.zero_code.ask"
        in (_ROOT / RUN_BY["opentelemetry-instrument python -m examples.zero_code.ask"]).read_text()
    )


def test_the_five_lines_are_those_of_the_example() -> None:
    (first, *_) = _CODE.findall(README.read_text())
    example = (README.parent / "examples" / "quickstart.py").read_text()
    for line in ("from opentelemetry import", "import instrument\n", "instrument()\n"):
        assert line in first
        assert line in example
