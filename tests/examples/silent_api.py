# SPDX-License-Identifier: Apache-2.0
"""An API that answers some requests and then falls silent, or that refuses all of them."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.examples.interrupting import Running

_ANSWER: Final[dict[str, Any]] = {
    "object": "conversation.response",
    "conversation_id": "conv_answered",
    "outputs": [],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


class Api:
    """Its address, and who waits for it."""

    def __init__(self, answers: int, status: int) -> None:
        """Sets what it does: answer so often with this status, then nothing any more."""
        self.url = ""
        self.was_asked = False
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._left = answers
        self.status = status
        self._waiting = threading.Semaphore(0)

    def answers(self) -> bool:
        """Whether the next request is answered."""
        with self._lock:
            self.was_asked = True
            self._left -= 1
            return self._left >= 0

    def hang(self) -> None:
        """Keeps a request waiting until the end."""
        self._waiting.release()
        self.released.wait()

    def wait_until_asked(self, asking: Running, times: int = 1) -> None:
        """Returns when so many more requests wait for an answer that does not come.

        Args:
            asking: who asks; if it ends, it will not ask any more.
            times: how many requests.
        """
        for _ in range(times):
            while not self._waiting.acquire(timeout=0.1):
                asking.assert_alive()


@contextmanager
def serve_api(*, answers: int = 0, status: int = 200) -> Generator[Api]:
    """Serves on a free port of 127.0.0.1 until the block is left.

    Args:
        answers: how many requests are answered before the others wait.
        status: the status of those answers.
    """
    api = Api(answers, status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not api.answers():
                api.hang()
                self.close_connection = True
                return
            body = json.dumps(_ANSWER if api.status == 200 else {"message": "refused"}).encode()
            self.send_response(api.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        api.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield api
        finally:
            api.released.set()
            server.shutdown()
            thread.join()
