# SPDX-License-Identifier: Apache-2.0
"""The ways in which a connection ends. Only here the emulator reaches below HTTP."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Receive, Send

_HALF_AN_EVENT = b'event: message.output.delta\ndata: {"type":"message.output.del'
# Time for the client to read what it was sent: a reset throws away what it has not read yet.
_BEFORE_RESET = 0.02


async def finish(end: str, transport: asyncio.Transport, receive: Receive, send: Send) -> None:
    """End an answer whose headers may already be sent; return when the connection is over."""
    if end == "complete":
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    if end == "inside_event":
        await send({"type": "http.response.body", "body": _HALF_AN_EVENT, "more_body": True})
    if end in ("cut", "inside_event", "refuse"):
        transport.close()
    elif end == "reset":
        await asyncio.sleep(_BEFORE_RESET)
        linger_for_no_time = struct.pack("ii", 1, 0)
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)
        transport.abort()
    # "hang" and "no_answer" do nothing. In each case wait until the connection is gone: a return
    # before that makes uvicorn complete the answer with an error of its own.
    while (await receive())["type"] != "http.disconnect":
        pass
