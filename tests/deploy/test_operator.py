# SPDX-License-Identifier: Apache-2.0
"""Zero code as the OpenTelemetry Operator does it: a folder in PYTHONPATH, and an ignorant program.

The folder has of the Operator's image what Python instrumentation begins with, and all that the
example's Dockerfile adds. The program's own environment has the Mistral SDK and nothing of ours.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.deploy.gateway import DEPLOY
from tests.support import names as s
from tests.zero_code.commands import ROOT, environment
from tests.zero_code.receiver import receive

if TYPE_CHECKING:
    from emulator import Emulator

# From autoinstrumentation/python/requirements.txt of the Operator 0.140.0.
IMAGE = (
    "opentelemetry-distro==0.59b0",
    "urllib3<2.6.0",
    "opentelemetry-exporter-otlp-proto-http==1.38.0",
    "opentelemetry-propagator-b3==1.38.0",
    "opentelemetry-instrumentation==0.59b0",
    "opentelemetry-instrumentation-httpx==0.59b0",
)
SCOPE = "opentelemetry.instrumentation.genai.mistralai"


@pytest.fixture(scope="module")
def injected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Operator copies out of the image into each pod."""
    folder = tmp_path_factory.mktemp("operator") / "otel-auto-instrumentation-python"
    install("--target", str(folder), *IMAGE)
    dockerfile = (DEPLOY / "operator" / "Dockerfile").read_text()
    [arguments] = re.findall(r"^RUN pip install (.*)$", dockerfile, re.MULTILINE)
    assert arguments.endswith(" --target /plugin opentelemetry-instrumentation-genai-mistralai")
    # What COPY does: the files of both in one folder.
    install("--target", str(folder), *arguments.split(" --target ")[0].split(), str(ROOT))
    return folder


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the Mistral SDK."""
    folder = tmp_path_factory.mktemp("application") / "venv"
    uv("venv", "--python", sys.executable, str(folder))
    python = folder / "bin" / "python"
    install("--python", str(python), "mistralai")
    return python


def uv(*arguments: str) -> None:
    """Runs it; it must succeed."""
    command = [str(Path(sys.executable).with_name("uv")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr


def install(*arguments: str) -> None:
    """Installs packages."""
    uv("pip", "install", *arguments)


def test_a_program_that_knows_nothing_is_seen(
    injected: Path, application: Path, emulator: Emulator
) -> None:
    manifest = yaml.safe_load((DEPLOY / "operator" / "instrumentation.yaml").read_text())["spec"]
    given = {each["name"]: each["value"] for each in manifest["python"]["env"]}
    with receive() as receiver:
        # As injectPythonSDK and its neighbours in the Operator set them.
        variables = environment(
            emulator.url,
            PYTHONPATH=f"{injected}/opentelemetry/instrumentation/auto_instrumentation:{injected}",
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_TRACES_EXPORTER="otlp",
            OTEL_METRICS_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_SERVICE_NAME="shop",
            OTEL_PROPAGATORS=",".join(manifest["propagators"]),
            OTEL_TRACES_SAMPLER=manifest["sampler"]["type"],
            **{**given, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"},
        )
        program = ROOT / "examples" / "zero_code" / "ask.py"
        done = subprocess.run(  # noqa: S603
            [str(application), str(program)],
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        spans = receiver.spans_in(SCOPE)
        asked = [span for span in spans if span.kind == "CLIENT"]
        assert [span.attributes[s.STREAM_OUTCOME] for span in asked] == ["completed"] * 2
        assert {span.resource["service.name"] for span in spans} == {"shop"}
        counts = [point.value[0] for point in receiver.points if point.name == s.METRIC_DURATION]
        assert sum(counts) == 2
