# SPDX-License-Identifier: Apache-2.0
"""The completion to a request that does not stream, joined from the chunks of the stream."""

from __future__ import annotations

from typing import Any, cast

from emulator.outputs import joined

_OF_THE_WHOLE = ("id", "model", "created", "usage")


def completion_response(payloads: list[dict[str, Any]]) -> dict[str, Any]:
    """Build the completion; usage is absent when no chunk says it."""
    whole: dict[str, Any] = {"object": "chat.completion"}
    choices: dict[int, dict[str, Any]] = {}
    for payload in payloads:
        whole.update({key: payload[key] for key in _OF_THE_WHOLE if key in payload})
        for part in payload["choices"]:
            index = part["index"]
            if index not in choices:
                message = {"role": "assistant", "content": ""}
                # What never says how it ends has failed: the SDK's model wants a reason.
                choices[index] = {"index": index, "message": message, "finish_reason": "error"}
            if part["finish_reason"] is not None:
                choices[index]["finish_reason"] = part["finish_reason"]
            _add(choices[index]["message"], part["delta"])
    return {**whole, "choices": [choices[index] for index in sorted(choices)]}


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    content = delta.get("content", "")
    parts = cast("list[object]", content) if isinstance(content, list) else [content]
    for part in parts:
        message["content"] = joined(message["content"], part)
    for call in delta.get("tool_calls", []):
        calls: list[dict[str, Any]] = message.setdefault("tool_calls", [])
        same = [known for known in calls if known["index"] == call["index"]]
        if same:
            same[0]["function"]["arguments"] += call["function"]["arguments"]
        else:
            calls.append({**call, "function": {**call["function"]}})
