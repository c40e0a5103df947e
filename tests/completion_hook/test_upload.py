# SPDX-License-Identifier: Apache-2.0
"""The hook that the environment names: ``upload`` writes files, and what goes wrong is one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import names as s
from tests.support.recording import Recording, wait_until
from tests.support.said import ASKS, HELLO, SAID

ROOT = Path(__file__).parents[2]
HOOK = "OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK"
PATH = "OTEL_INSTRUMENTATION_GENAI_UPLOAD_BASE_PATH"
REFS = [
    s.INPUT_MESSAGES_REF, s.OUTPUT_MESSAGES_REF, s.SYSTEM_INSTRUCTIONS_REF,
    s.TOOL_DEFINITIONS_REF,
]  # fmt: skip
PROGRAM = """
import sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.instrumentation.genai.mistralai import instrument
blocked = sys.argv[2:]
sys.modules.update(dict.fromkeys(blocked))
instrument(tracer_provider=TracerProvider())
from mistralai.client import Mistral
client = Mistral(api_key="key", server_url=sys.argv[1])
for _ in range(2):
    list(client.beta.conversations.start_stream(inputs="Hello?", model="m"))
print(sorted(name for name in sys.modules if name.startswith("opentelemetry.util.genai")
             and name not in blocked))
"""


def ran(emulator: Emulator, *blocked: str, **variables: str) -> tuple[str, list[str]]:
    """Runs a program that configured no logging: what it printed, and its lines on stderr."""
    inherited = {key: value for key, value in os.environ.items() if "OTEL_" not in key}
    done = subprocess.run(  # noqa: S603 -- a program of ours
        [sys.executable, "-c", PROGRAM, emulator.url, *blocked],
        cwd=ROOT, env={**inherited, **variables}, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr.splitlines()


@pytest.mark.parametrize("mode", ["no_content", "span_and_event"])
@ASKS
def test_upload_writes_files_that_span_and_event_refer_to(
    client: Any, ask: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
) -> None:
    monkeypatch.setenv(HOOK, "upload")
    monkeypatch.setenv(PATH, str(tmp_path))
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT", "true")
    recording = Recording()
    instrument(**recording.providers, capture_content=mode)
    try:
        ask(client, "answer", instructions="Be brief.", tools=[{"type": "web_search"}])
    finally:
        uninstrument()
    attributes: Any = recording.the_span().attributes
    (log,) = recording.logs()
    files = [Path(attributes[ref].removeprefix("file://")) for ref in REFS]
    assert [(log.attributes or {})[ref] for ref in REFS] == [attributes[ref] for ref in REFS]
    wait_until(lambda: all(file.exists() and file.read_text().endswith("\n") for file in files))
    inputs, outputs, instructions, tools = [json.loads(file.read_text()) for file in files]
    assert [{key: message[key] for key in ("role", "parts")} for message in inputs] == HELLO
    assert [
        {key: message[key] for key in ("role", "parts", "finish_reason")} for message in outputs
    ] == [SAID["answer"]]
    assert instructions == [{"content": "Be brief.", "type": "text"}]
    assert tools == [{"name": "web_search", "type": "web_search"}]
    assert {file.parent for file in files} == {tmp_path}


def test_util_genai_is_imported_only_for_a_hook(emulator: Emulator, tmp_path: Path) -> None:
    assert ran(emulator) == ("[]", [])
    printed, said = ran(emulator, **{HOOK: "upload", PATH: str(tmp_path)})
    assert ("opentelemetry.util.genai.types" in printed, said) == (True, [])
    assert len(list(tmp_path.iterdir())) == 4


def test_without_util_genai_a_hook_is_one_warning_that_says_what_to_install(
    emulator: Emulator, tmp_path: Path
) -> None:
    printed, said = ran(
        emulator, "opentelemetry.util.genai", **{HOOK: "upload", PATH: str(tmp_path)}
    )
    assert printed == "[]"
    (line,) = said
    assert line.startswith(f"{HOOK} is ignored: it needs opentelemetry-util-genai 1.3b0 or newer")
    assert line.endswith("pip install 'opentelemetry-instrumentation-genai-mistralai[util]'")


ARGUMENT = """
import sys
sys.modules["opentelemetry.util.genai"] = None
from opentelemetry.instrumentation.genai.mistralai import instrument
class Hook:
    def on_completion(self, **said):
        raise AssertionError
instrument(completion_hook=Hook())
instrument(record_chunk_times=False)
"""


def test_without_util_genai_a_hook_that_is_given_is_one_warning_too() -> None:
    done = subprocess.run(  # noqa: S603 -- a program of ours
        [sys.executable, "-c", ARGUMENT], cwd=ROOT, capture_output=True, text=True, timeout=300,
        check=True,
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert line.startswith("completion_hook is ignored: it needs opentelemetry-util-genai 1.3b0")


@pytest.mark.parametrize("variables", [{HOOK: "uplaod"}, {HOOK: "upload"}])
def test_what_cannot_be_loaded_is_one_warning_and_the_calls_go_on(
    emulator: Emulator, variables: dict[str, str]
) -> None:
    _, said = ran(emulator, **variables)
    (line,) = said
    assert ("uplaod is not a valid option" in line) or (f"{PATH} is required" in line)


@pytest.mark.parametrize("value", ["true", "TRUE", "everything"])
def test_an_unknown_mode_is_one_warning_where_no_logging_is_configured(
    emulator: Emulator, value: str
) -> None:
    variable = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
    _, said = ran(emulator, **{variable: value})
    warning = (
        f"{variable}={value} is none of no_content, span_only, event_only, span_and_event:"
        " content is not captured"
    )
    assert said == [warning]
