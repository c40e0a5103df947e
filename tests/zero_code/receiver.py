# SPDX-License-Identifier: Apache-2.0
"""A receiver of OTLP over HTTP: it decodes what programs export, and can also behave badly."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.zero_code.decoded import Log, Point, Span, logs_of, points_of, spans_of

# Closing resets the connection instead of ending it.
_RESET = struct.pack("ii", 1, 0)


class Receiver:
    """What has arrived, decoded, in the order of arrival."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Span] = []
        self.points: list[Point] = []
        self.logs: list[Log] = []
        self.requests = 0
        self.stopping = threading.Event()

    def take(self, path: str, body: bytes) -> None:
        """Decodes a request's body; what is no OTLP raises."""
        if path == "/v1/traces":
            self.spans += spans_of(ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/metrics":
            self.points += points_of(ExportMetricsServiceRequest.FromString(body))
        elif path == "/v1/logs":
            self.logs += logs_of(ExportLogsServiceRequest.FromString(body))
        else:
            raise AssertionError(f"no path of OTLP: {path}")

    def spans_in(self, scope: str) -> list[Span]:
        """The spans of one instrumentation."""
        return [span for span in self.spans if span.scope[0] == scope]


class Handler(BaseHTTPRequestHandler):
    """One connection; `Behaviour` functions answer its requests."""

    protocol_version = "HTTP/1.1"
    receiver: Receiver
    behaviour: Behaviour

    def do_POST(self) -> None:
        """Reads the request, and does what is asked of this receiver."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.receiver.requests += 1
        type(self).behaviour(self, body)

    def answer(self, status: int, **headers: str) -> None:
        """Answers without a body: an empty protobuf message is just that."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- http.server's name
        """Says nothing."""


Behaviour = Callable[[Handler, bytes], None]


def takes_all(handler: Handler, body: bytes) -> None:
    """A healthy one."""
    handler.receiver.take(handler.path, body)
    handler.answer(200)


def answers(status: int, **headers: str) -> Behaviour:
    """One that refuses."""
    return lambda handler, _body: handler.answer(status, **headers)


def never_answers(handler: Handler, _body: bytes) -> None:
    """One that hangs, until it is stopped."""
    handler.receiver.stopping.wait()
    handler.close_connection = True


def is_slow(handler: Handler, body: bytes) -> None:
    """One that takes a second for each request."""
    handler.receiver.stopping.wait(1)
    takes_all(handler, body)


def resets(handler: Handler, _body: bytes) -> None:
    """One that breaks the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    handler.connection.close()
    handler.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of clients that went away, or of connections that were to break."""


@contextmanager
def receive(behaviour: Behaviour = takes_all) -> Generator[Receiver]:
    """Runs a receiver on a free port of 127.0.0.1 until the block is left."""
    receiver = Receiver()
    members = {"receiver": receiver, "behaviour": staticmethod(behaviour)}
    server = _Server(("127.0.0.1", 0), type("_Handler", (Handler,), members))
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A healthy receiver of OTLP."""
    with receive() as running:
        yield running
