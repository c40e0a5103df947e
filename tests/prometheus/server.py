# SPDX-License-Identifier: Apache-2.0
"""A Prometheus of the tests' own: how it is found, started and asked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.support.servers import START_SECONDS, Server, free_ports, launch, running, without

if TYPE_CHECKING:
    import subprocess
    from contextlib import AbstractContextManager

# A series' labels.
Labels = frozenset[tuple[str, str]]

CONFIG = Path(__file__).parents[2] / "examples" / "prometheus" / "prometheus.yml"
RULES = (CONFIG.with_name("prices.yml"), CONFIG.with_name("alerts.yml"))
TARGET = "127.0.0.1:9464"


def binary() -> Path:
    """Where the binary is, or would be: the rule of ``get.sh``."""
    if chosen := os.environ.get("PROMETHEUS_BIN"):
        return Path(chosen)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "opentelemetry-genai-mistralai" / "prometheus-debian" / "prometheus"


def needed_binary() -> Path:
    """Prometheus' binary; without it the test that asks skips, and fails in CI."""
    return _needed(binary())


def needed_promtool() -> Path:
    """The tool that comes with Prometheus, and lies beside it."""
    return _needed(binary().with_name("promtool"))


def _needed(path: Path) -> Path:
    if not os.access(path, os.X_OK):
        without(f"no {path.name} at {path}: get one with `make prometheus`")
    return path


class Prometheus(Server):
    """A running Prometheus with the example's configuration."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        """Takes charge of a process that has just been started."""
        super().__init__(process, log)
        self.url = f"http://127.0.0.1:{port}"

    def wait_until_it_answers(self) -> None:
        """Returns when it takes queries."""
        # Ready is plain text; anything but 200 is "not yet".
        self.poll(self._ready, START_SECONDS)

    def query(self, promql: str, at: float | None = None) -> dict[Labels, float]:
        """The values of an instant vector by their labels, the metric's name among them.

        Args:
            promql: an expression whose value is an instant vector.
            at: seconds since the epoch; None: now.
        """
        answer = self.api("query", query=promql, **({} if at is None else {"time": f"{at:.3f}"}))
        assert answer["resultType"] == "vector"
        return {
            frozenset(row["metric"].items()): float(row["value"][1]) for row in answer["result"]
        }

    def api(self, method: str, **arguments: str) -> Any:
        """What a method of the HTTP API answers."""
        answer = self.fetch_json(f"{self.url}/api/v1/{method}?{urlencode(arguments)}")
        assert answer is not None, f"Prometheus has no {method}"
        assert answer["status"] == "success", answer
        return answer["data"]

    def _ready(self) -> bool | None:
        try:
            return True if self.fetch_json(f"{self.url}/api/v1/status/buildinfo") else None
        except AssertionError:  # 503 while it starts
            return None


def run_prometheus(path: Path, folder: Path, target: str) -> AbstractContextManager[Prometheus]:
    """Runs Prometheus on a free port until the block is left.

    Args:
        path: the binary.
        folder: an empty one, for its data and its log.
        target: host and port that it scrapes, in the place of the example's.
    """
    config = write_config(folder, target)
    return running(lambda: started(path, config))


def write_config(folder: Path, target: str) -> Path:
    """Writes the example's configuration, with its rules, for another target; returns its path."""
    written = CONFIG.read_text()
    assert written.count(TARGET) == 1
    config = folder / CONFIG.name
    config.write_text(written.replace(TARGET, target))
    for rules in RULES:
        shutil.copy(rules, folder)
    return config


def started(path: Path, config: Path) -> Prometheus:
    """Starts the Prometheus at this path, on a free port, beside its configuration."""
    (port,) = free_ports(1)
    command = [
        str(path),
        f"--config.file={config}",
        f"--storage.tsdb.path={config.with_name('data')}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]
    log = config.with_name("prometheus.log")
    return Prometheus(launch(command, log, dict(os.environ)), port, log)
