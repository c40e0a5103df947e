# SPDX-License-Identifier: Apache-2.0
"""Holds the items of a response: texts, calls, answers of tools, each in pieces until the end."""

from __future__ import annotations

from .._reading.fields import Fields
from .messages import parts_of
from .mode import Part
from .parts import server_tool, text_part, tool_call, tool_response
from .structure import Clean, as_text


class Text:
    """Holds the pieces of one text of one message."""

    def __init__(self, kind: str, entry_id: object) -> None:
        self.kind, self.entry_id = kind, entry_id
        self.pieces: list[str] = []

    def parts(self, clean: Clean) -> list[Part]:
        part = text_part(self.kind, "".join(self.pieces), clean)
        return [part] if part else []


class Chunks:
    """Holds content of a message that is no text."""

    def __init__(self, content: object) -> None:
        self._content = content

    def parts(self, clean: Clean) -> list[Part]:
        return parts_of(self._content, clean)


class Called:
    """Holds a function call or tool, with its arguments in pieces."""

    def __init__(self, data: Fields) -> None:
        self.entry_id, self.call_id = data.get("id"), data.get("tool_call_id")
        self.name = data.get("name")
        self.pieces: list[str] = []
        self.result: object = None
        self.add(data)

    def add(self, data: Fields) -> None:
        # The arguments are copied to text now: the SDK's own loop changes the object later.
        if arguments := data.get("arguments"):
            self.pieces.append(as_text(arguments))
        self.result = data.get("info") or self.result

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    def parts(self, clean: Clean) -> list[Part]:
        if self.call_id:
            return [tool_call(self.call_id, self.name, self.arguments, clean)]
        return server_tool(self.entry_id, self.name, self.arguments, self.result, clean)


class Answer:
    """Holds a tool's result, in a completion that consists of several messages."""

    def __init__(self, call_id: str | None) -> None:
        self.call_id = call_id
        self.pieces: list[str] = []

    def parts(self, clean: Clean) -> list[Part]:
        return [tool_response(self.call_id, "".join(self.pieces), clean)]


Said = Text | Chunks | Called | Answer
