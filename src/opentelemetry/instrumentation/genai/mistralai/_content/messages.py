# SPDX-License-Identifier: Apache-2.0
"""Reads requests, and outputs of the Responses API, into messages of the GenAI conventions.

The shapes are those of the conventions' JSON schemas for ``gen_ai.input.messages`` and its kin
(https://github.com/open-telemetry/semantic-conventions-genai). Entries are told apart by the fields
that they have: their classes differ between SDK lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from .. import _log
from .. import _names as s
from .._reading.fields import fields_of, items_of, text
from .cleaning import cut
from .mode import Content, Part
from .parts import (
    chunk_parts,
    collect,
    joined,
    role_of,
    server_tool,
    text_part,
    tool_call,
    tool_response,
    type_of,
    word,
)
from .structure import Clean, as_text

ReadContent = Callable[[Mapping[str, Any], Clean], Content]
Message = dict[str, Any]


def read_content(read: ReadContent, kwargs: Mapping[str, Any], clean: Clean) -> Content:
    """Reads the content of a request; of one that cannot be read there is none."""
    try:
        return read(kwargs, clean)
    except Exception as exc:  # noqa: BLE001 -- the call must be recorded even without its content
        _log.report("read what is asked", exc)
        return Content([], [], [])


def conversation_content(kwargs: Mapping[str, Any], clean: Clean) -> Content:
    """Reads and copies the content of a conversation's request: the caller may change it later."""
    return _content(input_messages(kwargs.get("inputs"), clean), kwargs, clean)


def completion_content(kwargs: Mapping[str, Any], clean: Clean) -> Content:
    """Reads the content of a completion's request: messages, a prompt and its suffix, an input.

    The Responses API has both a prompt and an input, and either may be None.
    """
    messages = input_messages(kwargs.get("messages"), clean)
    asked = input_messages(kwargs.get("prompt"), clean)
    if suffix := parts_of(kwargs.get("suffix"), clean) if kwargs.get("suffix") else []:
        asked = asked or [_message("user", [])]
        asked[0]["parts"] += suffix
    messages += asked + input_messages(kwargs.get("input"), clean)
    return _content(messages, kwargs, clean)


def workflow_content(kwargs: Mapping[str, Any], clean: Clean) -> Content:
    """Reads the input of a workflow, whose shape the application decides, as one message."""
    given = kwargs.get("input")
    if not given:
        return Content([], [], [])
    plain: object = given if isinstance(given, str) else items_of(given) or fields_of(given)
    part = text_part("text", as_text(plain), clean)
    return Content([] if part is None else [_message("user", [part])], [], [])


def tool_content(kwargs: Mapping[str, Any], clean: Clean) -> Content:
    """Reads the arguments of a tool, which a span has as one text."""
    content = Content([], [], [])
    given = kwargs.get("arguments")
    if given and (cleaned := clean(as_text(given))) is not None:
        content.texts[s.TOOL_CALL_ARGUMENTS] = cut(cleaned)
    return content


def no_content(_kwargs: Mapping[str, Any], _clean: Clean) -> Content:
    """Reads nothing: the content of these requests is never recorded."""
    return Content([], [], [])


def input_messages(inputs: object, clean: Clean) -> list[Message]:
    """Reads the ``inputs`` of a conversation; a one-shot generator is left alone.

    Args:
        inputs: a string, or a list or tuple of the SDK's entries or of dicts.
        clean: returns what may be recorded of a text, None if nothing may.
    """
    if isinstance(inputs, str):
        return [_message("user", parts_of(inputs, clean))]
    return collect(items_of(inputs), lambda entry: _messages_of(fields_of(entry), clean))


def system_instructions(instructions: object, clean: Clean) -> list[Part]:
    """Reads the ``instructions`` of a request."""
    return parts_of(instructions, clean) if isinstance(instructions, str) else []


def tool_definitions(tools: object, clean: Clean = cut) -> list[Part]:
    """Reads only type and name of the tools that a request offers."""

    def definition(tool: object) -> list[Part]:
        fields = fields_of(tool)
        function = fields_of(fields.get("function"))
        kind = text(type_of(fields)) or "function"
        names = (function.get("name"), fields.get("name"), fields.get("connector_id"), kind)
        name = next(filter(None, map(text, names)))
        return [{"type": word(kind, clean) or "unknown", "name": word(name, clean) or ""}]

    return collect(items_of(tools), definition)


def parts_of(content: object, clean: Clean) -> list[Part]:
    """Reads the content of a message: a string, a chunk, or a list of chunks."""
    chunks = cast("list[object]", content) if isinstance(content, (list, tuple)) else [content]
    told = [chunk for chunk in chunks if chunk is not None]
    return collect(told, lambda chunk: chunk_parts(chunk, clean))


def parts_of_items(items: Sequence[object], clean: Clean) -> list[Part]:
    """Reads the output of the Responses API."""

    def of_item(item: object) -> list[Part]:
        fields = fields_of(item)
        if "arguments" in fields:
            name, arguments = fields.get("name"), fields["arguments"]
            return [tool_call(fields.get("call_id"), name, arguments, clean)]
        if fields.get("type") == "reasoning":
            return _thoughts(fields, clean)
        return parts_of(fields.get("content"), clean)

    return collect(items, of_item)


def _content(messages: list[Message], kwargs: Mapping[str, Any], clean: Clean) -> Content:
    instructions = system_instructions(kwargs.get("instructions"), clean)
    return Content(messages, instructions, tool_definitions(kwargs.get("tools"), clean))


def _message(role: str, parts: list[Part]) -> Message:
    return {"role": role, "parts": parts}


def _messages_of(entry: Mapping[str, object], clean: Clean) -> list[Message]:
    call_id = entry.get("tool_call_id") or entry.get("call_id")
    result = next((entry[name] for name in ("result", "output") if name in entry), None)
    if result is None and call_id and entry.get("role") == "tool":
        result = entry.get("content")
    if result is not None:
        return [_message("tool", [tool_response(call_id, result, clean)])]
    if entry.get("type") == "reasoning":
        return [_message("assistant", _thoughts(entry, clean))]
    calls = items_of(entry.get("tool_calls"))
    if "content" in entry or calls:
        parts = parts_of(entry.get("content"), clean)
        parts += collect(calls, lambda call: [_call_of(fields_of(call), clean)])
        return [_message(role_of(entry, clean), parts)]
    if "arguments" in entry:
        name, arguments = entry.get("name"), entry["arguments"]
        if call_id:
            return [_message("assistant", [tool_call(call_id, name, arguments, clean)])]
        called = server_tool(entry.get("id"), name, arguments, entry.get("info"), clean)
        return [_message("assistant", called)]
    return []


def _call_of(call: Mapping[str, object], clean: Clean) -> Part:
    function = fields_of(call.get("function"))
    return tool_call(call.get("id"), function.get("name"), function.get("arguments"), clean)


def _thoughts(item: Mapping[str, object], clean: Clean) -> list[Part]:
    """Makes the part of a reasoning item: its whole text, or its summary."""
    thought = items_of(item.get("content")) or items_of(item.get("summary"))
    part = text_part("reasoning", joined(thought), clean)
    return [] if part is None else [part]
