# SPDX-License-Identifier: Apache-2.0
"""What must arrive when ``ask.py`` ran: each value, or its type where only the run tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.genai.mistralai import __version__
from tests.support import names as s

if TYPE_CHECKING:
    from tests.zero_code.decoded import Attributes, Log, Point, Span

SCOPE: Final = ("opentelemetry.instrumentation.genai.mistralai", __version__)
HTTP_SCOPE: Final = "opentelemetry.instrumentation.httpx"
MODEL: Final = "mistral-medium-latest"
ANSWERS: Final = (
    "The conventions name the spans and the attributes of a generative AI call.\n"
    "A stream of events becomes one span: it starts with the request, it ends with the last"
    " event, and it tells how many tokens the answer took.\n"
)
RESOURCE: Final = {
    "service.name": "zero-code",
    "service.instance.id": str,
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.version": str,
    "telemetry.auto.version": str,
}
_ONLY_THE_RUN_TELLS: Final = {
    s.CONVERSATION_ID,
    s.RESPONSE_TIME_TO_FIRST_CHUNK,
    s.RESPONSE_CREATED_AT,
    *(key for key, value in RESOURCE.items() if value is str),
}


def fixed(attributes: Attributes) -> Attributes:
    """Attributes with a type in place of each value that only the run could tell."""
    return {
        key: type(value) if key in _ONLY_THE_RUN_TELLS else value
        for key, value in attributes.items()
    }


def picture(spans: list[Span]) -> list[Any]:
    """The spans in the order of their starts, parents and links by name."""
    names = {span.span_id: span.name for span in spans} | {"": ""}
    return [
        (
            span.name,
            span.kind,
            span.status,
            names[span.parent_id],
            [names[link] for link in span.links],
            fixed(span.attributes),
        )
        for span in sorted(spans, key=lambda span: span.start)
        if span.scope == SCOPE
    ]


def amounts(points: list[Point]) -> list[Any]:
    """The points of our metrics; of a time, how often it was measured."""
    return [
        (
            point.name,
            point.kind,
            point.unit,
            point.value if point.unit != "s" else point.value[0],
            point.attributes,
        )
        for point in points
        if point.scope == SCOPE
    ]


def events(logs: list[Log]) -> list[Any]:
    """The log events, each with the span that it belongs to."""
    return [
        (log.event, log.severity, log.body, log.span_id, fixed(log.attributes))
        for log in logs
        if log.scope == SCOPE
    ]


class Expected:
    """The two turns of ``ask.py``, as the emulator answers them."""

    def __init__(self, port: int) -> None:
        """Says it for an API on that port."""
        common = {
            s.OPERATION_NAME: "chat",
            s.PROVIDER_NAME: "mistral_ai",
            s.SERVER_ADDRESS: "127.0.0.1",
            s.SERVER_PORT: port,
        }
        stream = {
            **common,
            s.REQUEST_STREAM: True,
            s.CONVERSATION_ID: str,
            s.RESPONSE_ID: "msg_1",
            s.RESPONSE_MODEL: MODEL,
            s.RESPONSE_FINISH_REASONS: ["stop"],
            s.RESPONSE_TIME_TO_FIRST_CHUNK: float,
            s.RESPONSE_CREATED_AT: str,
            s.STREAM_OUTCOME: "completed",
        }
        self.first_turn = {
            **stream,
            s.REQUEST_MODEL: MODEL,
            s.USAGE_INPUT_TOKENS: 142,
            s.USAGE_OUTPUT_TOKENS: 38,
            s.USAGE_TOTAL_TOKENS: 1204,
            s.USAGE_CONNECTOR_TOKENS: 1024,
            s.USAGE_CONNECTORS_WEB_SEARCH: 1,
        }
        self.second_turn = {
            **stream,
            # The response's: an append names none.
            s.REQUEST_MODEL: MODEL,
            s.USAGE_INPUT_TOKENS: 24,
            s.USAGE_OUTPUT_TOKENS: 29,
            s.USAGE_TOTAL_TOKENS: 53,
        }
        self._on_second = {**common, s.RESPONSE_MODEL: MODEL}
        self._on_first = {**self._on_second, s.REQUEST_MODEL: MODEL}

    def spans(self) -> list[Any]:
        """As `picture` tells them."""
        tool = {
            s.OPERATION_NAME: "execute_tool",
            s.CONVERSATION_ID: str,
            s.TOOL_NAME: "web_search",
            s.TOOL_TYPE: "extension",
            s.TOOL_CALL_ID: "tool_1",
        }
        chat = f"chat {MODEL}"
        return [
            (chat, "CLIENT", "UNSET", "", [], self.first_turn),
            ("execute_tool web_search", "INTERNAL", "UNSET", chat, [], tool),
            (chat, "CLIENT", "UNSET", "", [chat], self.second_turn),
        ]

    def points(self) -> list[Any]:
        """As `amounts` tells them."""
        first, second = self._on_first, self._on_second
        tool = {s.TOOL_NAME: "web_search", s.TOOL_TYPE: "extension"}
        web_search = {**first, s.CONNECTOR_NAME: "web_search"}
        return [
            _seconds(s.METRIC_TOOL_DURATION, tool),
            *_for_each(s.METRIC_INPUT_TOKENS, (first, 142), (second, 24)),
            *_for_each(s.METRIC_OUTPUT_TOKENS, (first, 38), (second, 29)),
            _counter(s.METRIC_CONNECTOR_TOKENS, "{token}", 1024, first),
            _counter(s.METRIC_CONNECTOR_CALLS, "{call}", 1, web_search),
            *_usage(first, 142, 38),
            *_usage(second, 24, 29),
            _seconds(s.METRIC_FIRST_CHUNK, first),
            _seconds(s.METRIC_FIRST_CHUNK, second),
            _seconds(s.METRIC_DURATION, {**first, **_COMPLETED}),
            _seconds(s.METRIC_DURATION, {**second, **_COMPLETED}),
        ]

    def logs(self, first: Span, second: Span) -> list[Any]:
        """As `events` tells them: what was said, on the events alone."""
        event = s.DETAILS_EVENT
        asked, answered = s.INPUT_MESSAGES, s.OUTPUT_MESSAGES
        told = {
            **self.first_turn,
            asked: [_message("user", _text("What names a span? Look it up."))],
            answered: [{**_message("assistant", *_LOOKED_UP), "finish_reason": "stop"}],
            s.TOOL_DEFINITIONS: [{"type": "web_search", "name": "web_search"}],
        }
        shortly = {
            **self.second_turn,
            asked: [_message("user", _text("And in one sentence?"))],
            answered: [
                {**_message("assistant", _text(ANSWERS.splitlines()[1])), "finish_reason": "stop"}
            ],
        }
        return [
            (event, 9, None, first.span_id, told),
            (event, 9, None, second.span_id, shortly),
        ]


def _message(role: str, *parts: Attributes) -> Attributes:
    return {"role": role, "parts": list(parts)}


def _text(content: str) -> Attributes:
    return {"type": "text", "content": content}


def _counter(name: str, unit: str, value: int, attributes: Attributes) -> Any:
    return name, "cumulative counter", unit, value, attributes


def _for_each(name: str, *values: tuple[Attributes, int]) -> list[Any]:
    unknown = {s.TOKEN_MODALITY: "unknown"}
    return [_counter(name, "{token}", value, {**on, **unknown}) for on, value in values]


def _usage(on: Attributes, *tokens: int) -> list[Any]:
    name, kind = s.METRIC_TOKEN_USAGE, "cumulative histogram"
    return [
        (name, kind, "{token}", (1, value), {**on, s.TOKEN_TYPE: direction})
        for direction, value in zip(("input", "output"), tokens, strict=True)
    ]


def _seconds(name: str, attributes: Attributes) -> Any:
    return name, "cumulative histogram", "s", 1, attributes


_COMPLETED: Final = {s.STREAM_OUTCOME: "completed"}
_QUERY: Final = "OpenTelemetry semantic conventions for generative AI"
_LOOKED_UP: Final = (
    {
        "type": "server_tool_call",
        "id": "tool_1",
        "name": "web_search",
        "server_tool_call": {"type": "web_search", "arguments": {"query": _QUERY}},
    },
    {
        "type": "server_tool_call_response",
        "id": "tool_1",
        "server_tool_call_response": {"type": "web_search", "result": {"results": 3}},
    },
    _text("The conventions name the spans and the attributes"),
    {
        "type": "tool_reference",
        "tool": "web_search",
        "title": "Semantic conventions for generative AI",
        "url": "https://opentelemetry.io/docs/specs/semconv/gen-ai/",
    },
    _text(" of a generative AI call."),
)
