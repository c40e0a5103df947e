# SPDX-License-Identifier: Apache-2.0
"""Requests to the emulator without the SDK, down to the very bytes of an answer."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

START = {"inputs": "Hello", "model": "mistral-small-latest", "stream": True}
SILENT = ("handoff_hang", "hang", "no_answer")


def connect(url: str, body: Any, scenario: str | None = None, **headers: str) -> socket.socket:
    """Send a start of a conversation and return the socket, to see the very bytes."""
    host, _, port = urlsplit(url).netloc.partition(":")
    sock = socket.create_connection((host, int(port)), timeout=5)
    data = json.dumps(body).encode()
    fields = {"Authorization": "Bearer key", "Connection": "close", **headers}
    if scenario is not None:
        fields["x-emulator-scenario"] = scenario
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    head = (
        f"POST /v1/conversations HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {len(data)}\r\n\r\n"
    )
    sock.sendall(head.encode() + data)
    return sock


def read_all(sock: socket.socket) -> bytes:
    """Read until FIN; a RST raises ConnectionResetError."""
    with sock:
        return b"".join(iter(lambda: sock.recv(65536), b""))


def drain(sock: socket.socket, end: type[OSError]) -> bytes:
    """Read until the error that is expected; return what came before it."""
    received = bytearray()
    with pytest.raises(end):  # noqa: PT012
        while data := sock.recv(65536):
            received += data
    return bytes(received)


def chunks(raw: bytes) -> tuple[list[bytes], bool]:
    """Return the HTTP chunks of an answer and whether the terminating chunk came."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    found: list[bytes] = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            assert rest == b"\r\n"
            return found, True
        found.append(rest[:length])
        rest = rest[length + 2 :]
    return found, False


def post(
    url: str, body: Any, path: str = "/v1/conversations", **headers: str
) -> tuple[int, dict[str, Any]]:
    """Send a request and return the status and the JSON of the answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Authorization": "Bearer key", **headers}
    try:
        connection.request("POST", path, data, {k: v for k, v in fields.items() if v})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def payloads(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(event.split(b"data: ")[1]) for event in chunks(raw)[0]]
