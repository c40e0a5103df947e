# SPDX-License-Identifier: Apache-2.0
"""Reads the lines of a batch's results: the tokens of each request, and why it failed."""

from __future__ import annotations

from typing import NamedTuple

from .._reading.errors import failure_of_event
from .._reading.fields import fields_of, name_of
from .ending import Usage, read_usage


class Line(NamedTuple):
    """Holds what one line of a batch's results tells.

    Attributes:
        usage: the tokens of this request.
        model: the model that answered.
        error_type: why the request failed, None if it did not.
    """

    usage: Usage
    model: str | None
    error_type: str | None


def read_line(line: object) -> Line:
    """Reads one line of a batch's results, as JSON has it."""
    fields = fields_of(line)
    response, error = fields_of(fields.get("response")), fields.get("error")
    body, status = fields_of(response.get("body")), response.get("status_code")
    error_type = None
    if isinstance(status, int) and status >= 400:
        error_type = str(status)
    elif error is not None:
        error_type = failure_of_event(fields_of(error).get("code")).type
    usage = read_usage(body.get("usage") or body.get("usage_info"))
    return Line(usage, name_of(body.get("model")), error_type)
