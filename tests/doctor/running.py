# SPDX-License-Identifier: Apache-2.0
"""The doctor in a process of its own, and servers on the loopback that it may ask."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULE = "opentelemetry.instrumentation.genai.mistralai"
HTTP = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
GRPC = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}


@dataclass
class Visit:
    """What the doctor said, and its exit status."""

    code: int
    text: str
    stderr: str

    @property
    def words(self) -> str:
        """What it said, in one line."""
        return " ".join(self.text.split())

    def findings(self, mark: str) -> list[str]:
        """The paragraphs with this mark, each in one line with what is to be done."""
        found: list[str] = []
        marked = False
        for line in self.text.splitlines():
            if line.startswith("  ") and line[2:8].strip():
                marked = line[2:8].strip() == mark
                if marked:
                    found.append(line[8:])
            elif line.startswith("        ") and marked:
                found[-1] += " " + line.strip()
        return found

    @property
    def problems(self) -> list[str]:
        """What is wrong."""
        return self.findings("WRONG")


def doctor(*options: str, python: str = sys.executable, **variables: str) -> Visit:
    """Runs the doctor.

    Args:
        options: of the interpreter.
        python: whose packages are looked at.
        variables: its environment, besides what is no affair of OpenTelemetry's.
    """
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "MISTRAL_"))
    }
    done = subprocess.run(  # noqa: S603 -- a program of ours
        [python, *options, "-m", MODULE],
        cwd=ROOT, env={**inherited, "NO_PROXY": "*", **variables}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    return Visit(done.returncode, done.stdout, done.stderr)


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Generator[int]:
    """A server on the loopback that does this with each connection; gives its port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    answer(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        # close() alone does not wake what waits in accept().
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


class Http:
    """Answers each request with one status, and keeps the requests."""

    def __init__(self, status: str) -> None:
        self._status = status
        self.requests: list[bytes] = []

    def __call__(self, connection: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received and (piece := connection.recv(4096)):
            received += piece
        if not received.split(b"\r\n")[0].endswith(b"HTTP/1.1"):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return
        self.requests.append(received)
        connection.sendall(
            f"HTTP/1.1 {self._status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )


def http2(connection: socket.socket) -> None:
    """Greets like a gRPC server, and hangs up on who does not speak HTTP/2."""
    greeting = connection.recv(4096)
    # Its own SETTINGS come first in either case.
    connection.sendall(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    if greeting.startswith(b"PRI * HTTP/2.0"):
        connection.recv(4096)
