# SPDX-License-Identifier: Apache-2.0
"""A receiver of OTLP over HTTP on the loopback that keeps what it is sent."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Received:
    """The bodies of the requests, by path and content encoding.

    Attributes:
        url: where it listens.
        bodies: as they came over the wire, gzip or not.
    """

    url: str
    bodies: dict[tuple[str, str], list[bytes]] = field(
        default_factory=dict[tuple[str, str], list[bytes]]
    )

    def of(self, path: str, encoding: str = "identity") -> list[bytes]:
        """The bodies of one path and encoding."""
        return self.bodies.get((path, encoding), [])


@contextmanager
def receiving() -> Generator[Received]:
    """Listens on a free port of 127.0.0.1 until the block is left."""

    class _Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            encoding = self.headers.get("Content-Encoding", "identity")
            received.bodies.setdefault((self.path, encoding), []).append(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there
            """Nothing: the answers are what is looked at."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    received = Received(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, name="receiver")
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
