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
CONFIGURATIONS = {
    *DEPLOY.glob("*/*.conf"),
    *(path for path in DEPLOY.glob("*/*.yaml") if "service:" in path.read_text().splitlines()),
    *DEPLOY.glob("*/*.yml"),
}
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
        for volume in service.get("volumes", ())
        if volume.startswith(".")
        for source, target in (volume.split(":")[:2],)
    ]


def services() -> list[Any]:
    """Each service of Jaeger's binary with a configuration of ours, named after both."""
    return [
        pytest.param(
            Service(tuple(service["command"]), service.get("environment", {}), config, target),
            id=f"{compose.parent.name}-{config.stem}",
        )
        for compose in compose_files()
        for service, config, target in mounts(compose)
        if service["image"].startswith("jaegertracing/")
    ]


def all_services() -> list[Any]:
    """Each service of each compose file, named after both."""
    return [
        pytest.param(service, id=f"{compose.parent.name}-{name}")
        for compose in compose_files()
        for name, service in yaml.safe_load(compose.read_text())["services"].items()
    ]


def test_every_configuration_is_mounted_by_a_compose_file() -> None:
    mounted = {config for compose in compose_files() for _, config, _ in mounts(compose)}
    assert mounted >= CONFIGURATIONS
    # What only who runs it has.
    mounted -= {DEPLOY / "secured" / "secrets"}
    assert all(config.is_file() for config in mounted)


@pytest.mark.parametrize("service", all_services())
def test_images_have_versions_and_ports_are_this_machines(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"])
    # Whoever asks for a token may be reached from other machines.
    if "gateway" not in str(service["volumes" if "volumes" in service else "image"]):
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


@pytest.mark.parametrize("service", all_services())
def test_a_service_is_not_root_and_has_limits(service: dict[str, Any]) -> None:
    assert {"mem_limit", "cpus"} <= set(service)
    assert service["cap_drop"] == ["ALL"]
    if service["user"] == "0":
        # Gives a new volume to who needs it, and is gone.
        assert service["command"][0] == "chown"
        assert service["network_mode"] == "none"
        assert "restart" not in service
    else:
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("compose", compose_files(), ids=lambda path: path.parent.name)
def test_every_part_is_asked_for_its_health(compose: Path) -> None:
    document = yaml.safe_load(compose.read_text())
    lasting = {
        name: service for name, service in document["services"].items() if service["user"] != "0"
    }
    asked = " ".join(str(service.get("healthcheck")) for service in lasting.values())
    # Its own, or another's that asks it by name.
    assert [
        name
        for name, service in lasting.items()
        if "healthcheck" not in service and f"//{name}:" not in asked
    ] == []


@pytest.mark.parametrize("compose", compose_files(), ids=lambda path: path.parent.name)
def test_what_is_kept_is_on_a_volume(compose: Path) -> None:
    document = yaml.safe_load(compose.read_text())
    kept = {"jaeger", "loki", "prometheus", "kafka", "cassandra"} & set(document["services"])
    volumes = {
        volume.split(":")[0]
        for name in kept
        for volume in document["services"][name]["volumes"]
        if not volume.startswith((".", "/"))
    }
    assert volumes == set(document["volumes"])
    assert len(volumes) == len(kept)


@pytest.mark.parametrize("config", sorted(DEPLOY.glob("*/prometheus.yml")), ids=str)
def test_prometheus_looks_at_every_part(config: Path) -> None:
    document = yaml.safe_load(config.read_text())
    services = yaml.safe_load(config.with_name("compose.yaml").read_text())["services"]
    scraped: set[str] = set()
    for job in document["scrape_configs"]:
        for group in job.get("static_configs", ()):
            scraped |= {target.split(":")[0] for target in group["targets"]}
        for group in job.get("dns_sd_configs", ()):
            scraped |= set(group["names"])
    # Kafka and Cassandra speak JMX, and what waits for them says how they are.
    assert scraped == set(services) - {"owner", "prometheus", "kafka", "cassandra", "loki-health"}
    mounted = {Path(volume.split(":")[1]).name for volume in services["prometheus"]["volumes"]}
    assert {config.name, *document["rule_files"]} <= mounted


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
