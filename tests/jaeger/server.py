# SPDX-License-Identifier: Apache-2.0
"""A Jaeger of the tests' own: how it is found, started, asked and stopped."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_Answer = TypeVar("_Answer")

_CONFIG = Path(__file__).with_name("jaeger.yaml")
_PORTS = ("JAEGER_OTLP_PORT", "JAEGER_QUERY_PORT", "JAEGER_GRPC_PORT")
_START_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
_STOP_SECONDS = 10.0
_PAUSE_SECONDS = 0.005
_ATTEMPTS = 3

# Without a proxy, whatever the environment says: all of this stays on the loopback.
_http = build_opener(ProxyHandler({}))


class JaegerExitedError(Exception):
    """Jaeger ended by itself; its log says why."""


def binary() -> Path:
    """Where the binary is, or would be: the rule of ``build.sh``."""
    if chosen := os.environ.get("JAEGER_BIN"):
        return Path(chosen)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "opentelemetry-genai-mistralai" / "jaeger-1.76.0" / "jaeger"


class Jaeger:
    """A running Jaeger: where spans go, and what its API answers."""

    def __init__(self, process: subprocess.Popen[bytes], ports: dict[str, int], log: Path) -> None:
        """Takes charge of a process that has just been started."""
        self._process = process
        self._log = log
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

        return self._poll(ask, _ANSWER_SECONDS)

    def otlp_trace(self, trace_id: str) -> dict[str, Any]:
        """A trace as OTLP JSON, as soon as it is there."""
        answer = self._poll(lambda: self._get(f"/api/v3/traces/{trace_id}"), _ANSWER_SECONDS)
        return cast("dict[str, Any]", answer["result"])

    def search(self, service: str, tags: dict[str, str]) -> list[dict[str, Any]]:
        """The traces of a service with a span that has all these tags, as soon as there is one."""
        query = urlencode({"service": service, "tags": json.dumps(tags), "limit": 100})

        def ask() -> list[dict[str, Any]] | None:
            answer = self._get(f"/api/traces?{query}")
            return (answer["data"] or None) if answer else None

        return self._poll(ask, _ANSWER_SECONDS)

    def wait_until_it_answers(self) -> None:
        """Returns when spans are taken and questions answered."""
        # The receiver comes last: a span that is sent before would be lost.
        self._poll(lambda: self._get("/api/services"), _START_SECONDS)
        self._poll(self._takes_spans, _START_SECONDS)

    def stop(self) -> None:
        """Ends the process and waits for it, so that there is no zombie."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _takes_spans(self) -> bool | None:
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self.otlp_url}/v1/traces", b'{"resourceSpans":[]}', headers)  # noqa: S310
        return True if self._fetch(request) is not None else None

    def _get(self, path: str) -> Any:
        return self._fetch(Request(f"{self.query_url}{path}"))  # noqa: S310

    def _fetch(self, request: Request) -> Any:
        """The answer's JSON; None for "not there", be it the server or what it is asked for."""
        try:
            with _http.open(request, timeout=_ANSWER_SECONDS) as response:
                return json.load(response)
        except HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise AssertionError(f"{request.full_url}: {error.code} {error.read()!r}") from None
        except (URLError, ConnectionError):
            return None

    def _poll(self, ask: Callable[[], _Answer | None], seconds: float) -> _Answer:
        deadline = monotonic() + seconds
        while (answer := ask()) is None:
            try:
                self._process.wait(_PAUSE_SECONDS)
            except subprocess.TimeoutExpired:
                if monotonic() > deadline:
                    raise AssertionError(f"no answer in {seconds} s; {self._says()}") from None
            else:
                raise JaegerExitedError(self._says())
        return answer

    def _says(self) -> str:
        return f"Jaeger's log: {self._log.read_text(errors='replace')[-2000:]}"


@contextmanager
def run_jaeger(path: Path, log: Path) -> Generator[Jaeger]:
    """Runs Jaeger on free ports until the block is left.

    Args:
        path: the binary.
        log: the file that gets what it writes.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        jaeger = _started(path, log)
        try:
            jaeger.wait_until_it_answers()
        except JaegerExitedError:
            # Somebody else may have taken a port between its choice and its use.
            if attempt == _ATTEMPTS:
                raise
            continue
        except BaseException:
            jaeger.stop()
            raise
        try:
            yield jaeger
        finally:
            jaeger.stop()
        return


def _started(path: Path, log: Path) -> Jaeger:
    ports = _free_ports()
    environment = {**os.environ, **{name: str(port) for name, port in ports.items()}}
    command = [str(path), "--config", str(_CONFIG)]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    return Jaeger(process, ports, log)


def _free_ports() -> dict[str, int]:
    with ExitStack() as held:
        # All at once, so that no two are the same.
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in _PORTS]
        return {name: bound.getsockname()[1] for name, bound in zip(_PORTS, sockets, strict=True)}
