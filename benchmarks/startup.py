# SPDX-License-Identifier: Apache-2.0
"""What the plugin costs before the first call."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile


def import_time(rounds: int = 7) -> float:
    """CPU milliseconds of import and instrument() over importing the OpenTelemetry API alone."""
    api = (
        "import opentelemetry.trace, opentelemetry.metrics, opentelemetry._logs, "
        "opentelemetry.propagate"
    )
    plugin = (
        f"{api}; from opentelemetry.instrumentation.genai.mistralai import instrument; "
        "instrument(); import sys; assert 'mistralai' not in sys.modules"
    )

    with tempfile.TemporaryDirectory() as compiled:
        # An installed package has its bytecode; the environment may forbid to write any.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def cpu(code: str) -> float:
            program = f"import time; {code}; print(time.process_time())"
            command = [sys.executable, "-c", program]
            done = subprocess.run(command, check=True, capture_output=True, env=environment)  # noqa: S603 -- our own words
            return float(done.stdout) * 1e3

        cpu(plugin)
        pairs = [(cpu(plugin), cpu(api)) for _ in range(rounds)]
    return statistics.median(ours - base for ours, base in pairs)
