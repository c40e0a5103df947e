# SPDX-License-Identifier: Apache-2.0
"""What is known of a call when it ends, as plain data."""

from __future__ import annotations

from typing import Any, Final

from .._reading.errors import Failure
from .._reading.settings import AttributeValue
from .._reading.usage import Usage

# Shared by all calls that report nothing.
_NOTHING: Final = Usage()
# One message that was said: its parts, and why it is finished, None if it is not.
Output = tuple[list[dict[str, Any]], "str | None"]


class Outcome:
    """How a stream ended; ``mistral_ai.stream.outcome``."""

    COMPLETED: Final = "completed"
    FAILED: Final = "failed"
    CANCELLED: Final = "cancelled"
    CLOSED: Final = "closed"
    ABANDONED: Final = "abandoned"


class Ending:
    """What is known of a call when it ends.

    Attributes:
        attributes: span attributes that only the response could tell.
        operation: ``gen_ai.operation.name``, where the response corrects the request.
        span_name: the span's, in the same case.
        conversation_id: the conversation of which this was a turn, for the turns that follow it.
        usage: what the API reported.
        response_model: the model that answered.
        outcome: of a stream; None for a call that had none.
        first_chunk: seconds from the start to the first output, None without one.
        failure: why the span is an ERROR, None if it is not.
        closing: the response, or the event that closed the stream, for the user's hook.
        output: what was said; None while content is not captured.
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
