# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C ends every example without a traceback, with the exit code of an interrupted program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.examples.interrupting import running
from tests.examples.running import without_settings
from tests.examples.silent_api import serve_api
from tests.support.strict import STRICT
from tests.support.systems import needs_posix

pytestmark = needs_posix

PYTHON: Final = (sys.executable, *STRICT)
INSTRUMENT: Final = str(Path(sys.executable).with_name("opentelemetry-instrument"))
_QUIET: Final = dict.fromkeys(
    ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"), "none"
)


def assert_quiet(ended: tuple[int, str]) -> None:
    code, printed = ended
    assert code == 130
    for noise in ("Traceback", "Interrupt", "Error", "ignored"):
        assert noise not in printed


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([*PYTHON, "-m", "examples.quickstart", "--real"], id="quickstart"),
        pytest.param(
            [INSTRUMENT, sys.executable, "-m", "examples.zero_code.ask"], id="zero_code.ask"
        ),
    ],
)
def test_while_it_waits_for_an_answer(command: list[str]) -> None:
    with serve_api() as api:
        asking = without_settings(MISTRAL_API_KEY="k", MISTRAL_SERVER_URL=api.url, **_QUIET)
        with running(command, asking) as example:
            api.wait_until_asked(example)
            assert_quiet(example.interrupt())


def test_while_workers_wait_for_their_answers() -> None:
    with serve_api(answers=1) as api:
        asking = without_settings(MISTRAL_API_KEY="k", MISTRAL_SERVER_URL=api.url)
        command = [sys.executable, "-m", "examples.zero_code.workers", "fork"]
        with running(command, asking) as example:
            api.wait_until_asked(example, 2)
            assert_quiet(example.interrupt())


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        (["-m", "examples.prometheus"], "Ctrl-D to end"),
        (["-m", "examples.fastapi_chat", "--port", "0"], "running on http://127.0.0.1:"),
    ],
)
def test_while_it_serves(command: list[str], printed: str) -> None:
    settings = without_settings(OTEL_EXPORTER_PROMETHEUS_PORT="0", JAEGER_QUERY_PORT="9")
    with running([*PYTHON, *command], settings) as example:
        example.wait_for(printed)
        assert_quiet(example.interrupt())


def test_while_it_is_still_importing() -> None:
    # Each import is a line: more of them are to come than a pipe holds, so that the program cannot
    # get any further while nobody reads.
    command = [sys.executable, "-X", "importtime", "-m", "examples.quickstart"]
    with running(command, without_settings()) as example:
        example.wait_for("opentelemetry.trace\n")
        code, printed = example.interrupt()
    assert code == 130
    assert "Traceback" not in printed
    assert "emulator at" not in printed
