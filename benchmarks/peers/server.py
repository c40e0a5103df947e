# SPDX-License-Identifier: Apache-2.0
"""Serves the same bytes to every candidate: a Mistral API on the loopback that only answers.

The model's name in the request says how many deltas a stream has: ``deltas-1000``. Whatever else
comes (a Datadog agent's paths, for instance) is answered with an empty object.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

_TIME: Final = "2026-01-01T00:00:00Z"
_MODEL: Final = "mistral-medium-latest"
_USAGE: Final = {"prompt_tokens": 120, "completion_tokens": 80, "total_tokens": 200}
_DELTAS: Final = re.compile(rb'"deltas-(\d+)"')
_EVENT_STREAM: Final = "text/event-stream"
_JSON: Final = "application/json"


def _chunk(delta: dict[str, str], finish_reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    told = {"id": "cmpl_1", "object": "chat.completion.chunk", "created": 1767225600}
    return _sse({**told, "model": _MODEL, "choices": [choice], **more})


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\n".encode() + _sse({"type": kind, "created_at": _TIME, **fields})


def _sse(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


@lru_cache
def chat_stream(deltas: int) -> bytes:
    """The body of a streamed chat with that many chunks of text."""
    first = _chunk({"role": "assistant", "content": ""})
    last = _chunk({"content": ""}, "stop", usage=_USAGE)
    return first + _chunk({"content": "word "}) * deltas + last + b"data: [DONE]\n\n"


@lru_cache
def conversation_stream(deltas: int) -> bytes:
    """The body of a streamed conversation with that many text deltas."""
    delta = _event(
        "message.output.delta", output_index=0, id="msg_1", content_index=0, model=_MODEL,
        role="assistant", content="word ",
    )  # fmt: skip
    started = _event("conversation.response.started", conversation_id="conv_1")
    return started + delta * deltas + _event("conversation.response.done", usage=_USAGE)


def _whole_chat() -> bytes:
    message = {"role": "assistant", "content": "It is warm."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    told = {"id": "cmpl_1", "object": "chat.completion", "created": 1767225600, "model": _MODEL}
    return json.dumps({**told, "choices": [choice], "usage": _USAGE}).encode()


def _whole_conversation() -> bytes:
    output = {
        "object": "entry", "type": "message.output", "id": "msg_1", "role": "assistant",
        "created_at": _TIME, "completed_at": _TIME, "model": _MODEL, "content": "It is warm.",
    }  # fmt: skip
    told = {"object": "conversation.response", "conversation_id": "conv_1"}
    return json.dumps({**told, "outputs": [output], "usage": _USAGE}).encode()


def answer(path: str, body: bytes) -> tuple[str, bytes]:
    """The content type and the body that a request is answered with.

    Args:
        path: of the request, without its query.
        body: of the request.
    """
    found = _DELTAS.search(body)
    deltas = int(found[1]) if found else 0
    is_streamed = b'"stream":true' in body.replace(b" ", b"")
    if path == "/v1/chat/completions":
        return (_EVENT_STREAM, chat_stream(deltas)) if is_streamed else (_JSON, _whole_chat())
    if path == "/v1/conversations":
        if is_streamed:
            return _EVENT_STREAM, conversation_stream(deltas)
        return _JSON, _whole_conversation()
    return _JSON, b"{}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one piece: two small ones would wait for each other (Nagle).
    wbufsize = -1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind, told = answer(self.path.partition("?")[0].partition("#")[0], body)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def do_GET(self) -> None:
        self.do_POST()

    def do_PUT(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there
        """Nothing: what is printed is the result."""


@contextmanager
def serving() -> Generator[str]:
    """Listens on a free port of 127.0.0.1 until the block is left; the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="peers' server")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
