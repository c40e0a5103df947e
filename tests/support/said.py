# SPDX-License-Identifier: Apache-2.0
"""What the emulator's conversations say, as content in the shape of the schemas."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from tests.support import sdk
from tests.support.content import (
    text,
)
from tests.support.conversations import (
    ask_async,
    ask_sync,
    read_async,
    read_sync,
)

models: Any = importlib.import_module(f"{sdk.ROOT}.models")
# SDK 1.8 knows neither thinking nor what a tool was given.
THINKS = hasattr(models, "ThinkChunk")
TELLS_ARGUMENTS = "arguments" in models.ToolExecutionStartedEvent.model_fields
ASKS = pytest.mark.parametrize(
    "ask",
    [read_sync, read_async, ask_sync, ask_async],
    ids=["stream", "stream_async", "response", "response_async"],
)
HELLO = [{"role": "user", "parts": [text("Hello?")]}]


def answer(finish_reason: str, *parts: dict[str, Any]) -> dict[str, Any]:
    """A message, which has no finish reason where the caller left."""
    said = {"role": "assistant", "parts": list(parts)}
    return {**said, "finish_reason": finish_reason} if finish_reason else said


def call(name: str, arguments: Any, number: int = 1) -> dict[str, Any]:
    return {"type": "tool_call", "id": f"call_{number}", "name": name, "arguments": arguments}


def tool(name: str, arguments: Any, result: Any, number: int = 1) -> list[dict[str, Any]]:
    kind, step = "server_tool_call_response", f"tool_{number}"
    called = {"type": name, "arguments": arguments if TELLS_ARGUMENTS else ""}
    return [
        {"type": "server_tool_call", "id": step, "name": name, "server_tool_call": called},
        {"type": kind, "id": step, kind: {"type": name, "result": result}},
    ]


def reference(title: str, url: str) -> dict[str, Any]:
    return {"type": "tool_reference", "tool": "web_search", "title": title, "url": url}


QUERY = {"query": "OpenTelemetry semantic conventions for generative AI"}
DOCUMENTS = [
    {"document_id": "doc_1", "title": "Handbook", "text": "Thirty days a year."},
    {"document_id": "doc_2", "title": "Calendar", "text": "Closed in August."},
]
IMAGE = {"type": "uri", "modality": "image", "uri": "https://example.com/circle.png"}
BLOB = {"type": "omitted_blob", "modality": "image", "size": 8, "mime_type": "image/png"}
PDF = {"type": "uri", "modality": "document", "uri": "https://example.com/circles.pdf",
       "document_name": "circles.pdf"}  # fmt: skip
DRAWN = {"type": "file", "modality": "image", "file_id": "file_1", "tool": "image_generation",
         "file_name": "circle"}  # fmt: skip
CIRCLES = reference("Circles", "https://example.com/circles")
SAID: dict[str, dict[str, Any]] = {
    "answer": answer("stop", text(
        "A stream of events becomes one span: it starts with the request, it ends with the last"
        " event, and it tells how many tokens the answer took.")),
    "function_call": answer("tool_call", call("get_weather", {"city": "Paris"})),
    "functions_confirmation": answer("tool_call", call("delete_files", {"path": "/tmp"})),  # noqa: S108
    "functions_parallel": answer("tool_call", call("get_weather", {"city": "Paris"}),
                                 call("get_time", {"zone": "Europe/Paris"}, 2)),
    "tools_interleaved": answer(
        "stop", *tool("web_search", {"query": "spans"}, {"results": 3}),
        *tool("code_interpreter", {"code": "6 * 7"}, {"code_output": "42"}, 2),
        text("Both tools are done.")),
    "tool_document_library": answer(
        "stop", *tool("document_library", {"query": "holidays", "library_id": "lib_1"},
                      {"results": DOCUMENTS}), text("Thirty days.")),
    "web_search": answer(
        "stop", *tool("web_search", QUERY, {"results": 3}),
        text("The conventions name the spans and the attributes"),
        reference("Semantic conventions for generative AI",
                  "https://opentelemetry.io/docs/specs/semconv/gen-ai/"),
        text(" of a generative AI call.")),
    "handoff_chain": answer(
        "stop", *tool("web_search", {"query": "spans"}, {"results": 3}),
        *tool("code_interpreter", {"code": "1 + 1"}, {"code_output": "2"}, 2),
        text("The writer answers.")),
    "thinking": answer("stop", {"type": "reasoning", "content": "Let me think about it."},
                       text("Hello")),
    "content_mixed": answer(
        "stop", {"type": "reasoning", "content": "Let me draw what I found."},
        CIRCLES, text("A circle is round"), CIRCLES, IMAGE,
        BLOB, PDF, DRAWN,
        text(", as you see.")),
}  # fmt: skip


def skip_if_unknown(scenario: str, *, streamed: bool) -> None:
    """Skips what this line of the SDK cannot read."""
    knows = {"thinking": THINKS, "content_mixed": sdk.VERSION >= (2,)}
    if not knows.get(scenario, True):
        pytest.skip(f"mistralai {sdk.VERSION} has no model of the chunks of {scenario}")
    deltas = scenario in ("tools_interleaved", "tool_document_library")
    if deltas and streamed and not TELLS_ARGUMENTS:
        pytest.skip(f"mistralai {sdk.VERSION} drops the arguments that a tool's deltas bring")
