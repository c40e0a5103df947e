# SPDX-License-Identifier: Apache-2.0
"""The Jaeger binary in the roles of the examples, with the examples' own configurations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.deploy.parts import Part, ask, free_ports
from tests.jaeger.server import Jaeger, binary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

_EXAMPLES = Path(__file__).parents[2] / "examples" / "deploy"


def run_jaeger(
    stack: ExitStack, config: str, folder: Path, environment: Mapping[str, str], name: str = ""
) -> Part:
    """Runs the Jaeger binary on a configuration of the examples until the stack is left.

    Args:
        stack: what ends it.
        config: the file, below ``examples/deploy``.
        folder: where it works, and where its log is.
        environment: what the configuration reads.
        name: of the part, where more than one has this configuration.
    """
    command = [str(binary()), "--config", str(_EXAMPLES / config)]
    part = Part(name or Path(config).stem, command, folder, environment)
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
        self.otlp_port, self.query_port, otlp_grpc, query_grpc = free_ports(4)
        environment = {
            "JAEGER_DATA": str(folder / "badger"),
            "JAEGER_QUERY_ENDPOINT": f"127.0.0.1:{self.query_port}",
            "JAEGER_QUERY_GRPC_ENDPOINT": f"127.0.0.1:{query_grpc}",
            "OTLP_HTTP_ENDPOINT": f"127.0.0.1:{self.otlp_port}",
            "OTLP_GRPC_ENDPOINT": f"127.0.0.1:{otlp_grpc}",
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


def takes_spans(otlp_url: str) -> bool | None:
    """Whether an empty export is answered: True or None, to be waited for."""
    return None if ask(f"{otlp_url}/v1/traces", b'{"resourceSpans":[]}') is None else True
