# SPDX-License-Identifier: Apache-2.0
"""Reads the request that creates an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import _names as s
from .fields import name_of
from .requests import TIMED, Request, model_request


def create_agent_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads the request for a new agent, whose name is in the span's name."""
    request = model_request(s.CREATE_AGENT, kwargs, measured=TIMED)
    request.span_name = s.CREATE_AGENT
    name = name_of(kwargs.get("name"))
    if name is not None:
        request.attributes[s.AGENT_NAME] = name
        request.span_name = f"{s.CREATE_AGENT} {name}"
    return request
