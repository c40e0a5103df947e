# SPDX-License-Identifier: Apache-2.0
"""The answer to a request that does not stream, put together from the same events."""

from __future__ import annotations

from typing import Any, cast

_ENTRY_TYPES = {
    "message.output.delta": "message.output",
    "tool.execution.started": "tool.execution",
    "tool.execution.delta": "tool.execution",
    "tool.execution.done": "tool.execution",
    "agent.handoff.started": "agent.handoff",
    "agent.handoff.done": "agent.handoff",
    "function.call.delta": "function.call",
}
_NOT_IN_ENTRIES = ("type", "created_at", "output_index", "content_index")


def error_of(payloads: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the first error event: without a stream it is the HTTP answer."""
    for payload in payloads:
        if payload["type"] == "conversation.response.error":
            return payload
    return None


def conversation_response(conversation_id: str, payloads: list[dict[str, Any]]) -> dict[str, Any]:
    """Build the ConversationResponse; usage is absent when no done event says it."""
    entries: dict[str, dict[str, Any]] = {}
    response: dict[str, Any] = {
        "object": "conversation.response",
        "conversation_id": conversation_id,
    }
    for payload in payloads:
        if payload["type"] in _ENTRY_TYPES:
            _add(entries, payload)
        elif payload["type"] == "conversation.response.done" and "usage" in payload:
            response["usage"] = payload["usage"]
    response["outputs"] = list(entries.values())
    return response


def _add(entries: dict[str, dict[str, Any]], payload: dict[str, Any]) -> None:
    """Add an event to its entry: deltas are joined, other fields are set."""
    entry = entries.setdefault(
        payload["id"], {"object": "entry", "type": _ENTRY_TYPES[payload["type"]]}
    )
    if "created_at" in payload:
        entry.setdefault("created_at", payload["created_at"])
        entry["completed_at"] = payload["created_at"]
    for key, value in payload.items():
        if key in _NOT_IN_ENTRIES:
            continue
        if key == "content":
            entry[key] = _joined(entry.get(key, ""), value)
        elif key == "arguments" and payload["type"].endswith(".delta"):
            entry[key] = entry.get(key, "") + value
        else:
            entry[key] = value


def _joined(content: Any, delta: Any) -> Any:
    """Join text to text; as soon as there is another kind of chunk the content is a list."""
    if isinstance(content, str) and isinstance(delta, str):
        return content + delta
    if isinstance(content, list):
        chunks = cast("list[dict[str, Any]]", content)
    else:
        chunks = [{"type": "text", "text": content}] if content else []
    chunk = {"type": "text", "text": delta} if isinstance(delta, str) else delta
    if chunks and chunks[-1]["type"] == chunk["type"] == "text":
        return [*chunks[:-1], {"type": "text", "text": chunks[-1]["text"] + chunk["text"]}]
    return [*chunks, chunk]
