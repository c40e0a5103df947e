# SPDX-License-Identifier: Apache-2.0
"""The answer to a request that does not stream, put together from the same events."""

from __future__ import annotations

from typing import Any, cast

# Each type of entry, with the fields that the SDK's model of it requires and that its events may
# not tell: a tool that was never started has no arguments, a handoff never done no next agent.
_ENTRIES: dict[str, dict[str, Any]] = {
    "message.output": {"content": ""},
    "function.call": {"arguments": ""},
    "tool.execution": {"arguments": ""},
    "agent.handoff": {
        "previous_agent_id": "",
        "previous_agent_name": "",
        "next_agent_id": "",
        "next_agent_name": "",
    },
}
# They have no done event: each delta may be the last.
_ONLY_DELTAS = ("message.output", "function.call")
_ERRORS = ("conversation.response.error", "error")
_NOT_IN_ENTRIES = ("type", "created_at", "output_index", "content_index")


def error_of(payloads: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the first error event: without a stream it is the HTTP answer."""
    for payload in payloads:
        if payload.get("type") in _ERRORS:
            return payload
        if "error" in payload:
            return cast("dict[str, Any]", payload["error"])
    return None


def conversation_response(conversation_id: str, payloads: list[dict[str, Any]]) -> dict[str, Any]:
    """Build the ConversationResponse; usage is absent when no done event says it."""
    entries: list[dict[str, Any]] = []
    # An id may come again, even before its first pair is closed: a done event closes the last.
    running: dict[tuple[str, str], list[dict[str, Any]]] = {}
    response: dict[str, Any] = {
        "object": "conversation.response",
        "conversation_id": conversation_id,
        "outputs": entries,
    }
    for payload in payloads:
        kind, _, step = payload["type"].rpartition(".")
        if kind in _ENTRIES:
            same = running.setdefault((kind, payload["id"]), [])
            if step == "started" or not same:
                same.append({"object": "entry", "type": kind, **_ENTRIES[kind]})
                entries.append(same[-1])
            _add(same[-1], step, payload)
            if step == "done":
                same.pop()
        elif payload["type"] == "conversation.response.done" and "usage" in payload:
            response["usage"] = payload["usage"]
    return response


def _add(entry: dict[str, Any], step: str, payload: dict[str, Any]) -> None:
    """Add an event to its entry: deltas are joined, other fields are set."""
    if "created_at" in payload:
        entry.setdefault("created_at", payload["created_at"])
        if step == "done" or entry["type"] in _ONLY_DELTAS:
            entry["completed_at"] = payload["created_at"]
    for key, value in payload.items():
        if key in _NOT_IN_ENTRIES:
            continue
        if key == "content":
            entry[key] = joined(entry[key], value)
        elif key == "arguments" and step == "delta":
            entry[key] += value
        else:
            entry[key] = value


def joined(content: Any, delta: Any) -> Any:
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
