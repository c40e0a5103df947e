# SPDX-License-Identifier: Apache-2.0
"""A Kafka and a Cassandra of the tests' own, from the jars of Maven Central."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.deploy.parts import Part, free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

_HERE = Path(__file__).parent
_COMPOSE = _HERE.parents[1] / "examples" / "deploy" / "kafka_cassandra" / "compose.yaml"
_CLUSTER_ID = "bWlzdHJhbC1nZW5haS1vdA"


def java() -> str:
    """The Java that runs both; Kafka 4 needs 17, Cassandra 5 knows none newer than that."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else "java"


def jars() -> Path:
    """Where ``download.sh`` puts the jars."""
    command = [str(_HERE / "jars" / "download.sh"), "where"]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())  # noqa: S603


class Kafka:
    """One broker, that keeps what it has acknowledged when it is killed."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        """Starts one that ends with the stack.

        Args:
            stack: what ends it.
            folder: where it works, and what it keeps.
        """
        self.port, controller_port = free_ports(2)
        self._folder = folder
        values = {"folder": folder, "port": self.port, "controller_port": controller_port}
        properties = _fill("kafka.properties", folder, values)
        command = [java(), "-Xms256m", "-Xmx512m", "-cp", f"{jars()}/kafka/*"]
        storage = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(properties)]
        subprocess.run([*command, *storage], check=True, capture_output=True)  # noqa: S603
        self.part = Part("kafka", [*command, "kafka.Kafka", str(properties)], folder, {})
        stack.callback(self.part.kill)

    def bytes_of(self, topic: str) -> int:
        """What the messages of a topic take on disk, in bytes."""
        return sum(log.stat().st_size for log in self._folder.glob(f"data/{topic}-*/*.log"))


class Cassandra:
    """One node."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        """Starts one that ends with the stack.

        Args:
            stack: what ends it.
            folder: where it works, and what it keeps.
        """
        self.port, storage_port, ssl_port, self._jmx_port = free_ports(4)
        self._folder = folder
        values = {
            "folder": folder,
            "jars": jars() / "cassandra",
            "port": self.port,
            "storage_port": storage_port,
            "ssl_port": ssl_port,
            "jmx_port": self._jmx_port,
        }
        _fill("cassandra.yaml", folder, values)
        _fill("logback.xml", folder, {})
        options = _fill("cassandra.jvm", folder, values)
        self._command = [java(), f"@{options}", "-cp", f"{folder}:{jars()}/cassandra/*"]
        environment = yaml.safe_load(_COMPOSE.read_text())["services"]["cassandra"]["environment"]
        daemon = "org.apache.cassandra.service.CassandraDaemon"
        command = [*self._command, *environment["JVM_EXTRA_OPTS"].split(), daemon]
        self.part = Part("cassandra", command, folder, {})
        stack.callback(self.part.kill)

    def bytes_of(self, keyspace: str) -> int:
        """What a keyspace takes on disk, in bytes, once everything is in its files."""
        tool = ["org.apache.cassandra.tools.NodeTool", "-p", str(self._jmx_port), "flush"]
        subprocess.run([*self._command, *tool, keyspace], check=True, capture_output=True)  # noqa: S603
        files = self._folder.glob(f"data/data/{keyspace}/**/*")
        return sum(file.stat().st_size for file in files if file.is_file())


def _fill(name: str, folder: Path, values: Mapping[str, object]) -> Path:
    text = (_HERE / name).read_text()
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", str(value))
    filled = folder / name
    filled.write_text(text)
    return filled
