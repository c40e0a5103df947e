# SPDX-License-Identifier: Apache-2.0
"""Reads the requests that go on with a conversation: its next turn, or a turn from its middle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .. import _names as s
from .fields import name_of
from .guardrails import confirmations_of
from .requests import Request, model_request


class Confirmation(Request):
    """Holds an append that answers which tools may run; others have no room for answers."""

    __slots__ = ("confirmed",)


def append_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads the next turn of a conversation, which names neither model nor agent."""
    answers = None
    if "tool_confirmations" in kwargs:
        answers = confirmations_of(kwargs["tool_confirmations"])
    request = model_request(s.CHAT, kwargs, kind=Confirmation if answers else Request)
    if answers and isinstance(request, Confirmation):
        request.confirmed = answers
        for answer, times in Counter(answers.values()).items():
            request.attributes[s.CONFIRMED + answer] = times
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


def follow(request: Request, operation: str | None, reference: object) -> None:
    """Links the call to the conversation's last turn, and takes over that turn's operation.

    Args:
        request: of the call.
        operation: ``invoke_agent`` if an agent answered; None if the turn is not known.
        reference: the context of the turn's span.
    """
    request.previous = reference
    if request.in_conversation and operation is not None and operation != request.operation:
        request.operation = request.span_name = operation
        request.attributes[s.OPERATION_NAME] = operation
        if request.model is not None and operation != s.INVOKE_AGENT:
            request.span_name = f"{operation} {request.model}"
