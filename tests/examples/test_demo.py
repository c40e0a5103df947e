# SPDX-License-Identifier: Apache-2.0
"""The demo: whom it asks, what it draws, and what it says when nothing comes of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.examples.running import ROOT, run
from tests.examples.silent_api import serve_api
from tests.support.servers import free_ports
from tests.support.strict import STRICT
from tests.zero_code.receiver import receive

if TYPE_CHECKING:
    import subprocess

DEMO: Final = (sys.executable, *STRICT, "-m", "examples.quickstart")
NAMES: Final = [
    "chat mistral-medium-latest",
    "  execute_tool web_search",
    "chat mistral-medium-latest",
    "invoke_agent",
    "  execute_tool agent_handoff researcher",
    "  invoke_agent researcher",
    "    execute_tool web_search",
    "    execute_tool agent_handoff writer",
    "  invoke_agent writer",
    "    execute_tool code_interpreter",
    "invoke_agent",
    "  chat mistral-medium-latest",
    "  execute_tool get_weather",
    "  chat mistral-medium-latest",
]
TOKENS: Final = {
    0: "142 in, 38 out, 1024 tools",
    2: "24 in, 29 out",
    3: "90 in, 20 out, 500 tools",
    11: "18 in, 6 out",
    13: "32 in, 8 out",
}


def drawn(done: subprocess.CompletedProcess[bytes], encoding: str = "utf-8") -> list[str]:
    """The lines of the waterfall."""
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    lines = done.stdout.decode(encoding).splitlines()
    begin = lines.index("What was recorded")
    return lines[begin + 1 : lines.index("", begin)]


@pytest.mark.parametrize(
    ("width", "variables"),
    [
        # A pipe has no width, and is drawn for 80 columns.
        (80, {}),
        (200, {"COLUMNS": "200"}),
        (80, {"PYTHONIOENCODING": "ascii", "LANG": "C"}),
    ],
)
def test_tree_and_tokens_fit_into_the_terminal_and_use_it(
    width: int, variables: dict[str, str]
) -> None:
    ascii_only = "PYTHONIOENCODING" in variables
    heading, *rows = drawn(run(DEMO, **variables), "ascii" if ascii_only else "utf-8")
    assert len(rows) == len(NAMES)
    assert [row.startswith(name + " ") for row, name in zip(rows, NAMES, strict=True)] == [
        True
    ] * 14
    for at, tokens in TOKENS.items():
        assert rows[at].endswith(tokens)
    assert max(map(len, rows)) == width
    assert heading.startswith("span ")
    assert all(("#" if ascii_only else "█") in row for row in rows)


def test_the_texts_agree_with_each_other() -> None:
    done = run(DEMO)
    assert "It is 22 degrees in Paris." in done.stdout.decode()
    assert 'return f"22 degrees in {city}"' in (ROOT / "examples/quickstart.py").read_text()


def test_a_key_alone_asks_nobody_but_the_emulator() -> None:
    with serve_api() as api:
        done = run(DEMO, MISTRAL_API_KEY="k", MISTRAL_SERVER_URL=api.url)
    drawn(done)
    assert "MISTRAL_API_KEY is not used" in done.stdout.decode()
    assert not api.was_asked


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (401, "Mistral refused your MISTRAL_API_KEY: status 401.\n"),
        (422, "Mistral failed: status 422.\n"),
    ],
)
def test_a_refusal_is_one_line(status: int, line: str) -> None:
    with serve_api(answers=9, status=status) as api:
        done = run([*DEMO, "--real"], MISTRAL_API_KEY="k", MISTRAL_SERVER_URL=api.url)
    assert (done.returncode, done.stderr.decode()) == (1, line)
    assert "cost money" in done.stdout.decode()


def test_without_a_key_or_a_network_there_is_one_line_too() -> None:
    done = run([*DEMO, "--real"])
    assert done.returncode == 1
    assert done.stderr.decode().startswith("MISTRAL_API_KEY is not set.")
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    done = run([*DEMO, "--real"], MISTRAL_API_KEY="k", MISTRAL_SERVER_URL=nobody)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("Mistral was not reached: ConnectError: ")
    assert done.stderr.count(b"\n") == 1


def test_make_passes_the_wish_for_the_real_api_on() -> None:
    plain = run(["make", "--dry-run", "demo"]).stdout.decode()
    real = run(["make", "--dry-run", "demo", "REAL=1"]).stdout.decode()
    assert "--real" not in plain
    assert "-m examples.quickstart --real" in real


def test_where_nobody_takes_spans_it_says_so_and_fails() -> None:
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    done = run(DEMO, OTEL_EXPORTER_OTLP_ENDPOINT=nobody, OTEL_EXPORTER_OTLP_TIMEOUT="2")
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"Not sent: nothing took it at {nobody}.")
    assert b"Traceback" not in done.stderr
    assert "Sent." not in done.stdout.decode()


def test_what_is_sent_it_says_was_sent() -> None:
    with receive() as receiver:
        done = run(DEMO, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
        assert len(receiver.spans) == len(NAMES)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().endswith(f"Sending to {receiver.url} ...\nSent.\n")


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED=true switches OpenTelemetry off."),
        (
            {"OTEL_TRACES_SAMPLER": "always_off", "COLUMNS": "120"},
            "OTEL_TRACES_SAMPLER=always_off leaves every trace out (AlwaysOffSampler).",
        ),
        (
            {
                "OTEL_TRACES_SAMPLER": "traceidratio",
                "OTEL_TRACES_SAMPLER_ARG": "0",
                "COLUMNS": "200",
            },
            "OTEL_TRACES_SAMPLER=traceidratio and OTEL_TRACES_SAMPLER_ARG=0 leaves every trace out",
        ),
    ],
)
def test_where_nothing_is_recorded_it_says_why(variables: dict[str, str], why: str) -> None:
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    done = run(DEMO, **variables, OTEL_EXPORTER_OTLP_ENDPOINT=nobody)
    assert (done.returncode, done.stderr) == (0, b"")
    printed = done.stdout.decode()
    assert f"No span was recorded: {why}" in printed
    assert "There was no span to send." in printed
    assert "What was recorded" not in printed


def test_the_variable_of_another_command_is_told_apart() -> None:
    done = run(DEMO, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="genai-mistralai")
    assert "is for opentelemetry-instrument" in done.stdout.decode()
    assert [row for row in drawn(done) if "execute_tool get_weather" in row]
