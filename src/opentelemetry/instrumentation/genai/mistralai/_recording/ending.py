# SPDX-License-Identifier: Apache-2.0
"""Defines the `Ending`, the facts of a call at its end; reads the usage that the API reports."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from .. import _names as s
from .._reading.conversions import MAX_COUNT, count
from .._reading.counts import COUNTS, DETAILS, connector_counts, with_details
from .._reading.errors import Failure
from .._reading.fields import AttributeValue, Fields, fields_of


class Usage:
    """Holds counts as the API reported them, without missing and unusable ones.

    Attributes:
        counts: the counts by span attribute.
        connectors: the number of calls of each connector.
    """

    counts: Mapping[str, int] = MappingProxyType({})
    connectors: Mapping[str, int] = MappingProxyType({})


def read_usage(source: object) -> Usage:
    """Reads usage in any shape that the API has for it.

    Args:
        source: the SDK's object, or the raw dict of one that its model rejected; anything else
            reports nothing.

    Returns:
        The counts that are ints (no bool) from 0 to 10¹²; others are left out, with a debug line.
    """
    reported, usage = fields_of(source), Usage()
    counts: dict[str, int] = {}
    # pydantic keeps fields that the SDK's model does not know in `__pydantic_extra__`.
    extra: object = getattr(source, "__pydantic_extra__", None)
    if extra or not DETAILS.keys().isdisjoint(reported):
        reported = with_details({**reported, **fields_of(extra)})
    for name, value in reported.items():
        attribute = COUNTS.get(name)
        if attribute is None or value is None:
            continue
        # Nearly every value is such an int: the inline check saves the call of `count`.
        if type(value) is int and 0 <= value <= MAX_COUNT:
            counts[attribute] = value
        # The SDK's marker for what was not sent: asking for its truth would run Python code.
        elif type(value).__name__ != "Unset" and value:
            count(value)
    if s.USAGE_CACHE_WRITE in counts:
        # Viewers read the conventions' older name, too. No metric has it.
        counts[s.USAGE_CACHE_CREATION] = counts[s.USAGE_CACHE_WRITE]
    usage.counts = counts
    connectors = reported.get("connectors")
    if isinstance(connectors, dict) and connectors:
        called = cast("Fields", connectors)
        calls = {name: count(value) for name, value in called.items()}
        usage.connectors = {
            name: found for name, found in calls.items() if found is not None and type(name) is str
        }
        counts.update(connector_counts(usage.connectors))
    return usage


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


# By outcome, for what has no finish reason of its own. Other outcomes have none.
FINISH_REASONS: Final = {Outcome.COMPLETED: "stop", None: "stop", Outcome.FAILED: "error"}


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
