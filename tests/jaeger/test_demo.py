# SPDX-License-Identifier: Apache-2.0
"""The README's way to see the demo in Jaeger, as it is printed there, but for the port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.jaeger.server import Jaeger
from tests.support import names as s
from tests.support.strict import STRICT

_ROOT = Path(__file__).parents[2]
MODEL = "mistral-medium-latest"


def test_the_demo_is_seen_in_jaeger_under_the_service_that_the_readme_names(jaeger: Jaeger) -> None:
    readme = (_ROOT / "README.md").read_text()
    (variable,) = re.findall(r"^(\w+)=http://localhost:4318 make demo", readme, re.MULTILINE)
    (service,) = re.findall(r"Choose the service `([\w-]+)`", readme)
    assert "-m examples.quickstart" in (_ROOT / "Makefile").read_text()
    command = [sys.executable, *STRICT, "-m", "examples.quickstart"]
    environment = {**os.environ, variable: jaeger.otlp_url, "MISTRAL_API_KEY": ""}
    done = subprocess.run(  # noqa: S603 -- ours
        command, env=environment, cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    traces = jaeger.search(service, {s.STREAM_OUTCOME: "completed"})
    names = {span["operationName"] for trace in traces for span in trace["spans"]}
    agents = {f"invoke_agent{name}" for name in ("", " researcher", " writer")}
    tools = ("web_search", "code_interpreter", "agent_handoff researcher", "agent_handoff writer")
    assert names == {f"chat {MODEL}", *agents, *(f"execute_tool {tool}" for tool in tools)}
    # The loop and its function have no stream.
    (local,) = jaeger.search(service, {s.TOOL_NAME: "get_weather"})
    told = sorted((span["startTime"], span["operationName"]) for span in local["spans"])
    expected = ["invoke_agent", f"chat {MODEL}", "execute_tool get_weather", f"chat {MODEL}"]
    assert [name for _, name in told] == expected
