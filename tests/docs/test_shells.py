# SPDX-License-Identifier: Apache-2.0
"""The tests pass whatever variables and ignored signals the shell has that they start from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.systems import needs_posix

ROOT: Final = Path(__file__).parents[2]
# What these do to a test that sees them: nothing recorded, other or cut attributes, no import.
HOSTILE: Final = {
    "OTEL_SDK_DISABLED": "true",
    "OTEL_TRACES_SAMPLER": "always_off",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "2",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "1",
    "OTEL_SPAN_EVENT_COUNT_LIMIT": "0",
    "OTEL_SPAN_LINK_COUNT_LIMIT": "0",
    "OTEL_METRICS_EXEMPLAR_FILTER": "always_on",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=nonsense",
    "OTEL_PYTHON_CONTEXT": "no_such_context",
    "OTEL_PROPAGATORS": "no_such_propagator",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "genai-mistralai",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event",
    "OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK": "no_such_hook",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
}
# In the tests' own process, in forks of another one, and the variables themselves.
PART: Final = (
    "tests/end_to_end/conversations/test_conversations.py",
    "tests/end_to_end/process/test_forks.py",
    "tests/unit/face/test_options.py",
)


def test_a_hostile_shell_fails_no_test() -> None:
    variables = {**os.environ, **HOSTILE}
    # What xdist tells its workers is not for a run of its own.
    kept = {key: value for key, value in variables.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(  # noqa: S603 -- a part of these very tests
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *PART],
        cwd=ROOT, env=kept, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:]
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > 50


_REACHED: Final = """
import signal, subprocess, sys
import tests.conftest
for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, -15)):
    program = "import time; print('ready', flush=True); time.sleep(60)"
    if number == signal.SIGINT:
        program = f"try:\\n    {program}\\nexcept KeyboardInterrupt:\\n    raise SystemExit(130)"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(number)
        try:
            print(number.name, process.wait(20) == code)
        finally:
            process.kill()
"""


@needs_posix
@pytest.mark.parametrize("ignored", ["INT", "TERM", "INT TERM"])
def test_signals_that_the_shell_ignores_reach_what_the_tests_start(ignored: str) -> None:
    # exec keeps what is ignored, as in `command &` of a script.
    command = ["sh", "-c", f'trap \'\' {ignored}; exec "$0" -c "$1"', sys.executable, _REACHED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.stdout.splitlines(), done.stderr) == (["SIGINT True", "SIGTERM True"], "")


def test_these_tests_see_none_of_the_shell_s_variables(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.rootpath == ROOT
    assert [name for name in os.environ if name.startswith("OTEL_")] == []
