# SPDX-License-Identifier: Apache-2.0
"""Defines the `Ending`: what is known of a call when it ends, as plain data."""

from __future__ import annotations

from typing import Any, Final

from .._reading.errors import Failure
from .._reading.settings import AttributeValue
from .._reading.usage import Usage

# All calls that report no usage share this object.
_NOTHING: Final = Usage()
# An output message is its parts and its finish reason; the reason is None if none is known.
Output = tuple[list[dict[str, Any]], "str | None"]


class Outcome:
    """Names how a stream ended: the values of ``mistral_ai.stream.outcome``."""

    COMPLETED: Final = "completed"
    FAILED: Final = "failed"
    CANCELLED: Final = "cancelled"
    CLOSED: Final = "closed"
    ABANDONED: Final = "abandoned"


class Ending:
    """Holds what is known of a call when it ends.

    Attributes:
        attributes: span attributes that come from the response.
        operation: ``gen_ai.operation.name``, if the response corrects the request; else None.
        span_name: the span's new name, if the response corrects the request; else None.
        conversation_id: the conversation that this call was a turn of, or `key_of` the execution
            that it started; later calls link to it.
        usage: the usage that the API reported.
        response_model: the model that answered.
        outcome: how the stream ended; None for a call that was not streamed.
        first_chunk: seconds from the start to the first output, None without one.
        failure: why the span is an ERROR, None if it is not.
        closing: the response, or the event that closed the stream, for the user's hook.
        output: the output messages; None while content is not captured.
    """

    __slots__ = (
        "attributes", "closing", "conversation_id", "failure", "first_chunk", "operation",
        "outcome", "output", "response_model", "span_name", "usage",
    )  # fmt: skip

    def __init__(
        self,
        outcome: str | None = None,
        *,
        usage: Usage | None = None,
        failure: Failure | None = None,
        closing: object = None,
    ) -> None:
        self.attributes: dict[str, AttributeValue] = {}
        self.operation: str | None = None
        self.span_name: str | None = None
        self.conversation_id: str | None = None
        self.usage = usage or _NOTHING
        self.response_model: str | None = None
        self.outcome = outcome
        self.first_chunk: float | None = None
        self.failure = failure
        self.closing = closing
        self.output: list[Output] | None = None
