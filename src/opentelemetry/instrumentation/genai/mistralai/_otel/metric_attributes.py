# SPDX-License-Identifier: Apache-2.0
"""Makes the attributes that the metrics of one call share, once for all calls that are alike.

A program calls a few models at one address. Making these dicts for each call, and looking each name
up in the bounds of `metric_names`, took half as long as OpenTelemetry's SDK takes for a
measurement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .. import _names as s
from .._recording.ending import Ending, Outcome
from .metric_names import ADDRESSES, ERRORS, REQUEST_MODELS, RESPONSE_MODELS

if TYPE_CHECKING:
    from .._reading.servers import Server

    Attributes = dict[str, "str | int"]

# Without the limit, a server that invents model names would fill the memory. The attributes of
# further kinds of calls are made at each call.
_MAX_KINDS: Final = 256


class CallAttributes:
    """Holds the attributes of calls of one kind.

    Nothing may change these dicts, because OpenTelemetry's SDK keeps them.

    Attributes:
        common: the attributes of every metric of such a call.
        counted: those of the usage counters.
        ended: those of the duration, by the stream's outcome, for the two that nearly every call
            has: completed, and None, which is no stream.
        sent: those of the histogram of tokens, for the input; answered: for the output.
    """

    __slots__ = ("answered", "common", "counted", "ended", "sent")

    def __init__(
        self,
        operation: str,
        model: str | None,
        server: Server,
        response_model: str | None,
    ) -> None:
        address, port, provider = server
        common: Attributes = {s.OPERATION_NAME: operation, s.PROVIDER_NAME: provider}
        if model is not None:
            common[s.REQUEST_MODEL] = REQUEST_MODELS.bounded(model)
        if address is not None:
            common[s.SERVER_ADDRESS] = bounded = ADDRESSES.bounded(address, port)
            if port is not None and bounded != s.OTHER:
                common[s.SERVER_PORT] = port
        if response_model is not None:
            common[s.RESPONSE_MODEL] = RESPONSE_MODELS.bounded(response_model)
        self.common = common
        completed: Attributes = {**common, s.STREAM_OUTCOME: Outcome.COMPLETED}
        self.ended: dict[str | None, Attributes] = {None: common, Outcome.COMPLETED: completed}
        self.counted: Attributes = {**common, s.TOKEN_MODALITY: "unknown"}
        self.sent: Attributes = {**common, s.TOKEN_TYPE: "input"}
        self.answered: Attributes = {**common, s.TOKEN_TYPE: "output"}

    def ended_otherwise(self, ending: Ending) -> tuple[Attributes, Attributes]:
        """Returns the common attributes with a failed call's error, and those of its duration."""
        with_error = self.common
        if ending.failure is not None:
            with_error = {**with_error, s.ERROR_TYPE: ERRORS.bounded(ending.failure.type)}
        if ending.outcome is None:
            return with_error, with_error
        return with_error, {**with_error, s.STREAM_OUTCOME: ending.outcome}


# A key is operation, requested model, server and the model that answered.
Key = tuple[str, "str | None", "Server", "str | None"]
known: Final[dict[Key, CallAttributes]] = {}


def made(key: Key) -> CallAttributes:
    """Makes the attributes of a kind of calls, and adds them to `known` for the calls after it."""
    attributes = CallAttributes(*key)
    if len(known) < _MAX_KINDS:
        known[key] = attributes
    return attributes
