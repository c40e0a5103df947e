# SPDX-License-Identifier: Apache-2.0
"""The Prometheus of a deployment, with its configuration and all of its rules."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.deploy.parts import fetch
from tests.prometheus.server import RULES, Prometheus, needed_binary
from tests.support.servers import free_ports, launch, running

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack

    from tests.deploy.jaegers import JaegerPart

_DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
_PARTS = _DEPLOY / "prometheus" / "parts.yml"
_RULES = (_PARTS, *RULES)


def jobs(config: str) -> set[str]:
    """What a configuration of the examples scrapes."""
    return {job["job_name"] for job in _read(config)["scrape_configs"]}


def run_prometheus(
    stack: ExitStack, config: str, folder: Path, targets: Mapping[str, Sequence[str]]
) -> Prometheus:
    """Runs it on a free port until the stack is left; each second it looks and follows rules.

    Args:
        stack: what ends it.
        config: the file, below ``examples/deploy``.
        folder: where it works; it is made.
        targets: where each of its jobs is in this test; jobs that are not named are left out.
    """
    folder.mkdir()
    document = _read(config)
    kept = [job for job in document["scrape_configs"] if job["job_name"] in targets]
    assert len(kept) == len(targets), "a job that the configuration does not have"
    for job in kept:
        # The names of services, which only their network knows.
        assert job.pop("static_configs", None) or job.pop("dns_sd_configs")
        job["static_configs"] = [{"targets": list(targets[job["job_name"]])}]
    document["scrape_configs"] = kept
    document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    written = folder / "prometheus.yml"
    # JSON is YAML.
    written.write_text(json.dumps(document))
    for rules in _RULES:
        shutil.copy(rules, folder)
    # Nobody waits for minutes here.
    parts = folder / _PARTS.name
    parts.write_text(re.sub(r"for: \d+m", "for: 1s", parts.read_text()))
    return stack.enter_context(running(lambda: _started(written)))


def values(prometheus: Prometheus, query: str, label: str) -> dict[str, float]:
    """What a query answers, by one of its labels."""
    return {dict(labels)[label]: value for labels, value in prometheus.query(query).items()}


def names(part: JaegerPart) -> set[str]:
    """The metrics that a part has of itself."""
    status, body = fetch(f"http://{part.telemetry}/metrics")
    assert status == 200
    return set(re.findall(r"^(\w+)(?=[{ ])", body.decode(), re.MULTILINE))


def total(part: JaegerPart, counter: str) -> float:
    """A counter of a part, all of its series together.

    Args:
        part: whose.
        counter: its name without ``otelcol_`` and ``_total``.
    """
    _, body = fetch(f"http://{part.telemetry}/metrics")
    series = re.findall(rf"^otelcol_{counter}_total{{.*}} (\S+)$", body.decode(), re.MULTILINE)
    return sum(map(float, series))


def asked_names() -> set[str]:
    """The metrics that the parts' alerts ask for."""
    return set(re.findall(r"\botelcol_\w+", _PARTS.read_text()))


def _read(config: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((_DEPLOY / config).read_text())
    return document


def _started(config: Path) -> Prometheus:
    (port,) = free_ports(1)
    command = [
        str(needed_binary()),
        f"--config.file={config}",
        f"--storage.tsdb.path={config.with_name('data')}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]
    log = config.with_name("prometheus.log")
    return Prometheus(launch(command, log, dict(os.environ)), port, log)
