# SPDX-License-Identifier: Apache-2.0
"""Converts our messages into the dataclasses of opentelemetry-util-genai, for a completion hook.

It is imported only when there is a hook, because util-genai is an optional dependency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import make_dataclass
from functools import lru_cache
from typing import Any, Final

from opentelemetry.util.genai.types import (  # pyright: ignore[reportMissingTypeStubs]
    FilePart,
    FunctionToolDefinition,
    GenericPart,
    GenericToolDefinition,
    InputMessage,
    MessagePart,
    OutputMessage,
    ReasoningPart,
    ServerToolCallPart,
    ServerToolCallResponsePart,
    TextPart,
    ToolCallRequestPart,
    ToolCallResponsePart,
    ToolDefinition,
    UriPart,
)

from .._content.mode import Part


def inputs(messages: Iterable[Part]) -> list[InputMessage]:
    """Converts the messages of the request."""
    return [InputMessage(message["role"], parts(message["parts"])) for message in messages]


def outputs(messages: Iterable[Part]) -> list[OutputMessage]:
    """Converts the messages of the response."""
    return [
        OutputMessage(message["role"], parts(message["parts"]), message.get("finish_reason"))
        for message in messages
    ]


def parts(of_message: Iterable[Part]) -> list[MessagePart]:
    """Converts the parts of a message, or the system instructions."""
    return [_part(part) for part in of_message]


def tools(definitions: Iterable[Part]) -> list[ToolDefinition]:
    """Converts the tool definitions, which have a type and a name only."""
    return [
        FunctionToolDefinition(tool["name"], description=None, parameters=None)
        if tool["type"] == "function"
        else GenericToolDefinition(name=tool["name"], type=tool["type"])
        for tool in definitions
    ]


def _part(part: Part) -> MessagePart:
    make = _MAKE.get(part["type"])
    return _other(part) if make is None else make(part)


def _other(part: Part) -> MessagePart:
    # util-genai has no class for such parts (an image of which only the size is known, a
    # reference), and its generic one has no field but the type: it would lose the others.
    return _other_class(tuple(key for key in part if key != "type"))(**part)


@lru_cache(maxsize=64)
def _other_class(names: tuple[str, ...]) -> type[GenericPart]:
    return make_dataclass("OtherPart", names, bases=(GenericPart,))


def _with(cls: Callable[..., MessagePart], *names: str) -> Callable[[Part], MessagePart]:
    return lambda part: cls(**{name: part.get(name) for name in names})


def _media(cls: Callable[..., MessagePart], name: str) -> Callable[[Part], MessagePart]:
    return lambda part: cls(
        mime_type=part.get("mime_type"), modality=part["modality"], **{name: part[name]}
    )


_MAKE: Final[Mapping[Any, Callable[[Part], MessagePart]]] = {
    "text": _with(TextPart, "content"),
    "reasoning": _with(ReasoningPart, "content"),
    "tool_call": _with(ToolCallRequestPart, "arguments", "name", "id"),
    "tool_call_response": _with(ToolCallResponsePart, "response", "id"),
    "server_tool_call": _with(ServerToolCallPart, "name", "server_tool_call", "id"),
    "server_tool_call_response": _with(
        ServerToolCallResponsePart, "server_tool_call_response", "id"
    ),
    "uri": _media(UriPart, "uri"),
    "file": _media(FilePart, "file_id"),
}
