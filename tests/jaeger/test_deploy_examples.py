# SPDX-License-Identifier: Apache-2.0
"""The deployment examples: their compose files fit their configurations, and Jaeger takes those.

That they do what they say is for ``make test-deploy``.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.jaeger.server import binary

DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
# ${env:NAME} or ${env:NAME:-default}
_VARIABLE = re.compile(r"\$\{env:(\w+)(:-)?")


@dataclass(frozen=True)
class Service:
    """A service of a compose file that runs a configuration of ours."""

    command: tuple[str, ...]
    environment: dict[str, str]
    config: Path
    target: str
    """Where the configuration is inside."""


def compose_files() -> list[Path]:
    """All of them."""
    return sorted(DEPLOY.glob("*/compose.yaml"))


def mounts(compose: Path) -> list[tuple[dict[str, Any], Path, str]]:
    """What is mounted from beside the compose file: the service, the file and its place inside."""
    services: dict[str, dict[str, Any]] = yaml.safe_load(compose.read_text())["services"]
    return [
        (service, (compose.parent / source).resolve(), target)
        for service in services.values()
        for source, target in (volume.split(":")[:2] for volume in service.get("volumes", ()))
        if source.startswith(".")
    ]


def services() -> list[Any]:
    """Each service with a configuration of ours, named after both."""
    return [
        pytest.param(
            Service(tuple(service["command"]), service.get("environment", {}), config, target),
            id=f"{compose.parent.name}-{config.stem}",
        )
        for compose in compose_files()
        for service, config, target in mounts(compose)
    ]


def test_every_configuration_is_mounted_by_a_compose_file() -> None:
    mounted = {config for compose in compose_files() for _, config, _ in mounts(compose)}
    assert mounted == set(DEPLOY.glob("*/*.yaml")) - set(compose_files())


@pytest.mark.parametrize("compose", compose_files(), ids=lambda path: path.parent.name)
def test_images_have_versions_and_ports_are_this_machines(compose: Path) -> None:
    for service in yaml.safe_load(compose.read_text())["services"].values():
        assert re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


@pytest.mark.parametrize("service", services())
def test_a_service_reads_what_is_mounted_and_what_is_set(service: Service) -> None:
    assert service.config.is_file()
    assert service.target in service.command
    variables = _VARIABLE.findall(service.config.read_text())
    needed = {name for name, default in variables if not default}
    assert needed <= set(service.environment)
    # A variable that nobody reads is a setting that does nothing.
    assert set(service.environment) <= {name for name, _ in variables}


@pytest.mark.usefixtures("jaeger")
@pytest.mark.parametrize("service", services())
def test_jaeger_takes_the_configuration(service: Service) -> None:
    command = [str(binary()), "validate", "--config", str(service.config)]
    environment = {**os.environ, **service.environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
