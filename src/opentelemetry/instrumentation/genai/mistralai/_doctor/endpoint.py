# SPDX-License-Identifier: Apache-2.0
"""Checks whether an OTLP endpoint answers as one.

Over HTTP it sends an empty request; over gRPC it sends only the connection preface of HTTP/2,
because this package does not depend on gRPC.
"""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPException
from typing import Final, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from .report import without_secrets

_TIMEOUT: Final = 3.0
# HTTP/2 begins with this preface and a SETTINGS frame, here an empty one: RFC 9113, section 3.4.
_GREETING: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS: Final = 4
_TO_HTTP: Final = (
    "OTLP over HTTP is port 4318: set the endpoint to it, or OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
)
_TO_HTTP_PROTOCOL: Final = (
    "If it listens on port 4318, it takes OTLP over HTTP: set OTEL_EXPORTER_OTLP_PROTOCOL="
    "http/protobuf"
)
_TO_GRPC: Final = (
    "OTLP over gRPC is port 4317: set the endpoint to it, or"
    " OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
)


class Endpoint(NamedTuple):
    """Holds the address that an exporter sends to, and settings that must not be shown."""

    url: str
    grpc: bool
    headers: str
    ca_file: str


class Found(NamedTuple):
    """Holds what was found about an endpoint, and how to mend it; None if nothing is wrong."""

    text: str
    mend: str | None


def probe(endpoint: Endpoint) -> Found:
    """Contacts an endpoint, and waits some seconds for its answer."""
    shown = without_secrets(endpoint.url)
    try:
        parts = urlsplit(endpoint.url)
        address = (parts.hostname, parts.port or (4317 if endpoint.grpc else None))
    except ValueError:
        address = (None, None)
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not address[0]:
        return Found(f"{shown} is no endpoint", "it begins with http:// or https://, then the host")
    try:
        if endpoint.grpc:
            return _greet(endpoint, shown, address[0], address[1] or 4317)
        return _post(endpoint, shown)
    except (URLError, OSError) as exc:
        reason = exc.reason if isinstance(exc, URLError) else exc
        return _unreachable(shown, reason, grpc=endpoint.grpc)
    except (HTTPException, ValueError) as exc:
        return Found(f"{shown} does not speak HTTP/1 ({type(exc).__name__})", _TO_HTTP)


def _post(endpoint: Endpoint, shown: str) -> Found:
    headers = {"Content-Type": "application/x-protobuf", **_headers(endpoint.headers)}
    # An ExportTraceServiceRequest without spans has no bytes, nor have those of metrics and logs.
    request = Request(endpoint.url, data=b"", headers=headers, method="POST")  # noqa: S310 -- it is http(s)
    try:
        with urlopen(request, timeout=_TIMEOUT, context=_tls(endpoint)) as answer:  # noqa: S310
            return Found(f"{shown} answers {answer.status}", None)
    except HTTPError as exc:
        with exc:
            return _refused(shown, exc.code)


def _refused(shown: str, code: int) -> Found:
    said = f"{shown} answers {code}"
    if code in (404, 405):
        return Found(
            f"{said}: nothing takes OTLP at this path",
            "the path is /v1/traces, which is added to OTEL_EXPORTER_OTLP_ENDPOINT by itself, and"
            " not to OTEL_EXPORTER_OTLP_TRACES_ENDPOINT; the port is usually 4318",
        )
    if code in (401, 403, 407):
        return Found(
            f"{said}: it does not know you",
            "put the key into OTEL_EXPORTER_OTLP_HEADERS, as name=value",
        )
    if code == 400:
        return Found(f"{said} to an empty request, so it is there", None)
    if code == 415:
        return Found(f"{said}: it does not take protobuf", "send to an endpoint for OTLP over HTTP")
    if code in (429, 502, 503, 504):
        return Found(f"{said}: it is overloaded, or not ready", "try again, or ask who runs it")
    return Found(f"{said}, which an OTLP endpoint does not", "see the log of what listens there")


def _greet(endpoint: Endpoint, shown: str, host: str, port: int) -> Found:
    with socket.create_connection((host, port), _TIMEOUT) as plain:
        if endpoint.url.startswith("https:"):
            context = _tls(endpoint)
            context.set_alpn_protocols(["h2"])
            with context.wrap_socket(plain, server_hostname=host) as secured:
                return _greeted(secured, shown)
        return _greeted(plain, shown)


def _greeted(connection: socket.socket, shown: str) -> Found:
    connection.sendall(_GREETING)
    answer = b""
    while len(answer) < 9 and (piece := connection.recv(64)):
        answer += piece
    if len(answer) >= 9 and answer[3] == _SETTINGS:
        return Found(f"{shown} answers, over gRPC", None)
    if answer.startswith(b"HTTP/1"):
        return Found(f"{shown} speaks HTTP/1 and no gRPC", _TO_GRPC)
    return Found(f"{shown} does not speak gRPC", _TO_GRPC)


def _unreachable(shown: str, reason: object, *, grpc: bool) -> Found:
    if isinstance(reason, ConnectionRefusedError):
        # The distro's own choice is gRPC, and many a Jaeger or collector serves only HTTP.
        other = f". {_TO_HTTP_PROTOCOL}" if grpc else ""
        return Found(
            f"{shown}: nothing listens there",
            "start your collector or Jaeger, or set OTEL_EXPORTER_OTLP_ENDPOINT to where it is"
            + other,
        )
    if isinstance(reason, socket.gaierror):
        return Found(f"{shown}: there is no such host", "see the name, and the DNS")
    if isinstance(reason, ssl.SSLError):
        return Found(
            f"{shown}: no TLS connection ({type(reason).__name__})",
            "see http or https in the endpoint, and OTEL_EXPORTER_OTLP_CERTIFICATE",
        )
    if isinstance(reason, TimeoutError):
        return Found(
            f"{shown} does not answer within {_TIMEOUT:.0f} s",
            f"see firewall, proxy and port. {_TO_HTTP}",
        )
    if isinstance(reason, ConnectionError):
        return Found(f"{shown} closes the connection", _TO_HTTP)
    return Found(f"{shown} cannot be reached ({type(reason).__name__})", "see host and port")


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=endpoint.ca_file or None)


def _headers(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {unquote(name).strip(): unquote(value).strip() for name, _, value in pairs}
