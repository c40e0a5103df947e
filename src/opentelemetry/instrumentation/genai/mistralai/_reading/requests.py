# SPDX-License-Identifier: Apache-2.0
"""Reads a request before it is sent: operation, model, agent, settings, and the server's address.

It reads the caller's keyword arguments, and iterates nothing but list, tuple, dict and str:
``inputs`` and ``tools`` may be one-shot generators. An SDK ``UNSET`` is falsy but not None, so
every value is tested for the type that is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from .. import _log
from .. import _names as s
from .conversions import MAX_INTEGER, settings_of
from .fields import AttributeValue, name_of
from .servers import Server, server_at
from .settings import SETTINGS

# Such a call has all metrics.
INFERENCE: Final = "inference"
# Such a call has a duration and tokens; with the latest names it has no histogram of tokens.
COUNTED: Final = "counted"
# Such a call has a duration only.
TIMED: Final = "timed"
# These have the duration of a workflow or of a tool, and no other metric.
WORKFLOW: Final = "workflow"
TOOL: Final = "tool"

# All requests share this set: Python would make a new one for each, to stay while a call is open.
_NOTHING: Final[frozenset[str]] = frozenset()


_UNKNOWN: Final = Server(None, None, s.PROVIDER)


class Request:
    """Holds what is known of a call when its span starts.

    Attributes:
        attributes: those of the span; deleted after its start unless calls are log events.
        in_conversation: whether the API keeps the conversation and gives it an id.
        continues: the conversation, or the job, whose last turn this call follows.
        previous: the context of that turn's span, for a link.
        measured: `INFERENCE`, `COUNTED` or `TIMED`.
        recorded_elsewhere: the names of metrics that another library records for this call.
        confirmed: the user's answers, by the id of the tool call that waited for one.
    """

    confirmed: Mapping[str, str] = MappingProxyType({})

    __slots__ = (
        "agent_id", "attributes", "continues", "conversation_id", "in_conversation", "measured",
        "model", "operation", "previous", "recorded_elsewhere", "server", "span_name",
    )  # fmt: skip

    def __init__(self, operation: str, attributes: dict[str, AttributeValue]) -> None:
        self.operation: str = operation
        self.attributes = attributes
        self.server = _UNKNOWN
        self.model: str | None = None
        self.agent_id: str | None = None
        self.conversation_id: str | None = None
        self.in_conversation = False
        self.continues: str | None = None
        self.previous: object = None
        self.measured = INFERENCE
        self.recorded_elsewhere = _NOTHING
        self.span_name: str = operation


ReadRequest = Callable[[Mapping[str, Any]], Request]


def model_request(
    operation: str,
    kwargs: Mapping[str, Any],
    *,
    measured: str = INFERENCE,
    output_type: str | None = None,
    kind: type[Request] = Request,
) -> Request:
    """Reads the model or agent that is asked, and the settings.

    Args:
        operation: ``gen_ai.operation.name``.
        kwargs: the caller's arguments; the settings are among them and in ``completion_args``.
        measured: which metrics such a call has.
        output_type: ``gen_ai.output.type``, if the method fixes it.
        kind: the class to make.
    """
    attributes: dict[str, AttributeValue] = {
        s.OPERATION_NAME: operation,
        s.PROVIDER_NAME: s.PROVIDER,
    }
    request = kind(operation, attributes)
    request.measured = measured
    describe_settings(kwargs, attributes)
    if "completion_args" in kwargs:
        describe_settings(kwargs["completion_args"], attributes)
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
    return request


def start_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads the request for a new conversation, with a model or with an agent."""
    by_agent = "agent_id" in kwargs and name_of(kwargs["agent_id"]) is not None
    request = model_request(s.INVOKE_AGENT if by_agent else s.CHAT, kwargs)
    request.in_conversation = True
    return request


def locate(request: Request, instance: object, kwargs: Mapping[str, Any]) -> None:
    """Adds the host and port that a call goes to, if they can be known, and who hosts the model."""
    url = kwargs.get("server_url")
    configuration: Any = getattr(instance, "sdk_configuration", None)
    package = type(configuration).__module__
    try:
        if not isinstance(url, str):
            url = getattr(configuration, "server_url", None)
            url = url or configuration.get_server_details()[0]
        request.server, attributes = server_at(url, package)
    except Exception as exc:  # noqa: BLE001 -- the SDK raises its own error for this URL
        _log.let_signals_pass(exc)
        request.server, attributes = server_at("", package)
    request.attributes.update(attributes)


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
        known = SETTINGS.get(name)
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
