# SPDX-License-Identifier: Apache-2.0
"""Converts our messages into the dataclasses of opentelemetry-util-genai, for a completion hook.

It is imported only when there is a hook, because util-genai is an optional dependency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import make_dataclass
from functools import lru_cache
from typing import Any, Final, cast

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
    # A part of another type is an image of which only the size is known, or a reference.
    cls, names = _CLASSES.get(part["type"], (GenericPart, ("type",)))
    more = tuple(key for key in part if key not in names and key != "type")
    fields: dict[str, Any] = {**dict.fromkeys(names), **part}
    if cls is not GenericPart:
        del fields["type"]
    make: Any = _wider(cls, more) if more else cls
    made: MessagePart = make(**fields)
    return made


@lru_cache(maxsize=64)
def _wider(cls: Callable[..., MessagePart], more: tuple[str, ...]) -> Any:
    """Returns a class that has further fields: util-genai's own would lose a document's name."""
    fields = [(name, Any, None) for name in more]
    return make_dataclass("WiderPart", fields, bases=(cast("type[Any]", cls),))


_CLASSES: Final[Mapping[Any, tuple[Callable[..., MessagePart], tuple[str, ...]]]] = {
    "text": (TextPart, ("content",)),
    "reasoning": (ReasoningPart, ("content",)),
    "tool_call": (ToolCallRequestPart, ("arguments", "name", "id")),
    "tool_call_response": (ToolCallResponsePart, ("response", "id")),
    "server_tool_call": (ServerToolCallPart, ("name", "server_tool_call", "id")),
    "server_tool_call_response": (
        ServerToolCallResponsePart, ("server_tool_call_response", "id")
    ),
    "uri": (UriPart, ("mime_type", "modality", "uri")),
    "file": (FilePart, ("mime_type", "modality", "file_id")),
}  # fmt: skip
