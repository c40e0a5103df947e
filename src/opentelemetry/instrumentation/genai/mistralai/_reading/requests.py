# SPDX-License-Identifier: Apache-2.0
"""Reads a request before it is sent: operation, model, agent, settings, and the server's address.

It reads the caller's keyword arguments, and iterates nothing but list, tuple, dict and str:
``inputs`` and ``tools`` may be one-shot generators. An SDK ``UNSET`` is falsy but not None, so
every value is tested for the type that is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from .. import _log
from .. import _names as s
from .fields import name_of
from .settings import AttributeValue, describe_settings

# These calls have all metrics, tokens by the counters alone, and nothing but their duration.
INFERENCE: Final = "inference"
COUNTED: Final = "counted"
TIMED: Final = "timed"
# These have the duration of a workflow or of a tool, and no other metric.
WORKFLOW: Final = "workflow"
TOOL: Final = "tool"
# A longer URL is no address: without the limit it would be parsed, and kept in the cache.
_MAX_URL: Final = 2048


# All requests share this set: Python would make a new one for each, to stay while a call is open.
_NOTHING: Final[frozenset[str]] = frozenset()


class Request:
    """Holds what is known of a call when its span starts."""

    __slots__ = (
        "address", "agent_id", "attributes", "begun", "continues", "conversation_id",
        "in_conversation", "measured", "model", "operation", "port", "previous",
        "recorded_elsewhere", "span_name", "subject",
    )  # fmt: skip

    def __init__(self, operation: str, attributes: dict[str, AttributeValue]) -> None:
        self.operation: str = operation
        self.attributes = attributes
        self.address: str | None = None
        self.port: int | None = None
        self.model: str | None = None
        self.agent_id: str | None = None
        self.conversation_id: str | None = None
        # This is True if the API keeps the conversation and gives it an id.
        self.in_conversation = False
        # These are the conversation whose last turn this call follows (or the execution that it
        # looks at), and the link to that turn.
        self.continues: str | None = None
        self.previous: object = None
        self.measured = INFERENCE
        # Another library records the metrics of these names for this call.
        self.recorded_elsewhere = _NOTHING
        self.span_name: str = operation
        # This names a workflow or a tool on metrics, where others have a model.
        self.subject: str | None = None
        # This is the status that the SDK's first request was answered with, where it makes more.
        self.begun: str | None = None

    def follow(self, operation: str | None, reference: object) -> None:
        """Takes over the operation of the conversation's last turn, if that is known.

        Args:
            operation: the turn's operation, ``invoke_agent`` if an agent answered.
            reference: the context of the turn's span.
        """
        self.previous = reference
        if self.in_conversation and operation is not None and operation != self.operation:
            self.operation = self.span_name = operation
            self.attributes[s.OPERATION_NAME] = operation
            if self.model is not None and operation != s.INVOKE_AGENT:
                self.span_name = f"{operation} {self.model}"


ReadRequest = Callable[[Mapping[str, Any]], Request]


def model_request(
    operation: str,
    kwargs: Mapping[str, Any],
    *,
    measured: str = INFERENCE,
    output_type: str | None = None,
) -> Request:
    """Reads the model or agent that is asked, and the settings.

    Args:
        operation: ``gen_ai.operation.name``.
        kwargs: the caller's arguments; the settings are among them or in ``completion_args``.
        measured: which metrics such a call has.
        output_type: ``gen_ai.output.type``, if the method fixes it.
    """
    attributes: dict[str, AttributeValue] = {
        s.OPERATION_NAME: operation,
        s.PROVIDER_NAME: s.PROVIDER,
    }
    request = Request(operation, attributes)
    request.measured = measured
    describe_settings(kwargs.get("completion_args", kwargs), attributes)
    if output_type is not None:
        attributes[s.OUTPUT_TYPE] = output_type
    model = name_of(kwargs.get("model"))
    if model is not None:
        request.model = attributes[s.REQUEST_MODEL] = model
        # An agent's name comes only with the response, so its span has no name but the operation.
        if operation != s.INVOKE_AGENT:
            request.span_name = f"{operation} {model}"
    if "agent_id" in kwargs and (agent_id := name_of(kwargs["agent_id"])) is not None:
        request.agent_id = attributes[s.AGENT_ID] = agent_id
    if "agent_version" in kwargs:
        describe_settings({"agent_version": kwargs["agent_version"]}, attributes)
    return request


def create_agent_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads the request for a new agent, whose name is in the span's name."""
    request = model_request(s.CREATE_AGENT, kwargs, measured=TIMED)
    request.span_name = s.CREATE_AGENT
    name = name_of(kwargs.get("name"))
    if name is not None:
        request.attributes[s.AGENT_NAME] = name
        request.span_name = f"{s.CREATE_AGENT} {name}"
    return request


def start_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads the request for a new conversation, with a model or with an agent."""
    by_agent = name_of(kwargs.get("agent_id")) is not None
    request = model_request(s.INVOKE_AGENT if by_agent else s.CHAT, kwargs)
    request.in_conversation = True
    return request


def append_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads the next turn of a conversation, which names neither model nor agent."""
    request = model_request(s.CHAT, kwargs)
    request.in_conversation = True
    request.continues = conversation_id = name_of(kwargs.get("conversation_id"))
    if conversation_id is not None:
        request.conversation_id = request.attributes[s.CONVERSATION_ID] = conversation_id
    return request


def restart_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads a turn from the middle of a conversation; the API makes a new conversation of it."""
    request = model_request(s.CHAT, kwargs)
    request.in_conversation = True
    request.continues = conversation_id = name_of(kwargs.get("conversation_id"))
    if conversation_id is not None:
        request.attributes[s.RESTARTED_FROM] = conversation_id
    return request


def locate(request: Request, instance: object, kwargs: Mapping[str, Any]) -> None:
    """Adds the host and port that a call goes to, if they can be known."""
    url = kwargs.get("server_url")
    try:
        if not isinstance(url, str):
            configuration: Any = getattr(instance, "sdk_configuration", None)
            url = getattr(configuration, "server_url", None)
            url = url or configuration.get_server_details()[0]
        address, port = _host_and_port(url)
    except Exception as exc:  # noqa: BLE001 -- the SDK raises its own error for this URL
        _log.let_signals_pass(exc)
        return
    if address:
        request.address = request.attributes[s.SERVER_ADDRESS] = address
        if port:
            request.port = request.attributes[s.SERVER_PORT] = port


@lru_cache(maxsize=64)
def _host_and_port(url: str) -> tuple[str | None, int | None]:
    if len(url) > _MAX_URL:
        return None, None
    parts = urlsplit(url)
    return name_of(parts.hostname), parts.port or {"https": 443, "http": 80}.get(parts.scheme)
