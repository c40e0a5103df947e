# SPDX-License-Identifier: Apache-2.0
"""An API on the loopback that gives the answers that a test has written down, in turn."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Any


class Script(ThreadingHTTPServer):
    """The server; a list is answered as a stream of events, ``(status, body)`` as an error.

    Attributes:
        answers: what is still to be given.
        asked: the bodies of the requests.
    """

    daemon_threads = True

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.asked: list[Any] = []

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        script: Any = self.server
        script.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        answer = script.answers.pop(0)
        status, body = answer if _is_refusal(answer) else (200, answer)
        kind, text = "application/json", json.dumps(body)
        if text.startswith("["):
            kind, text = "text/event-stream", "".join(map(_event, body))
        content = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- its name
        """Says nothing."""


def _is_refusal(answer: Answer) -> bool:
    return isinstance(answer, tuple)


def _event(payload: Any) -> str:
    if isinstance(payload, str):
        return payload
    name = f"event: {payload['type']}\n" if "type" in payload else ""
    # As servers in Python do, with NaN in it.
    return f"{name}data: {json.dumps(payload)}\n\n"


@contextmanager
def scripted(*answers: Answer) -> Generator[Script]:
    """Runs the server until the block is left; every answer must have been asked for."""
    server = Script(list(answers))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
        assert server.answers == []
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
