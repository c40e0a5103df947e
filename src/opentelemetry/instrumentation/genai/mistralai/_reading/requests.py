# SPDX-License-Identifier: Apache-2.0
"""Reads a request before it is sent: operation, model, agent, settings, and the server's address.

It reads the caller's keyword arguments, and iterates nothing but list, tuple, dict and str:
``inputs`` and ``tools`` may be one-shot generators. An SDK ``UNSET`` is falsy but not None, so
every value is tested for the type that is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, cast
from urllib.parse import urlsplit

from .. import _log
from .. import _names as s
from .conversions import (
    MAX_INTEGER,
    count_of_choices,
    effort,
    format_of_text,
    integer,
    number,
    output_type,
    settings_of,
    texts,
    version,
)
from .fields import AttributeValue, name_of

# Such a call has all metrics.
INFERENCE: Final = "inference"
# Such a call has a duration and tokens; with the latest names it has no histogram of tokens.
COUNTED: Final = "counted"
# Such a call has a duration only.
TIMED: Final = "timed"
# These have the duration of a workflow or of a tool, and no other metric.
WORKFLOW: Final = "workflow"
TOOL: Final = "tool"
# A longer URL is no address: without the limit it would be parsed, and kept in the cache.
_MAX_URL: Final = 2048
# All requests share this set: Python would make a new one for each, to stay while a call is open.
_NOTHING: Final[frozenset[str]] = frozenset()


class Request:
    """Holds what is known of a call when its span starts.

    Attributes:
        attributes: those of the span; deleted after its start unless calls are log events.
        in_conversation: whether the API keeps the conversation and gives it an id.
        continues: the conversation, or the job, whose last turn this call follows.
        previous: the context of that turn's span, for a link.
        measured: `INFERENCE`, `COUNTED` or `TIMED`.
        recorded_elsewhere: the names of metrics that another library records for this call.
    """

    __slots__ = (
        "address", "agent_id", "attributes", "continues", "conversation_id", "in_conversation",
        "measured", "model", "operation", "port", "previous", "recorded_elsewhere", "span_name",
    )  # fmt: skip

    def __init__(self, operation: str, attributes: dict[str, AttributeValue]) -> None:
        self.operation: str = operation
        self.attributes = attributes
        self.address: str | None = None
        self.port: int | None = None
        self.model: str | None = None
        self.agent_id: str | None = None
        self.conversation_id: str | None = None
        self.in_conversation = False
        self.continues: str | None = None
        self.previous: object = None
        self.measured = INFERENCE
        self.recorded_elsewhere = _NOTHING
        self.span_name: str = operation

    def follow(self, operation: str | None, reference: object) -> None:
        """Links the call to the conversation's last turn, and takes over that turn's operation.

        Args:
            operation: ``invoke_agent`` if an agent answered; None if the turn is not known.
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


def describe_settings(source: object, attributes: dict[str, AttributeValue]) -> None:
    """Adds each setting that a request has and that the SDK does not refuse.

    Args:
        source: the keyword arguments of a call, or its ``completion_args``, typed or a dict.
        attributes: the dict that the settings are added to.
    """
    # The source is nearly always a plain dict of keyword arguments, which needs no copy.
    settings: Mapping[str, Any] = (
        cast("Any", source) if type(source) is dict else settings_of(source)
    )
    for name, value in settings.items():
        known = _SETTINGS.get(name)
        if known is None or value is None:
            continue
        attribute, plain, convert = known
        # Nearly every setting is such a number, which needs no function call. NaN is not below.
        if type(value) is plain and abs(value) <= MAX_INTEGER:
            attributes[attribute] = value
            continue
        # The value may be of any class of the user's: if it raises, this setting alone is lost.
        try:
            setting = convert(value)
        except Exception as exc:  # noqa: BLE001 -- the other settings must be read
            _log.report(f"read the setting {name}", exc)
        else:
            if setting is not None:
                attributes[attribute] = setting


# A row is the attribute, the type of a value that is recorded as it is, and what converts others.
_SETTINGS: Final[
    Mapping[str, tuple[str, type[Any] | None, Callable[[object], AttributeValue | None]]]
] = {
    "temperature": (s.REQUEST_TEMPERATURE, float, number),
    "top_p": (s.REQUEST_TOP_P, float, number),
    "top_k": (s.REQUEST_TOP_K, int, integer),
    "max_tokens": (s.REQUEST_MAX_TOKENS, int, integer),
    "frequency_penalty": (s.REQUEST_FREQUENCY_PENALTY, float, number),
    "presence_penalty": (s.REQUEST_PRESENCE_PENALTY, float, number),
    "stop": (s.REQUEST_STOP_SEQUENCES, None, texts),
    "random_seed": (s.REQUEST_SEED, int, integer),
    "reasoning_effort": (s.REQUEST_REASONING_LEVEL, None, name_of),
    "response_format": (s.OUTPUT_TYPE, None, output_type),
    "n": (s.REQUEST_CHOICE_COUNT, None, count_of_choices),
    "output_dimension": (s.EMBEDDINGS_DIMENSIONS, int, integer),
    "encoding_format": (s.REQUEST_ENCODING_FORMATS, None, texts),
    "max_output_tokens": (s.REQUEST_MAX_TOKENS, int, integer),
    "previous_response_id": (s.REQUEST_PREVIOUS_RESPONSE, None, name_of),
    "reasoning": (s.REQUEST_REASONING_LEVEL, None, effort),
    "agent_version": (s.AGENT_VERSION, None, version),
    "text": (s.OUTPUT_TYPE, None, format_of_text),
}
