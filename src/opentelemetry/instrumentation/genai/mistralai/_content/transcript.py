# SPDX-License-Identifier: Apache-2.0
"""Keeps the content of a response, in pieces if it is streamed, and joins it at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from .. import _names as s
from .._reading.fields import Fields, fields_of, items_of, text, unpacked
from .cleaning import cut
from .mode import Part
from .parts import collect, joined, references_of, thoughts_of
from .said import Answer, Called, Chunks, Said, Text
from .structure import Clean, as_text


class Transcript:
    """Holds the content of one response; its items are in the order in which they began."""

    def __init__(self) -> None:
        self._items: list[Said] = []
        self._text = Text("", None)
        self._called: dict[object, Called] = {}
        # A message of a completion may be a tool's answer; the key is the message's index.
        self._answers: dict[object, Answer] = {}
        self._turn = 0

    def on_message(self, data: Fields) -> None:
        """Takes in a message or a piece of one."""
        content = data.get("content")
        if type(content) is str:
            self._add_text("text", data.get("id"), content)
            return
        chunks = cast("list[object]", content) if isinstance(content, list) else [content]
        for chunk in chunks:
            fields = unpacked(fields_of(chunk))
            if isinstance(fields.get("text"), str):
                self._add_text("text", data.get("id"), cast("str", fields["text"]))
            elif "thinking" in fields:
                self._add_text("reasoning", data.get("id"), thoughts_of(fields["thinking"]))
                self._items.extend(map(Chunks, references_of(fields["thinking"])))
            elif fields or isinstance(chunk, str):
                self._items.append(Chunks(chunk))

    def on_call(self, data: Fields) -> None:
        """Takes in a piece of a function call, or an event of a tool."""
        key = _key(data.get("id"))
        called = self._called.get(key)
        if called is None:
            called = self._called[key] = Called(data)
            self._items.append(called)
        else:
            called.add(data)

    def on_completion(self, message: Mapping[str, object], position: int | None = None) -> None:
        """Takes in one choice of a completion or a piece of one.

        Args:
            message: the delta, or the message.
            position: its place among the whole messages of one choice, if there are several.
        """
        index = message.get("index")
        of = index if type(index) is int else position
        answer = self._answer(of, text(message.get("role")), text(message.get("tool_call_id")))
        content = message.get("content")
        if answer is not None:
            chunks = [{"text": content}] if isinstance(content, str) else items_of(content)
            answer.pieces.append(joined(chunks))
            return
        self.on_message({"id": (of, self._turn), "content": content})
        for place, call in enumerate(items_of(message.get("tool_calls"))):
            fields = fields_of(call)
            function = fields_of(fields.get("function"))
            # Without an index from the API the SDK's default is 0, for every call: only an index
            # that was sent can tell two calls apart.
            given: Any = getattr(call, "__pydantic_fields_set__", fields)
            number = fields.get("index") if "index" in given else None
            key = (of, self._turn, number if isinstance(number, int) else place)
            # The SDK turns a missing id into "null".
            call_id = None if fields.get("id") == "null" else fields.get("id")
            self.on_call({**function, "id": key, "tool_call_id": call_id or "call"})

    def _answer(self, of: object, role: str | None, call_id: str | None) -> Answer | None:
        """Returns the tool's answer that a delta belongs to, None if it belongs to none.

        Only the answer's first delta need carry its role.
        """
        answer = self._answers.get(of)
        if role not in (None, "tool"):
            if answer is not None:
                # The model goes on, and numbers its calls from 0 again: without a new turn they
                # would be joined to the earlier ones.
                del self._answers[of]
                self._turn += 1
            return None
        begins = answer is not None and call_id not in (None, answer.call_id)
        if begins or (answer is None and (role or call_id)):
            answer = self._answers[of] = Answer(call_id)
            self._items.append(answer)
        return answer

    def on_tool_started(self, data: Fields) -> None:
        """Takes in a tool's start; an id that was there before begins a new tool."""
        self._called.pop(_key(data.get("id")), None)
        self.on_call(data)

    def tool_content(self, step_id: object, clean: Clean) -> dict[str, str]:
        """Returns a tool's arguments and result, as span attributes."""
        called = self._called.get(_key(step_id))
        if called is None:
            return {}
        result = as_text(called.result) if called.result else ""
        texts = {s.TOOL_CALL_ARGUMENTS: called.arguments, s.TOOL_CALL_RESULT: result}
        cleaned = {key: clean(text) for key, text in texts.items() if text}
        # These go on a span, so they must be cut even if a completion hook gets texts uncut.
        return {key: cut(text) for key, text in cleaned.items() if text is not None}

    def parts(self, clean: Clean) -> list[Part]:
        """Returns the parts of the response's one message."""
        return collect(self._items, lambda item: item.parts(clean))

    def _add_text(self, kind: str, entry_id: object, piece: str) -> None:
        text = self._text
        known = bool(self._items) and self._items[-1] is text
        if not known or text.kind != kind or text.entry_id != entry_id:
            text = self._text = Text(kind, entry_id)
            self._items.append(text)
        text.pieces.append(piece)


def _key(entry_id: object) -> object:
    """Returns an id if it can be a dict's key: a server may send it in any shape."""
    return entry_id if type(entry_id) in (str, tuple) else None
