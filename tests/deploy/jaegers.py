# SPDX-License-Identifier: Apache-2.0
"""The Jaeger binary in the roles of the examples, with the examples' own configurations."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from tests.deploy.parts import Part, fetch, free_ports
from tests.jaeger.server import Jaeger, binary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

_EXAMPLES = Path(__file__).parents[2] / "examples" / "deploy"


class JaegerPart(Part):
    """A Jaeger binary that also tells of its health and counts what it does."""

    def __init__(
        self,
        name: str,
        config: str,
        folder: Path,
        environment: Mapping[str, str],
        settings: Mapping[str, str],
    ) -> None:
        """Starts it; see `run_jaeger`."""
        telemetry, health, metrics = free_ports(3)
        self.telemetry = f"127.0.0.1:{telemetry}"
        """Where its own metrics are."""
        self.metrics = f"127.0.0.1:{metrics}"
        """Where the programs' metrics are, if it shows them."""
        self._health_url = f"http://127.0.0.1:{health}/status"
        command = [str(binary()), "--config", str(_EXAMPLES / config)]
        command += [f"--set={key}={value}" for key, value in settings.items()]
        ports = {
            "TELEMETRY_HOST": "127.0.0.1",
            "TELEMETRY_PORT": str(telemetry),
            "HEALTH_ENDPOINT": f"127.0.0.1:{health}",
            "METRICS_ENDPOINT": self.metrics,
        }
        super().__init__(name, command, folder, {**ports, **environment})

    def is_healthy(self) -> bool | None:
        """Whether it says that it is well: True or None, to be waited for."""
        return True if fetch(self._health_url)[0] == 200 else None


def run_jaeger(
    stack: ExitStack,
    config: str,
    folder: Path,
    environment: Mapping[str, str],
    name: str = "",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> JaegerPart:
    """Runs the Jaeger binary on a configuration of the examples until the stack is left.

    Args:
        stack: what ends it.
        config: the file, below ``examples/deploy``.
        folder: where it works, and where its log is.
        environment: what the configuration reads.
        name: of the part, where more than one has this configuration.
        settings: what the configuration has fixed and this test needs otherwise.
    """
    part = JaegerPart(name or Path(config).stem, config, folder, environment, settings)
    stack.callback(part.stop)
    return part


class OneJaeger:
    """A Jaeger with ``one_jaeger/jaeger.yaml``; it can be killed and started again."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        """Starts one that ends with the stack.

        Args:
            stack: what ends it.
            folder: where it works, and what it keeps.
        """
        self.otlp_port, self.query_port, self.otlp_grpc_port, query_grpc = free_ports(4)
        environment = {
            "JAEGER_DATA": str(folder / "badger"),
            "JAEGER_QUERY_ENDPOINT": f"127.0.0.1:{self.query_port}",
            "JAEGER_QUERY_GRPC_ENDPOINT": f"127.0.0.1:{query_grpc}",
            "OTLP_HTTP_ENDPOINT": f"127.0.0.1:{self.otlp_port}",
            "OTLP_GRPC_ENDPOINT": f"127.0.0.1:{self.otlp_grpc_port}",
        }
        self.part = run_jaeger(stack, "one_jaeger/jaeger.yaml", folder, environment)

    def view(self, otlp_port: int | None = None) -> Jaeger:
        """It as ``tests/jaeger`` knows it, as soon as it answers; until it is killed.

        Args:
            otlp_port: where spans go instead: of a Collector before it.
        """
        ports = {
            "JAEGER_OTLP_PORT": otlp_port or self.otlp_port,
            "JAEGER_QUERY_PORT": self.query_port,
        }
        jaeger = Jaeger(self.part.process, ports, self.part.log)
        jaeger.wait_until_it_answers()
        return jaeger


def run_collector(
    stack: ExitStack,
    folder: Path,
    traces_port: int,
    logs_url: str,
    environment: Mapping[str, str] = MappingProxyType({}),
    settings: Mapping[str, str] = MappingProxyType({}),
) -> tuple[JaegerPart, int]:
    """Runs the example's Collector until the stack is left; returns it and its OTLP/HTTP port."""
    http, grpc = free_ports(2)
    everything = {
        "OTLP_HTTP_ENDPOINT": f"127.0.0.1:{http}",
        "OTLP_GRPC_ENDPOINT": f"127.0.0.1:{grpc}",
        "TRACES_ENDPOINT": f"http://127.0.0.1:{traces_port}",
        "LOGS_ENDPOINT": logs_url,
        **environment,
    }
    part = run_jaeger(stack, "collector/collector.yaml", folder, everything, settings=settings)
    return part, http


def takes(url: str) -> bool | None:
    """Whether an empty export is answered there: True or None, to be waited for.

    Args:
        url: of one signal, with its path.
    """
    return True if fetch(url, b"{}")[0] == 200 else None
