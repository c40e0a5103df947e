# SPDX-License-Identifier: Apache-2.0
"""An OTLP endpoint for logs: Jaeger has none, and the Collector must send them somewhere."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord


class LogSink:
    """What has arrived, and where more may be sent."""

    def __init__(self, url: str) -> None:
        """Nothing has arrived yet."""
        self.url = url
        self.bodies: list[bytes] = []

    def records(self) -> list[LogRecord]:
        """The log records so far."""
        return [
            record
            for body in list(self.bodies)
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]


@contextmanager
def run_log_sink() -> Generator[LogSink]:
    """Takes logs on a free port until the block is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            sink.bodies.append(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(ExportLogsServiceResponse().SerializeToString())

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Says nothing."""

    with serve_handler(Handler) as port:
        sink = LogSink(f"http://127.0.0.1:{port}")
        yield sink


@contextmanager
def serve_handler(handler: type[BaseHTTPRequestHandler]) -> Generator[int]:
    """Answers on a free port, which it gives, until the block is left."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
