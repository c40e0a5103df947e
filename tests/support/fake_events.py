# SPDX-License-Identifier: Apache-2.0
"""Events and responses in the SDK's shape: dataclasses with its field names.

``at`` is their ``created_at``: seconds since the span's start on the server's clock, or any other
value as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Final

MODEL: Final = "mistral-small-2506"
START: Final = datetime(2026, 10, 1, 12, tzinfo=timezone.utc)


def server(seconds: float) -> datetime:
    """Seconds since the span's start as a timestamp of a server whose clock agrees."""
    return START + timedelta(microseconds=round(seconds * 1e6))


class Unset:
    """The SDK's marker of a field that was not sent: falsy, and not None."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


@dataclass
class Event:
    """The wrapper around every event, ``ConversationEvents``."""

    event: Any
    data: Any


@dataclass
class Usage:
    prompt_tokens: Any = 0
    completion_tokens: Any = 0
    total_tokens: Any = 0
    connector_tokens: Any = UNSET
    connectors: Any = UNSET


@dataclass
class Data:
    created_at: Any = None
    type: Any = field(default=None, kw_only=True)


@dataclass
class ResponseStarted(Data):
    conversation_id: Any = "conv_1"


@dataclass
class OldOutput(Data):
    """An output of mistralai 1.x: tools and function calls name neither agent nor model."""

    id: Any = "msg_1"
    name: Any = "web_search"


@dataclass
class Output(OldOutput):
    model: Any = MODEL
    agent_id: Any = UNSET
    confirmation_status: Any = UNSET


@dataclass
class FunctionCall(Output):
    id: Any = "fc_1"


@dataclass
class ToolStarted(Output):
    id: Any = "tool_1"


@dataclass
class HandoffStarted(Data):
    id: Any = "handoff_1"
    previous_agent_id: Any = "ag_1"
    previous_agent_name: Any = "router"


@dataclass
class HandoffDone(Data):
    id: Any = "handoff_1"
    next_agent_id: Any = "ag_2"
    next_agent_name: Any = "writer"


@dataclass
class ResponseDone(Data):
    usage: Any = field(default_factory=Usage)


@dataclass
class ResponseError(Data):
    message: str = "the user's words"
    code: Any = 500


@dataclass(frozen=True)
class Unknown:
    raw: Any
    type: str = "UNKNOWN"
    is_unknown: bool = True


def _event(name: str, data: Callable[..., Data], at: Any = None, /, **fields: Any) -> Event:
    created_at = server(at) if type(at) in (int, float) else at
    return Event(name, data(created_at=created_at, **{"type": name, **fields}))


started = partial(_event, "conversation.response.started", ResponseStarted)
delta = partial(_event, "message.output.delta", Output)
function_call = partial(_event, "function.call.delta", FunctionCall)
tool_started = partial(_event, "tool.execution.started", ToolStarted)
tool_done = partial(_event, "tool.execution.done", OldOutput, id="tool_1")
handoff_started = partial(_event, "agent.handoff.started", HandoffStarted)
handoff_done = partial(_event, "agent.handoff.done", HandoffDone)
done = partial(_event, "conversation.response.done", ResponseDone)
error = partial(_event, "conversation.response.error", ResponseError)
old_tool_started = partial(_event, "tool.execution.started", OldOutput, id="tool_1")
old_function_call = partial(_event, "function.call.delta", OldOutput, id="fc_1")


def rejected(name: str, /, **raw: object) -> Event:
    """An event that the SDK knows by name and whose data its model rejects."""
    return Event(name, Unknown({"type": name, **raw}))


@dataclass
class Entry:
    """An entry of the SDK: fields that a type lacks are not read."""

    type: Any
    created_at: Any = UNSET
    completed_at: Any = UNSET
    id: Any = "id_1"
    name: Any = "web_search"
    model: Any = UNSET
    agent_id: Any = UNSET
    confirmation_status: Any = UNSET
    previous_agent_id: Any = "ag_1"
    previous_agent_name: Any = "router"
    next_agent_id: Any = "ag_2"
    next_agent_name: Any = "writer"


@dataclass
class Response:
    outputs: Any = field(default_factory=list[Any])
    usage: Any = field(default_factory=Usage)
    conversation_id: Any = "conv_1"
