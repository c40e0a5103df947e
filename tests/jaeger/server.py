# SPDX-License-Identifier: Apache-2.0
"""A Jaeger of the tests' own: how it is found, started, asked and stopped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode
from urllib.request import Request

import pytest

from tests.support.servers import START_SECONDS, Server, free_ports, launch, running, without

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

_CONFIG = Path(__file__).with_name("jaeger.yaml")
_PORTS = ("JAEGER_OTLP_PORT", "JAEGER_QUERY_PORT", "JAEGER_GRPC_PORT")


def binary() -> Path:
    """Where the binary is, or would be: the rule of ``build.sh``."""
    if chosen := os.environ.get("JAEGER_BIN"):
        return Path(chosen)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "opentelemetry-genai-mistralai" / "jaeger-1.76.0" / "jaeger"


def needed_binary() -> Path:
    """The binary's path; without it the test that asks skips, and fails in CI."""
    path = binary()
    if not os.access(path, os.X_OK):
        without(f"no Jaeger at {path}: get one with `make jaeger`")
    return path


class Jaeger(Server):
    """A running Jaeger: where spans go, and what its API answers."""

    def __init__(self, process: subprocess.Popen[bytes], ports: dict[str, int], log: Path) -> None:
        """Takes charge of a process that has just been started."""
        super().__init__(process, log)
        self.otlp_url = f"http://127.0.0.1:{ports['JAEGER_OTLP_PORT']}"
        self.query_url = f"http://127.0.0.1:{ports['JAEGER_QUERY_PORT']}"

    def trace(self, trace_id: str, *, spans: int = 1) -> dict[str, Any]:
        """A trace in Jaeger's own JSON, as soon as it is there.

        Args:
            trace_id: 32 hexadecimal digits.
            spans: how many spans it must have to be complete.
        """

        def ask() -> dict[str, Any] | None:
            answer = self._get(f"/api/traces/{trace_id}")
            found = cast("list[dict[str, Any]]", answer["data"]) if answer else []
            return found[0] if found and len(found[0]["spans"]) >= spans else None

        return self.poll(ask)

    def otlp_trace(self, trace_id: str) -> dict[str, Any]:
        """A trace as OTLP JSON, as soon as it is there."""
        answer = self.poll(lambda: self._get(f"/api/v3/traces/{trace_id}"))
        return cast("dict[str, Any]", answer["result"])

    def search(self, service: str, tags: dict[str, str]) -> list[dict[str, Any]]:
        """The traces of a service with a span that has all these tags, as soon as there is one."""
        query = urlencode({"service": service, "tags": json.dumps(tags), "limit": 100})

        def ask() -> list[dict[str, Any]] | None:
            answer = self._get(f"/api/traces?{query}")
            return (answer["data"] or None) if answer else None

        return self.poll(ask)

    def wait_until_it_answers(self) -> None:
        """Returns when spans are taken and questions answered."""
        # The receiver comes last: a span that is sent before would be lost.
        self.poll(lambda: self._get("/api/services"), START_SECONDS)
        self.poll(self._takes_spans, START_SECONDS)

    def _takes_spans(self) -> bool | None:
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self.otlp_url}/v1/traces", b'{"resourceSpans":[]}', headers)  # noqa: S310
        return True if self.fetch(request) is not None else None

    def _get(self, path: str) -> Any:
        return self.fetch_json(f"{self.query_url}{path}")


def run_jaeger(path: Path, log: Path, config: Path = _CONFIG) -> AbstractContextManager[Jaeger]:
    """Runs Jaeger on free ports until the block is left.

    Args:
        path: the binary.
        log: the file that gets what it writes.
        config: what it does; its ports come from the environment, as in ``jaeger.yaml``.
    """
    return running(lambda: _started(path, log, config))


def _started(path: Path, log: Path, config: Path) -> Jaeger:
    ports: dict[str, int] = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    environment = {**os.environ, **{name: str(port) for name, port in ports.items()}}
    return Jaeger(launch([str(path), "--config", str(config)], log, environment), ports, log)


@pytest.fixture(scope="session")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    """A Jaeger on free ports; without its binary the tests skip, in CI they fail."""
    with run_jaeger(needed_binary(), tmp_path_factory.mktemp("jaeger") / "jaeger.log") as running:
        yield running
