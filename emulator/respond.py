# SPDX-License-Identifier: Apache-2.0
"""Send the answer of a scenario: plain, as a stream of events, or as one JSON document."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from emulator.completions import completion_response
from emulator.connection import finish
from emulator.outputs import conversation_response, error_of
from emulator.render import fill, play
from emulator.scenario import COMPLETION

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from emulator.scenario import Answer

_SPLIT_PARTS = 3
# Long enough for the parts to leave as separate TCP segments on loopback.
_BETWEEN_PARTS = 0.002


@dataclass(frozen=True)
class Call:
    """One request that was accepted, and how to answer it."""

    api: str
    answer: Answer
    names: dict[str, Any]
    stream: bool
    now: Callable[[], float]
    slower: float
    transport: asyncio.Transport


async def respond(call: Call, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request as its scenario says."""
    answer = call.answer
    if answer.end in ("no_answer", "refuse"):
        await finish(answer.end, call.transport, receive, send)
    elif answer.events is not None and call.stream:
        await _stream(call, receive, send)
    else:
        await _whole(call, await _document(call), scope, receive, send)


async def _start(call: Call, headers: dict[str, str], send: Send) -> None:
    merged = {**headers, **call.answer.headers}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in merged.items()]
    await send({"type": "http.response.start", "status": call.answer.status, "headers": raw})


async def _chunk(data: bytes, send: Send) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _stream(call: Call, receive: Receive, send: Send) -> None:
    """Send the events; without a content-length each chunk sent is one HTTP chunk, flushed."""
    headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    await _start(call, headers, send)
    async for event in play(call.answer.events or [], call.names, call.now, call.slower):
        if not event.split:
            await _chunk(event.data, send)
            continue
        size = -(-len(event.data) // _SPLIT_PARTS)
        for at in range(0, len(event.data), size):
            await _chunk(event.data[at : at + size], send)
            await asyncio.sleep(_BETWEEN_PARTS)
    await finish(call.answer.end, call.transport, receive, send)


async def _document(call: Call) -> Response:
    """Return the body, else the events joined to one; an error among the events is the answer."""
    events = play(call.answer.events or [], call.names, call.now, call.slower)
    payloads = [event.payload async for event in events if event.payload is not None]
    error = error_of(payloads)
    if error is not None:
        code = error.get("code")
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
        body = {"object": "error", "message": error.get("message"), "type": "error", "code": code}
        return JSONResponse(body, status)
    if call.answer.events is None or call.answer.body is not None:
        body = fill(call.answer.body, call.names)
        # Text as it is, anything else as JSON.
        response_class = PlainTextResponse if isinstance(body, str) else JSONResponse
        return response_class(body, call.answer.status, call.answer.headers)
    if call.api == COMPLETION:
        return JSONResponse(completion_response(payloads), headers=call.answer.headers)
    document = conversation_response(call.names["conversation_id"] or "", payloads)
    if call.answer.omit_completed_at:
        for entry in document["outputs"]:
            entry.pop("completed_at", None)
    return JSONResponse(document, headers=call.answer.headers)


async def _whole(
    call: Call, response: Response, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send a response; when the connection breaks, half of it."""
    if call.answer.end == "complete" or response.status_code != call.answer.status:
        await response(scope, receive, send)
        return
    # The length promises the whole document, so that half of it is a cut connection.
    data = bytes(response.body)
    headers = {"content-type": "application/json", "content-length": str(len(data))}
    await _start(call, headers, send)
    await _chunk(data[: len(data) // 2], send)
    end = "cut" if call.answer.end == "inside_event" else call.answer.end
    await finish(end, call.transport, receive, send)
