# SPDX-License-Identifier: Apache-2.0
"""``make jaeger`` and ``make jaeger-run``: what they say, and that Ctrl-C ends them quietly."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from examples.fastapi_chat.jaeger import find_jaeger
from tests.examples.interrupting import running
from tests.examples.running import ROOT, run, without_settings
from tests.jaeger.server import needed_binary
from tests.support.servers import free_ports
from tests.support.systems import needs_posix

if TYPE_CHECKING:
    import pytest

pytestmark = needs_posix

_HERE: Final = Path(__file__).parent
_PORTS: Final = ("JAEGER_QUERY_PORT", "JAEGER_OTLP_PORT", "JAEGER_GRPC_PORT")
# Builds what it is told to, saying as much as the real one does.
_GO: Final = """#!/bin/sh
for package in $(seq 250); do echo "example.com/of/package$package" >&2; done
echo "go: something else" >&2
while [ "$1" != -o ]; do shift; done
echo built > "$2"
"""
_HANGING_GO: Final = """#!/bin/sh
for package in $(seq 100); do echo "example.com/of/package$package" >&2; done
exec sleep 1000
"""


def with_go(folder: Path, program: str) -> dict[str, str]:
    """Variables with which build.sh finds this ``go``, and no Jaeger."""
    go = folder / "bin" / "go"
    go.parent.mkdir()
    go.write_text(program)
    go.chmod(0o755)
    path = os.pathsep.join([str(go.parent), os.environ["PATH"]])
    return {"PATH": path, "JAEGER_BIN": str(folder / "cache" / "jaeger")}


def test_the_build_says_what_it_does_and_how_long_and_how_far_it_is(tmp_path: Path) -> None:
    variables = with_go(tmp_path, _GO)
    built = run([str(_HERE / "build.sh")], **variables)
    # The path alone, which other programs read.
    assert (built.returncode, built.stdout.decode()) == (0, variables["JAEGER_BIN"] + "\n")
    said = built.stderr.decode()
    assert said.startswith("Building Jaeger 2.13 from its Go module, once, into ")
    assert "3 to 30 minutes" in said
    assert "1.3 GB" in said
    assert "  200 of about 2,000 modules and packages\ngo: something else\n" in said
    assert "package7" not in said
    again = run([str(_HERE / "build.sh")], **variables)
    assert (again.stdout, again.stderr) == (built.stdout, b"")


def test_an_interrupted_build_is_quiet_and_leaves_nothing_half(tmp_path: Path) -> None:
    variables = with_go(tmp_path, _HANGING_GO)
    command = ["make", "--no-print-directory", "jaeger"]
    with running(command, without_settings(**variables)) as build:
        build.wait_for("  100 of about 2,000")
        _code, printed = build.interrupt()
    assert printed == ""
    assert list((tmp_path / "cache").iterdir()) == []


def test_it_runs_says_where_and_ends_quietly(capfd: pytest.CaptureFixture[str]) -> None:
    ports: dict[str, str] = dict(zip(_PORTS, map(str, free_ports(3)), strict=True))
    settings = without_settings(**ports, JAEGER_BIN=str(needed_binary()))
    query, otlp = (f"http://127.0.0.1:{ports[name]}" for name in _PORTS[:2])
    with running(["make", "--no-print-directory", "jaeger-run"], settings) as jaeger:
        jaeger.wait_for("no web UI.\n")
        said = jaeger.said.decode()
        assert said.startswith(f"Jaeger runs at {query} until Ctrl-C.")
        assert f"OTEL_EXPORTER_OTLP_ENDPOINT={otlp} make demo" in said
        # The chat's way to it: its links lead to what this Jaeger can show.
        assert find_jaeger(ports) == {
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
            "JAEGER_UI": query,
            "JAEGER_TRACE": f"{query}/api/traces/{{}}?prettyPrint=true",
        }
        chat = [sys.executable, "-m", "examples.fastapi_chat", "--port", "0"]
        with running(chat, without_settings(**ports)) as chatting:
            chatting.wait_for("running on http://127.0.0.1:")
            assert f"Each answer is a trace in Jaeger at {query}\n" in chatting.said.decode()
            chatting.interrupt()
        second = run([str(_HERE / "run.sh")], **ports, JAEGER_BIN=str(needed_binary()))
        assert second.returncode == 1
        assert (
            f"something listens on 127.0.0.1:{ports[_PORTS[0]]} already" in second.stderr.decode()
        )
        _code, printed = jaeger.interrupt()
    assert printed == ""
    assert find_jaeger(ports) is None
    assert capfd.readouterr() == ("", "")


def test_the_targets_of_the_readme_are_these_scripts() -> None:
    for target, script in (("jaeger", "build.sh"), ("jaeger-run", "run.sh")):
        recipe = run(["make", "--dry-run", target]).stdout.decode()
        assert f"tests/jaeger/{script}" in recipe
    assert (ROOT / "tests/jaeger/run.sh").stat().st_mode & 0o111
