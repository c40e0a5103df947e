# SPDX-License-Identifier: Apache-2.0
"""Recipes for two viewers; phoenix.md and mlflow.md in this folder say what for.

Copy what you need. They change what a span says, and neither log events nor what a completion hook
is given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult


def for_phoenix(span: Any, result: Any = None) -> None:  # noqa: ARG001 -- a hook is given both
    """Fills Phoenix's columns, and has it count an agent's tokens; a ``response_hook``."""
    span.set_attributes(read_by_phoenix(span.attributes or {}))


def read_by_phoenix(known: Mapping[str, Any]) -> dict[str, Any]:
    """What Phoenix reads, made of what the conventions call otherwise."""
    read: dict[str, Any] = {}
    for column in ("input", "output"):
        if messages := known.get(f"gen_ai.{column}.messages"):
            read |= {f"{column}.value": text_of(messages), f"{column}.mime_type": "text/plain"}
    is_agent = known.get("gen_ai.operation.name") == "invoke_agent"
    if is_agent and "gen_ai.usage.input_tokens" in known:
        read["openinference.span.kind"] = "LLM"
    if model := known.get("gen_ai.response.model"):
        read["llm.model_name"] = model
    return read


def text_of(messages: str) -> str:
    """The text of messages that are recorded as JSON; the JSON itself where there is none."""
    parts = [part for message in json.loads(messages) for part in message["parts"]]
    return "".join(part["content"] for part in parts if part["type"] == "text") or messages


class ForPhoenix(OTLPSpanExporter):
    """Does the same to all spans on their way out, those of agent loops among them.

    Hooks are called for requests alone. What other exporters send stays as it is.
    """

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends the spans with what Phoenix reads."""
        return super().export([_with_columns(span) for span in spans])


def _with_columns(span: ReadableSpan) -> ReadableSpan:
    known = dict(span.attributes or {})
    return ReadableSpan(
        span.name,
        span.context,
        span.parent,
        span.resource,
        {**known, **read_by_phoenix(known)},
        span.events,
        span.links,
        span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def for_mlflow(span: Any, result: Any = None) -> None:  # noqa: ARG001 -- a hook is given both
    """Has MLflow draw a chat where tools ran on the server; a ``response_hook``."""
    known: Mapping[str, Any] = span.attributes or {}
    for key in ("gen_ai.input.messages", "gen_ai.output.messages"):
        messages = json.loads(known.get(key, "[]"))
        for message in messages:
            drawn = [part for each in message["parts"] if (part := drawn_by_mlflow(each))]
            message["parts"] = drawn or message["parts"]
        if messages:
            span.set_attribute(key, json.dumps(messages))


def drawn_by_mlflow(part: dict[str, Any]) -> dict[str, Any] | None:
    """A part as MLflow draws it; None if all messages would be YAML because of it."""
    if part["type"] == "server_tool_call":
        arguments = part["server_tool_call"].get("arguments")
        called = {"id": part["id"], "name": part["name"], "arguments": arguments}
        return {"type": "tool_call", **called}
    return part if part["type"] in {"text", "tool_call", "tool_call_response"} else None
