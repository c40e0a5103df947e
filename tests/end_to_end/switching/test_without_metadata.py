# SPDX-License-Identifier: Apache-2.0
"""Packages without the metadata that pip writes: PyInstaller, pex, slimmed layers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import MistralAIInstrumentor
from opentelemetry.instrumentation.genai.mistralai._sdk.versions import (
    conflict,
    only_metadata_is_missing,
)
from tests.support import sdk

PROGRAM: Final = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
for package in ("mistralai", "opentelemetry-instrumentation-genai-mistralai"):
    try:
        version(package)
    except PackageNotFoundError:
        continue
    raise AssertionError(package)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import opentelemetry.instrumentation.genai.mistralai as ours
spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
%s
Mistral = __import__(sys.argv[2], fromlist=["Mistral"]).Mistral
with Mistral(api_key="key", server_url=sys.argv[1]) as client:
    client.chat.complete(model="m", messages=[{"role": "user", "content": "Hello?"}])
print(json.dumps([span.name for span in spans.get_finished_spans()]))
"""


@pytest.fixture(scope="module")
def slimmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that is installed here, without the metadata of mistralai and of the plugin."""
    folder = tmp_path_factory.mktemp("slimmed")
    for installed in Path(sysconfig.get_paths()["purelib"]).iterdir():
        plain = installed.name.replace("_", "-").lower()
        without = plain.endswith((".dist-info", ".pth")) and "mistral" in plain
        if not without:
            (folder / installed.name).symlink_to(installed)
    return folder


@pytest.mark.parametrize(
    "switch",
    [
        "ours.instrument(tracer_provider=provider)",
        "ours.MistralAIInstrumentor().instrument(tracer_provider=provider)",
    ],
)
def test_an_sdk_without_metadata_is_recorded_without_a_word(
    emulator: Emulator, slimmed: Path, switch: str
) -> None:
    emulator.clear()
    source = Path(__file__).parents[3] / "src"
    # Namespace packages: what is ours beside what OpenTelemetry has installed.
    path = os.pathsep.join([str(source), str(slimmed)])
    command = [sys.executable, "-S", "-W", "error::RuntimeWarning", "-c", PROGRAM % switch]
    ran = subprocess.run(  # noqa: S603 -- a program of ours
        [*command, emulator.url, sdk.ROOT],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout) == ["chat m"]


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No metadata of the SDK, and nothing of it imported."""
    from importlib.metadata import PackageNotFoundError

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("opentelemetry.instrumentation.dependencies.version", missing)
    for name in ("mistralai", "mistralai.client", "mistralai_azure", "mistralai_gcp"):
        monkeypatch.setitem(sys.modules, f"{name}._version", None)
    return monkeypatch


def says(monkeypatch: pytest.MonkeyPatch, package: str, version: object) -> None:
    """The SDK's module says this version."""
    module: Any = ModuleType(f"{package}._version")
    module.__version__ = version
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize("package", ["mistralai", "mistralai.client"])
@pytest.mark.parametrize("version", ["1.8.0", "3.99.1", "3.0.0rc1"])
def test_the_sdks_own_version_is_asked(
    nothing_installed: pytest.MonkeyPatch, package: str, version: str
) -> None:
    says(nothing_installed, package, version)
    assert conflict(package) is None


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("1.5.0", '"mistralai 1.5.0") falls outside of that range'),
        ("4.0.0", '"mistralai 4.0.0") falls outside of that range'),
        (None, "no installed version was found"),
        (7, "no installed version was found"),
    ],
)
def test_what_is_not_supported_or_has_no_version_at_all_is_told_in_one_line(
    nothing_installed: pytest.MonkeyPatch, version: object, line: str
) -> None:
    says(nothing_installed, "mistralai", version)
    assert line in str(conflict("mistralai"))


def test_a_client_that_numbers_itself_is_taken_as_it_is(
    nothing_installed: pytest.MonkeyPatch,
) -> None:
    says(nothing_installed, "mistralai_azure", "0.9.0")
    assert conflict("mistralai_azure") is None
    assert conflict("mistralai_gcp") is not None
    says(nothing_installed, "mistralai", "1.5.0")
    assert conflict("mistralai_azure") is not None


def test_the_instrumentor_lets_the_import_decide_only_if_the_sdk_is_there(
    nothing_installed: pytest.MonkeyPatch,
) -> None:
    check = MistralAIInstrumentor()._check_dependency_conflicts  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    assert check() is None

    def missing(_name: str) -> None:
        return None

    nothing_installed.setattr("importlib.util.find_spec", missing)
    assert "no installed version was found" in str(check())


def test_a_version_that_is_known_and_wrong_is_a_conflict_at_once() -> None:
    from opentelemetry.instrumentation.dependencies import DependencyConflict

    assert not only_metadata_is_missing(DependencyConflict("mistralai >= 1.8.0", "mistralai 1.5.0"))
    assert not only_metadata_is_missing(None)
