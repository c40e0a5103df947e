# SPDX-License-Identifier: Apache-2.0
"""Reads the request of a search before it is sent: which index, and how much it may find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import _names as s
from .fields import fields_of, name_of
from .requests import TIMED, Request, describe_settings, model_request


def search_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads the search of an index, whose name is in the span's name.

    Args:
        kwargs: the caller's arguments; the limit is one of them, or is in ``retriever``, which may
            be a dict.
    """
    request = model_request(s.RETRIEVAL, kwargs, measured=TIMED)
    attributes = request.attributes
    source = name_of(kwargs.get("index_name"))
    if source is not None:
        attributes[s.DATA_SOURCE_ID] = source
        request.span_name = f"{s.RETRIEVAL} {source}"
    describe_settings({"top_k": fields_of(kwargs.get("retriever")).get("top_k")}, attributes)
    if s.REQUEST_TOP_K in attributes:
        # Until conventions v1.41 the limit has the name of the sampling setting: viewers read both.
        attributes[s.RETRIEVAL_TOP_K] = attributes[s.REQUEST_TOP_K]
    return request
