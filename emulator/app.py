# SPDX-License-Identifier: Apache-2.0
"""The ASGI application: it records each request and hands it to its endpoint."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from emulator import checks, realtime
from emulator.endpoints import routes
from emulator.scenario import load_scenarios
from emulator.state import RecordedRequest, State

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send


async def _refused(_request: Request, error: Exception) -> Response:
    return checks.refusal(cast("checks.Refused", error))


async def _http_error(_request: Request, error: Exception) -> Response:
    """Answer an unknown path or method as the API does: its errors are JSON."""
    known = cast("HTTPException", error)
    return checks.refusal(
        checks.api_error(known.status_code, known.detail, "invalid_request_error", "3000")
    )


async def _read(receive: Receive) -> bytes | None:
    """Return the whole body, or None when the client left before its end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _parts(content_type: str, body: bytes) -> Iterator[tuple[str, str]]:
    """Yield the names and the values of a form with files; the value of a file is its name."""
    head = f"content-type: {content_type}\r\n\r\n".encode()
    for part in message_from_bytes(head + body, policy=policy.HTTP).iter_parts():
        value = part.get_filename() or bytes(part.get_payload(decode=True)).decode(errors="replace")
        yield str(part.get_param("name", header="content-disposition")), value


def _parsed(content_type: str, body: bytes) -> Any:
    """Return the JSON or the fields of a form: a list for a field that comes several times."""
    if content_type.startswith("multipart/form-data"):
        pairs = [*_parts(content_type, body)]
    elif content_type.startswith("application/x-www-form-urlencoded"):
        pairs = parse_qsl(
            body.decode(errors="replace")
        )  # what the SDK makes of a form without files
    else:
        try:
            return json.loads(body)
        except ValueError:
            return None
    fields: dict[str, list[Any]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append({"true": True, "false": False}.get(value, value))
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


class EmulatorApp:
    """The outermost application: here `send` is still uvicorn's own and knows its transport."""

    def __init__(self, state: State) -> None:
        """Read the scenarios and build the routes."""
        load_scenarios()
        realtime.load_talks()
        self._state = state
        self._open: set[asyncio.Transport] = set()
        self._routes = Starlette(
            routes=routes(state),
            exception_handlers={checks.Refused: _refused, HTTPException: _http_error},
        )

        # A path with a slash too many is unknown, as any other: no redirect.
        self._routes.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or hold one session."""
        transport: asyncio.Transport = cast("Any", send).__self__.transport
        self._open.add(transport)
        try:
            if scope["type"] == "websocket":
                await realtime.converse(self._state, scope, receive, send)
            else:
                await self._answer(scope, receive, send, transport)
        finally:
            self._open.discard(transport)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, transport: asyncio.Transport
    ) -> None:
        raw = await _read(receive)
        if raw is None:
            return
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        body = _parsed(headers.get("content-type", ""), raw)
        self._state.record(RecordedRequest(scope["method"], scope["path"], headers, body))
        scope["emulator.headers"] = headers
        scope["emulator.body"] = body
        scope["emulator.transport"] = transport
        await self._routes(scope, receive, send)

    def abort_open_requests(self) -> None:
        """Drop the connections with an answer still under way."""
        for transport in self._open:
            transport.abort()
