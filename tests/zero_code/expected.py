# SPDX-License-Identifier: Apache-2.0
"""What must arrive when ``ask.py`` ran: each value, or its type where only the run tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.genai.mistralai import __version__

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
    "gen_ai.conversation.id",
    "gen_ai.response.time_to_first_chunk",
    "mistral_ai.response.created_at",
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
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "mistral_ai",
            "server.address": "127.0.0.1",
            "server.port": port,
        }
        stream = {
            **common,
            "gen_ai.request.stream": True,
            "gen_ai.conversation.id": str,
            "gen_ai.response.id": "msg_1",
            "gen_ai.response.model": MODEL,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.response.time_to_first_chunk": float,
            "mistral_ai.response.created_at": str,
            "mistral_ai.stream.outcome": "completed",
        }
        self.first_turn = {
            **stream,
            "gen_ai.request.model": MODEL,
            "gen_ai.usage.input_tokens": 142,
            "gen_ai.usage.output_tokens": 38,
            "mistral_ai.usage.total_tokens": 1204,
            "mistral_ai.usage.connector_tokens": 1024,
            "mistral_ai.usage.connectors.web_search": 1,
        }
        self.second_turn = {
            **stream,
            # The response's: an append names none.
            "gen_ai.request.model": MODEL,
            "gen_ai.usage.input_tokens": 24,
            "gen_ai.usage.output_tokens": 29,
            "mistral_ai.usage.total_tokens": 53,
        }
        self._on_second = {**common, "gen_ai.response.model": MODEL}
        self._on_first = {**self._on_second, "gen_ai.request.model": MODEL}

    def spans(self) -> list[Any]:
        """As `picture` tells them."""
        tool = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.conversation.id": str,
            "gen_ai.tool.name": "web_search",
            "gen_ai.tool.type": "extension",
            "gen_ai.tool.call.id": "tool_1",
        }
        chat = f"chat {MODEL}"
        return [
            (chat, "CLIENT", "UNSET", "", [], self.first_turn),
            ("execute_tool web_search", "INTERNAL", "UNSET", chat, [], tool),
            (chat, "CLIENT", "UNSET", "", [chat], self.second_turn),
        ]

    def points(self) -> list[Any]:
        """As `amounts` tells them."""
        usage = "gen_ai.client.inference.usage"
        first, second = self._on_first, self._on_second
        tool = {"gen_ai.tool.name": "web_search", "gen_ai.tool.type": "extension"}
        web_search = {**first, "mistral_ai.connector.name": "web_search"}
        return [
            _seconds("gen_ai.execute_tool.duration", tool),
            *_for_each(f"{usage}.input_tokens", (first, 142), (second, 24)),
            *_for_each(f"{usage}.output_tokens", (first, 38), (second, 29)),
            _counter("mistral_ai.client.connector.tokens", "{token}", 1024, first),
            _counter("mistral_ai.client.connector.calls", "{call}", 1, web_search),
            *_usage(first, 142, 38),
            *_usage(second, 24, 29),
            _seconds("gen_ai.client.operation.time_to_first_chunk", first),
            _seconds("gen_ai.client.operation.time_to_first_chunk", second),
            _seconds("gen_ai.client.operation.duration", {**first, **_COMPLETED}),
            _seconds("gen_ai.client.operation.duration", {**second, **_COMPLETED}),
        ]

    def logs(self, first: Span, second: Span) -> list[Any]:
        """As `events` tells them: what was said, on the events alone."""
        event = "gen_ai.client.inference.operation.details"
        asked, answered = "gen_ai.input.messages", "gen_ai.output.messages"
        told = {
            **self.first_turn,
            asked: [_message("user", _text("What names a span? Look it up."))],
            answered: [{**_message("assistant", *_LOOKED_UP), "finish_reason": "stop"}],
            "gen_ai.tool.definitions": [{"type": "web_search", "name": "web_search"}],
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
    unknown = {"gen_ai.token.modality": "unknown"}
    return [_counter(name, "{token}", value, {**on, **unknown}) for on, value in values]


def _usage(on: Attributes, *tokens: int) -> list[Any]:
    name, kind = "gen_ai.client.token.usage", "cumulative histogram"
    return [
        (name, kind, "{token}", (1, value), {**on, "gen_ai.token.type": direction})
        for direction, value in zip(("input", "output"), tokens, strict=True)
    ]


def _seconds(name: str, attributes: Attributes) -> Any:
    return name, "cumulative histogram", "s", 1, attributes


_COMPLETED: Final = {"mistral_ai.stream.outcome": "completed"}
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
