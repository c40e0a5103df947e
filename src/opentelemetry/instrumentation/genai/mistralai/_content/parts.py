# SPDX-License-Identifier: Apache-2.0
"""Makes one part of a message: a text, a call, a result, a medium, as the conventions shape it.

Chunks are told apart by the fields that they have: their classes and even the spelling of ``type``
differ between SDK lines. Every text in them passes ``clean``, ids and names included: a model
invents names of functions. Only the API's own words for roles and types do not pass it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar, cast
from urllib.parse import unquote

from .. import _log
from .._reading.fields import fields_of, items_of, text, unpacked
from .cleaning import clean_spellings
from .mode import Part
from .structure import Clean, structure

_S = TypeVar("_S")
_T = TypeVar("_T")
_IMAGES: Final = frozenset({"png", "jpg", "jpeg", "gif", "webp", "bmp", "svg"})
_MEDIA: Final = (("image_url", "image"), ("document_url", "document"), ("input_audio", "audio"))
_NAMES: Final = ("tool", "title", "file_name", "document_name")
_URLS: Final = ("url", "uri")
_MAX_IDS: Final = 128
_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})
_CHUNKS: Final = frozenset({
    "text", "thinking", "reference", "tool_reference", "tool_file", "file", "image_url",
    "document_url", "input_audio", "refusal", "resource_link", "resource",
})  # fmt: skip
# No media type is longer. A longer text is left out: cutting it before redaction could leave half a
# secret in it.
_MAX_MEDIA_TYPE: Final = 256


def collect(items: Iterable[_S], make: Callable[[_S], Iterable[_T]]) -> list[_T]:
    """Returns all that ``make`` makes of the items; an item that fails is left out."""
    made: list[_T] = []
    for item in items:
        try:
            made.extend(make(item))
        except Exception as exc:  # noqa: BLE001 -- the other items must be read
            _log.report("read content", exc)
    return made


def word(value: object, clean: Clean) -> str | None:
    """Returns what may be recorded of an id or a name, None if it is no text."""
    known = text(value)
    return None if known is None else clean(known)


def role_of(entry: Mapping[str, object], clean: Clean) -> str:
    """Returns a message's role; a role that the API does not know is cleaned as any text."""
    role = text(entry.get("role")) or "user"
    return role if role in _ROLES else clean(role) or "unknown"


def type_of(fields: Mapping[str, object]) -> object:
    """Returns the type of a chunk or a tool; the SDK's own classes spell the field in capitals."""
    return fields.get("type") or fields.get("TYPE")


def text_part(kind: str, content: str, clean: Clean) -> Part | None:
    """Makes a part of text alone; returns None for an empty one."""
    cleaned = clean(content) if content else None
    return None if cleaned is None else {"type": kind, "content": cleaned}


def tool_call(call_id: object, name: object, arguments: object, clean: Clean) -> Part:
    """Makes the part of a function call that the model asks for."""
    part: Part = {"type": "tool_call", "id": word(call_id, clean), "name": word(name, clean) or ""}
    return {**part, "arguments": structure(arguments, clean)}


def tool_response(call_id: object, result: object, clean: Clean) -> Part:
    """Makes the part of a function's result; chunks of text are joined."""
    plain = joined(cast("list[object]", result)) if isinstance(result, list) else result
    kind = "tool_call_response"
    return {"type": kind, "id": word(call_id, clean), "response": structure(plain, clean)}


def server_tool(
    call_id: object, name: object, arguments: object, result: object, clean: Clean
) -> list[Part]:
    """Makes the parts of a tool that the server called, and of its result if there is one."""
    tool, step = word(name, clean) or "", word(call_id, clean)
    call = {"type": tool, "arguments": structure(arguments, clean)}
    parts: list[Part] = [
        {"type": "server_tool_call", "id": step, "name": tool, "server_tool_call": call}
    ]
    if result:
        response = {"type": tool, "result": structure(result, clean)}
        kind = "server_tool_call_response"
        parts.append({"type": kind, "id": step, kind: response})
    return parts


def chunk_parts(chunk: object, clean: Clean) -> list[Part]:
    """Reads one chunk of a message's content."""
    # A chunk that the SDK does not know has the API's JSON in ``raw``.
    fields = {"text": chunk} if isinstance(chunk, str) else unpacked(fields_of(chunk))
    for field in ("text", "refusal"):
        if isinstance(fields.get(field), str):
            return _some(text_part("text", cast("str", fields[field]), clean))
    if "thinking" in fields:
        thought = _some(text_part("reasoning", thoughts_of(fields["thinking"]), clean))
        return thought + collect(
            references_of(fields["thinking"]), lambda one: chunk_parts(one, clean)
        )
    for field, modality in _MEDIA:
        if field in fields:
            return [_named(_media(fields[field], modality, clean), fields, clean)]
    if "file_id" in fields:
        kind = text(fields.get("file_type")) or ""
        modality = "image" if kind.lower() in _IMAGES else "document"
        file_id = word(fields["file_id"], clean) or ""
        part: Part = {"type": "file", "modality": modality, "file_id": file_id}
        return [_named(part, fields, clean)]
    if not fields:
        return []
    kind = text(type_of(fields)) or "unknown"
    part = {"type": kind if kind in _CHUNKS else clean(kind) or "unknown"}
    ids = items_of(fields.get("reference_ids"))[:_MAX_IDS]
    if told := list(filter(None, (clean(f"{each}") for each in ids if type(each) in (str, int)))):
        part["reference_ids"] = told
    # A resource has its text, or its image, inside, but no other resource: that may have no end.
    content = fields.get("content") if "uri" in fields else None
    inside = [content] if content and "uri" not in fields_of(content) else []
    known = {**fields_of(fields.get("metadata")), **fields}
    return [_named(part, known, clean), *collect(inside, lambda one: chunk_parts(one, clean))]


def _named(part: Part, fields: Mapping[str, object], clean: Clean) -> Part:
    """Adds to a part the names and addresses that a chunk has: words of the user's, or of a tool's.

    A file's or document's name is content, and never an attribute of a span.
    """
    shows = (*((name, clean) for name in _NAMES), *((name, url_cleaner(clean)) for name in _URLS))
    for field, shown in shows:
        value = fields.get(field)
        if isinstance(value, str) and (cleaned := shown(value)) is not None:
            part[field] = cleaned
    return part


def url_cleaner(clean: Clean) -> Clean:
    """Returns a function that cleans a URL; ``redact`` also sees it without ``%`` escapes."""
    return lambda url: clean_spellings(clean, url, unquote(url) if "%" in url else url)


def thoughts_of(thinking: object) -> str:
    """Returns the text of a thinking chunk."""
    return thinking if isinstance(thinking, str) else joined(items_of(thinking))


def references_of(thinking: object) -> list[object]:
    """Returns the references in a thinking chunk."""
    chunks = items_of(thinking)
    return [each for each in chunks if "text" not in fields_of(each) and fields_of(each)]


def joined(chunks: Sequence[object]) -> str:
    """Joins the texts of chunks."""
    pieces = (fields_of(chunk).get("text") for chunk in chunks)
    return "".join(piece for piece in pieces if isinstance(piece, str))


def _some(part: Part | None) -> list[Part]:
    return [] if part is None else [part]


def _media(value: object, modality: str, clean: Clean) -> Part:
    """Makes the part of an image, document or sound: its URL or its size, never its bytes."""
    url = value if isinstance(value, str) else fields_of(value).get("url")
    if not isinstance(url, str):
        return {"type": "omitted_blob", "modality": modality}
    header, _, data = url.rpartition(",")
    inline = url[:5].lower() == "data:"
    if "://" in url[:16] and not inline:
        return {"type": "uri", "modality": modality, "uri": url_cleaner(clean)(url) or ""}
    size = len(data.rstrip("=")) * 3 // 4
    part: Part = {"type": "omitted_blob", "modality": modality, "size": size}
    if inline:
        media_type = header[5:].partition(";")[0]
        known = clean(media_type) if len(media_type) <= _MAX_MEDIA_TYPE else ""
        part["mime_type"] = (known or "")[:64]
    return part
