# SPDX-License-Identifier: Apache-2.0
"""What the placeholders of an answer stand for, read from the request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from emulator import checks
from emulator.render import timestamp
from emulator.state import DEFAULT_MODEL

if TYPE_CHECKING:
    from emulator.state import Conversation, State

Names = dict[str, Any]
Body = dict[str, Any]
# Where a request has the words of its user: what some errors repeat.
_TEXTS = (
    "inputs", "messages", "prompt", "input", "document", "file_url", "instructions",
    "retriever", "pattern",
)  # fmt: skip
_DIMENSION = 1024


def of_time(now: float) -> Names:
    """Return the time of the answer, as a number and as a string."""
    return {"created": int(now), "created_at": timestamp(now)}


def _text(body: Body) -> str:
    text: Any = next((body[key] for key in _TEXTS if body.get(key) is not None), None)
    return text if isinstance(text, str) else json.dumps(text)


def _of_conversation(conversation: Conversation, body: Body) -> Names:
    return {
        "conversation_id": conversation.id,
        "model": conversation.model,
        "agent_id": conversation.agent_id,
        "text": _text(body),
    }


def of_start(state: State, _path: dict[str, str], body: Body) -> Names:
    """Name a new conversation."""
    return _of_conversation(state.create(body.get("model"), body.get("agent_id")), body)


def of_append(state: State, path: dict[str, str], body: Body) -> Names:
    """Name a conversation that goes on."""
    return _of_conversation(state.find(path["conversation_id"]), body)


def of_restart(state: State, path: dict[str, str], body: Body) -> Names:
    """Name a new conversation with who answered in the one before."""
    parent = state.find(path["conversation_id"])
    return _of_conversation(state.create(parent.model, parent.agent_id), body)


def of_request(_state: State, path: dict[str, str], body: Body) -> Names:
    """Name what a request asks for: a model, an index, an agent; and the parts of a new agent."""
    return {
        "model": body.get("model") or path.get("model") or DEFAULT_MODEL,
        "agent_id": path.get("agent_id") or body.get("agent_id") or "ag_emulated",
        "index_name": path.get("index_name"),
        "name": body.get("name") or "Emulated",
        "description": body.get("description"),
        "instructions": body.get("instructions"),
        "tools": body.get("tools") or [],
        "text": _text(body),
    }


def of_workflow(_state: State, path: dict[str, str], body: Body) -> Names:
    """Name a workflow, which is called as it was asked for, and its execution."""
    return {
        "name": path.get("workflow_identifier") or "Emulated",
        "execution_id": body.get("execution_id") or path.get("execution_id") or "exec_1",
        "text": _text(body),
    }


def of_batch(state: State, path: dict[str, str], body: Body) -> Names:
    """Name a batch's endpoint, and count its requests."""
    return {
        **of_request(state, path, body),
        "name": body.get("endpoint") or "/v1/chat/completions",
        "n": len(body.get("requests") or [1, 2, 3]),
    }


def of_inputs(state: State, path: dict[str, str], body: Body) -> Names:
    """Count the inputs, one text or many; make the vector that each of them becomes."""
    size: Any = body.get("output_dimension") or _DIMENSION
    if not isinstance(size, int) or size < 1:
        problem = checks.problem(["body", "output_dimension"], "Not a positive integer")
        raise checks.invalid(problem)
    vector = [number / size for number in range(size)]
    inputs = len(_listed(body["input"]))
    return {**of_request(state, path, body), "inputs": inputs, "vector": vector}


def of_chats(state: State, path: dict[str, str], body: Body) -> Names:
    """Count the inputs: one chat, as messages or as a request with messages, or many of them."""
    given = _listed(body["input"])
    first = given[0] if given else None
    chats = isinstance(first, list) or (isinstance(first, dict) and "messages" in first)
    return {**of_request(state, path, body), "inputs": len(given) if chats else 1}


def _listed(value: Any) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else [value]
