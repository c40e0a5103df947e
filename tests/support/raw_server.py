# SPDX-License-Identifier: Apache-2.0
"""A server that keeps each body as it came, and answers what it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CHAT: dict[str, Any] = {
    "id": "cmpl_1",
    "object": "chat.completion",
    "model": "m",
    "created": 1,
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    "choices": [],
}


class RawServer(ThreadingHTTPServer):
    """Listens on 127.0.0.1.

    Attributes:
        bodies: what was sent, parsed.
        answer: the JSON that each request gets; a text is a stream of events.
        status: with this status.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []
        self.answer: object = CHAT
        self.status = 200

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, RawServer)
        sent = self.rfile.read(int(self.headers["content-length"]))
        server.bodies.append(json.loads(sent))
        answer = server.answer
        kind = "text/event-stream" if isinstance(answer, str) else "application/json"
        answer = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(server.status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there
        """Nothing to say."""


@contextmanager
def raw_server() -> Generator[RawServer]:
    """Runs one, and stops it."""
    with RawServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
