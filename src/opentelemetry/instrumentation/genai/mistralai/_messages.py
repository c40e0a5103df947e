# SPDX-License-Identifier: Apache-2.0
"""What the user and the model said, as the messages of the GenAI conventions.

The shapes are those of the conventions' JSON schemas for ``gen_ai.input.messages`` and its kin
(https://github.com/open-telemetry/semantic-conventions-genai). Chunks and entries are told apart by
the fields that they have: their classes and even the spelling of ``type`` differ between SDK lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from ._content import Content, Part
from ._fields import fields_of, items_of, text
from ._json import Clean, structure

ReadContent = Callable[[Mapping[str, Any], Clean], Content]
Message = dict[str, Any]

_IMAGES: Final = frozenset({"png", "jpg", "jpeg", "gif", "webp", "bmp", "svg"})


def conversation_content(kwargs: Mapping[str, Any], clean: Clean) -> Content:
    """Reads what the user says in a conversation, and copies it: the caller may change it."""
    return Content(
        input_messages(kwargs.get("inputs"), clean),
        system_instructions(kwargs.get("instructions"), clean),
        tool_definitions(kwargs.get("tools")),
    )


def completion_content(kwargs: Mapping[str, Any], clean: Clean) -> Content:
    """Reads what the user says in a completion: messages, a prompt, or an input."""
    asked = next((kwargs[name] for name in ("messages", "prompt", "input") if name in kwargs), None)
    messages = input_messages(asked, clean)
    if messages and (suffix := kwargs.get("suffix")):
        messages[0]["parts"] += parts_of(suffix, clean)
    instructions = system_instructions(kwargs.get("instructions"), clean)
    return Content(messages, instructions, tool_definitions(kwargs.get("tools")))


def no_content(_kwargs: Mapping[str, Any], _clean: Clean) -> Content:
    """Of a call whose input is no message: texts to embed or classify, documents, sound."""
    return Content([], [], [])


def input_messages(inputs: object, clean: Clean) -> list[Message]:
    """Reads the ``inputs`` of a conversation; a one-shot generator is left alone.

    Args:
        inputs: a string, or a list or tuple of the SDK's entries or of dicts.
        clean: gives what may be recorded of a text, None if nothing may.
    """
    if isinstance(inputs, str):
        return [_message("user", parts_of(inputs, clean))]
    entries = map(fields_of, items_of(inputs))
    return [message for entry in entries if (message := _message_of(entry, clean)) is not None]


def system_instructions(instructions: object, clean: Clean) -> list[Part]:
    """Reads the ``instructions`` of a request."""
    return parts_of(instructions, clean) if isinstance(instructions, str) else []


def tool_definitions(tools: object) -> list[Part]:
    """Reads type and name of the tools that a request offers, and nothing else of them."""
    definitions: list[Part] = []
    for fields in map(fields_of, items_of(tools)):
        function = fields_of(fields.get("function"))
        kind = text(_type(fields)) or "function"
        names = (function.get("name"), fields.get("name"), fields.get("connector_id"), kind)
        definitions.append({"type": kind, "name": next(filter(None, map(text, names)))})
    return definitions


def parts_of(content: object, clean: Clean) -> list[Part]:
    """Reads the content of a message: a string, a chunk, or a list of chunks."""
    if isinstance(content, str):
        return [part] if (part := text_part("text", content, clean)) else []
    chunks = cast("list[object]", content) if isinstance(content, (list, tuple)) else [content]
    parts = (_part_of(chunk, clean) for chunk in chunks if chunk is not None)
    return [part for part in parts if part is not None]


def parts_of_items(items: Sequence[object], clean: Clean) -> list[Part]:
    """Reads the output of the Responses API."""
    parts: list[Part] = []
    for item in map(fields_of, items):
        if "arguments" in item:
            parts.append(tool_call(item.get("call_id"), item.get("name"), item["arguments"], clean))
        elif item.get("type") == "reasoning":
            thought = items_of(item.get("content")) or items_of(item.get("summary"))
            if (part := text_part("reasoning", _joined(thought), clean)) is not None:
                parts.append(part)
        else:
            parts.extend(parts_of(item.get("content"), clean))
    return parts


def text_part(kind: str, content: str, clean: Clean) -> Part | None:
    """A part that is nothing but text."""
    cleaned = clean(content) if content else None
    return None if cleaned is None else {"type": kind, "content": cleaned}


def tool_call(call_id: object, name: object, arguments: object, clean: Clean) -> Part:
    """A function that the model wants to have called."""
    part: Part = {"type": "tool_call", "id": text(call_id), "name": text(name) or ""}
    return {**part, "arguments": structure(arguments, clean)}


def server_tool(
    call_id: object, name: object, arguments: object, result: object, clean: Clean
) -> list[Part]:
    """A tool that the server called, and what it told of the result."""
    tool = text(name) or ""
    call = {"type": tool, "arguments": structure(arguments, clean)}
    parts: list[Part] = [
        {"type": "server_tool_call", "id": text(call_id), "name": tool, "server_tool_call": call}
    ]
    if result:
        response = {"type": tool, "result": structure(result, clean)}
        kind = "server_tool_call_response"
        parts.append({"type": kind, "id": text(call_id), kind: response})
    return parts


def _message(role: str, parts: list[Part]) -> Message:
    return {"role": role, "parts": parts}


def _message_of(entry: Mapping[str, object], clean: Clean) -> Message | None:
    call_id = entry.get("tool_call_id") or entry.get("call_id")
    result = next((entry[name] for name in ("result", "output") if name in entry), None)
    if result is None and call_id and entry.get("role") == "tool":
        result = entry.get("content")
    if result is not None:
        response = structure(_plain(result), clean)
        part: Part = {"type": "tool_call_response", "id": text(call_id), "response": response}
        return _message("tool", [part])
    calls = entry.get("tool_calls")
    if "content" in entry or calls:
        parts = parts_of(entry.get("content"), clean)
        for call in map(fields_of, items_of(calls)):
            function = fields_of(call.get("function"))
            arguments = function.get("arguments")
            parts.append(tool_call(call.get("id"), function.get("name"), arguments, clean))
        return _message(text(entry.get("role")) or "user", parts)
    if "arguments" in entry:
        name, arguments = entry.get("name"), entry["arguments"]
        if call_id:
            return _message("assistant", [tool_call(call_id, name, arguments, clean)])
        called = server_tool(entry.get("id"), name, arguments, entry.get("info"), clean)
        return _message("assistant", called)
    return None


def _plain(result: object) -> object:
    """A result that is told in chunks of text, as the text that it is."""
    return _joined(cast("list[object]", result)) if isinstance(result, list) else result


def _joined(chunks: Sequence[object]) -> str:
    pieces = (fields_of(chunk).get("text") for chunk in chunks)
    return "".join(piece for piece in pieces if isinstance(piece, str))


def _part_of(chunk: object, clean: Clean) -> Part | None:
    fields = {"text": chunk} if isinstance(chunk, str) else fields_of(chunk)
    if isinstance(fields.get("text"), str):
        return text_part("text", cast("str", fields["text"]), clean)
    if "thinking" in fields:
        return text_part("reasoning", thoughts_of(fields["thinking"]), clean)
    for field, modality in (
        ("image_url", "image"),
        ("document_url", "document"),
        ("input_audio", "audio"),
    ):
        if field in fields:
            return _media(fields[field], modality, clean)
    if "file_id" in fields:
        kind = text(fields.get("file_type")) or ""
        modality = "image" if kind.lower() in _IMAGES else "document"
        return {"type": "file", "modality": modality, "file_id": text(fields["file_id"]) or ""}
    part: Part = {"type": text(_type(fields)) or "unknown"}
    for field in ("tool", "title", "url"):
        value = fields.get(field)
        if isinstance(value, str) and (cleaned := clean(value)) is not None:
            part[field] = cleaned
    return part if fields else None


def thoughts_of(thinking: object) -> str:
    """The text of a thinking chunk."""
    if isinstance(thinking, str):
        return thinking
    return _joined(items_of(thinking))


def _media(value: object, modality: str, clean: Clean) -> Part:
    """An image, document or sound: where it is, or how large; never its bytes."""
    url = value if isinstance(value, str) else fields_of(value).get("url")
    if not isinstance(url, str):
        return {"type": "omitted_blob", "modality": modality}
    header, _, data = url.rpartition(",")
    inline = url[:5].lower() == "data:"
    if "://" in url[:16] and not inline:
        return {"type": "uri", "modality": modality, "uri": clean(url) or ""}
    size = len(data.rstrip("=")) * 3 // 4
    part: Part = {"type": "omitted_blob", "modality": modality, "size": size}
    if inline:
        part["mime_type"] = header[5:].partition(";")[0][:64]
    return part


def _type(fields: Mapping[str, object]) -> object:
    return fields.get("type") or fields.get("TYPE")
