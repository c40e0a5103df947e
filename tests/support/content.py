# SPDX-License-Identifier: Apache-2.0
"""Content as it was recorded: on spans and in log events, as its schemas say."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any, Final

from tests.support import names as s
from tests.support.recording import Recording, plain

# No stubs: imported as the SDK is.
_Validator: Final[Any] = importlib.import_module("jsonschema").Draft202012Validator
CONTENT: Final = (
    s.INPUT_MESSAGES, s.OUTPUT_MESSAGES, s.SYSTEM_INSTRUCTIONS,
    s.TOOL_DEFINITIONS,
)  # fmt: skip


def _read(attribute: str) -> Any:
    name = attribute.replace(".", "-").replace("_", "-")
    return json.loads((Path(__file__).parent / f"schemas/{name}.json").read_text())


_SCHEMAS: Final = {key: _read(key) for key in CONTENT}
_VALIDATORS: Final = {key: _Validator(schema) for key, schema in _SCHEMAS.items()}


def valid(attribute: str, value: Any) -> Any:
    """Asserts that a value is what its schema says, and returns it.

    The schemas let a part of any shape pass as a generic one; here a part whose type the schema
    knows must be as it says for that type.
    """
    _VALIDATORS[attribute].validate(value)
    if attribute.endswith("tool.definitions"):
        return value
    known = _SCHEMAS[attribute]["$defs"]
    kinds = [schema for schema in known.values() if "type" in schema.get("properties", {})]
    of_type = {schema["properties"]["type"].get("const"): schema for schema in kinds}
    parts = value if attribute.endswith("instructions") else [p for m in value for p in m["parts"]]
    for part in parts:
        if strict := of_type.get(part["type"]):
            _Validator({**strict, "$defs": known}).validate(part)
    return value


def strict_json(recorded: Any) -> Any:
    """Reads JSON as others do, who know no NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(recorded, parse_constant=refuse)


def plainly(text: str) -> str | None:
    return text


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}


INPUT, OUTPUT, INSTRUCTIONS, TOOLS = CONTENT


def content(span: Any) -> dict[str, Any]:
    """The content on a span, each value as its schema says."""
    attributes: dict[str, Any] = dict(span.attributes)
    found = {key: attributes[key] for key in CONTENT if key in attributes}
    return {key: valid(key, strict_json(value)) for key, value in found.items()}


def thawed(value: Any) -> Any:
    """Lists, where the SDK has made tuples of them."""
    items: Any = value
    if isinstance(value, dict):
        return {key: thawed(item) for key, item in items.items()}
    return [thawed(item) for item in items] if isinstance(value, (list, tuple)) else value


def details(recording: Recording) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Of each event with details: the content, valid, and all else; in the context of its span."""
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []
    spans = {span.context.span_id: span for span in recording.spans() if span.context}
    for record in recording.logs():
        if record.event_name != s.DETAILS_EVENT:
            continue
        span: Any = spans[record.span_id or 0]
        assert (record.trace_id, record.timestamp) == (span.context.trace_id, span.end_time)
        assert record.severity_number is not None
        assert (record.body, record.severity_number.value) == (None, 9)
        attributes = thawed(dict(record.attributes or {}))
        said = {key: valid(key, attributes.pop(key)) for key in CONTENT if key in attributes}
        assert not any(isinstance(value, str) for value in said.values())
        of_span = {k: v for k, v in plain(span).attributes.items() if k not in CONTENT}
        assert attributes == of_span
        found.append((said, attributes))
    return found


def given(span: Any) -> dict[str, Any]:
    """What a tool was given and returned."""
    return {
        key: span.attributes[key]
        for key in (s.TOOL_CALL_ARGUMENTS, s.TOOL_CALL_RESULT)
        if key in span.attributes
    }
