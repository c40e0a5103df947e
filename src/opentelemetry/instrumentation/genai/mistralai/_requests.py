# SPDX-License-Identifier: Apache-2.0
"""What a request says before it is sent: operation, model, agent, settings, and where it goes.

Read from the caller's keyword arguments, of which nothing but list, tuple, dict and str is ever
iterated: ``inputs`` and ``tools`` may be one-shot generators. An SDK ``UNSET`` is falsy but not
None, so every value is tested for the type that is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, cast
from urllib.parse import urlsplit

from . import _semconv as s
from ._turns import last_turns
from ._usage import fields_of

AttributeValue = str | bool | int | float | list[str]


class Request:
    """What is known of a call when its span starts."""

    __slots__ = (
        "address", "agent_id", "attributes", "conversation_id", "model", "operation", "port",
    )  # fmt: skip

    def __init__(self, operation: str, attributes: dict[str, AttributeValue]) -> None:
        self.operation = operation
        self.attributes = attributes
        self.address: str | None = None
        self.port: int | None = None
        self.model: str | None = None
        self.agent_id: str | None = None
        self.conversation_id: str | None = None

    @property
    def span_name(self) -> str:
        """``chat {model}``; agents are named only by the response, so not here."""
        if self.operation == s.INVOKE_AGENT or self.model is None:
            return self.operation
        return f"{self.operation} {self.model}"


ReadRequest = Callable[[Mapping[str, Any]], Request]


def start_request(kwargs: Mapping[str, Any]) -> Request:
    """A new conversation, with a model or with an agent."""
    model, agent_id = text(kwargs.get("model")), text(kwargs.get("agent_id"))
    request = _conversation(s.INVOKE_AGENT if agent_id else s.CHAT, kwargs)
    if model is not None:
        request.model = request.attributes[s.REQUEST_MODEL] = model
    if agent_id is not None:
        request.agent_id = request.attributes[s.AGENT_ID] = agent_id
    return request


def append_request(kwargs: Mapping[str, Any]) -> Request:
    """The next turn of a conversation: names neither model nor agent."""
    request = _next_turn(kwargs)
    conversation_id = text(kwargs.get("conversation_id"))
    if conversation_id is not None:
        request.conversation_id = request.attributes[s.CONVERSATION_ID] = conversation_id
    return request


def restart_request(kwargs: Mapping[str, Any]) -> Request:
    """A turn from the middle of a conversation; the API answers with a new conversation."""
    request = _next_turn(kwargs)
    conversation_id = text(kwargs.get("conversation_id"))
    if conversation_id is not None:
        request.attributes[s.RESTARTED_FROM] = conversation_id
    return request


def locate(request: Request, instance: object, kwargs: Mapping[str, Any]) -> None:
    """Adds host and port that a call goes to; where they cannot be known, the call has none."""
    url = kwargs.get("server_url")
    try:
        if not isinstance(url, str):
            configuration: Any = getattr(instance, "sdk_configuration", None)
            url = configuration.get_server_details()[0]
        address, port = _host_and_port(url)
    except Exception:  # noqa: BLE001 -- the SDK is about to say what is wrong with it
        return
    if address:
        request.address = request.attributes[s.SERVER_ADDRESS] = address
        if port:
            request.port = request.attributes[s.SERVER_PORT] = port


@lru_cache(maxsize=64)
def _host_and_port(url: str) -> tuple[str | None, int | None]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _next_turn(kwargs: Mapping[str, Any]) -> Request:
    before = last_turns.operation_of(text(kwargs.get("conversation_id")))
    return _conversation(before or s.CHAT, kwargs)


def _conversation(operation: str, kwargs: Mapping[str, Any]) -> Request:
    attributes: dict[str, AttributeValue] = {
        s.OPERATION_NAME: operation,
        s.PROVIDER_NAME: s.PROVIDER,
    }
    if "agent_version" in kwargs:
        version = kwargs["agent_version"]
        named = str(version) if type(version) is int else text(version)
        if named is not None:
            attributes[s.AGENT_VERSION] = named
    for name, value in fields_of(kwargs.get("completion_args")).items():
        if name in _SETTINGS:
            key, convert = _SETTINGS[name]
            setting = convert(value)
            if setting is not None:
                attributes[key] = setting
    return Request(operation, attributes)


def text(value: object) -> str | None:
    """A string that is one and not empty, else None."""
    if not isinstance(value, str) or not value:
        return None
    # Half a surrogate pair cannot be encoded: the exporter would drop the whole batch for it.
    if not value.isascii():
        return value.encode("utf-8", "replace").decode()
    # Not str(value): that of an enum with string values is "Class.MEMBER".
    return str.__str__(value)


def _number(value: object) -> float | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) <= _MAX_INTEGER else None
    return value if isinstance(value, float) else None


def _integer(value: object) -> int | None:
    return value if type(value) is int and abs(value) <= _MAX_INTEGER else None


def _texts(value: object) -> list[str] | None:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        return None
    return [item for item in map(text, cast("list[object]", value)) if item]


def _output_type(response_format: object) -> str | None:
    kind = fields_of(response_format).get("type")
    return _OUTPUT_TYPES.get(kind) if isinstance(kind, str) else None


# What OTLP can carry; one larger number, and the exporter drops the whole batch.
_MAX_INTEGER: Final = 2**63 - 1
_OUTPUT_TYPES: Final = {"text": "text", "json_object": "json", "json_schema": "json"}
_Convert = Callable[[object], AttributeValue | None]
_SETTINGS: Final[Mapping[str, tuple[str, _Convert]]] = {
    "temperature": (s.REQUEST_TEMPERATURE, _number),
    "top_p": (s.REQUEST_TOP_P, _number),
    "max_tokens": (s.REQUEST_MAX_TOKENS, _integer),
    "frequency_penalty": (s.REQUEST_FREQUENCY_PENALTY, _number),
    "presence_penalty": (s.REQUEST_PRESENCE_PENALTY, _number),
    "stop": (s.REQUEST_STOP_SEQUENCES, _texts),
    "random_seed": (s.REQUEST_SEED, _integer),
    "reasoning_effort": (s.REQUEST_REASONING_LEVEL, text),
    "response_format": (s.OUTPUT_TYPE, _output_type),
}
