# SPDX-License-Identifier: Apache-2.0
"""The attributes that the metrics of one call share, made once for all calls that are alike.

A program calls a few models at one address. To make five dicts of seven items for each call, and to
look each name up in the bounds of `metric_names`, took as long as half of what the SDK does with a
measurement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .. import _names as s
from .metric_names import ADDRESSES, REQUEST_MODELS, RESPONSE_MODELS

if TYPE_CHECKING:
    Attributes = dict[str, "str | int"]

# More kinds of calls than the names of metrics allow are hardly alike; the rest is made each time.
_MAX_KINDS: Final = 256


class CallAttributes:
    """The attributes of calls of one kind. Never changed: the SDK keeps the first of each.

    Attributes:
        common: what every metric of such a call has.
        counted: of the usage counters.
        sent: of the histogram of tokens, for the input; answered: for the output.
    """

    __slots__ = ("answered", "common", "counted", "sent")

    def __init__(
        self,
        operation: str,
        model: str | None,
        address: str | None,
        port: int | None,
        response_model: str | None,
    ) -> None:
        common: Attributes = {s.OPERATION_NAME: operation, s.PROVIDER_NAME: s.PROVIDER}
        if model is not None:
            common[s.REQUEST_MODEL] = REQUEST_MODELS.bounded(model)
        if address is not None:
            common[s.SERVER_ADDRESS] = bounded = ADDRESSES.bounded(address, port)
            if port is not None and bounded != s.OTHER:
                common[s.SERVER_PORT] = port
        if response_model is not None:
            common[s.RESPONSE_MODEL] = RESPONSE_MODELS.bounded(response_model)
        self.common = common
        self.counted: Attributes = {**common, s.TOKEN_MODALITY: "unknown"}
        self.sent: Attributes = {**common, s.TOKEN_TYPE: "input"}
        self.answered: Attributes = {**common, s.TOKEN_TYPE: "output"}


# Of operation, requested model, address, port and the model that answered.
Key = tuple[str, "str | None", "str | None", "int | None", "str | None"]
known: Final[dict[Key, CallAttributes]] = {}


def made(key: Key) -> CallAttributes:
    """The attributes of a kind of calls that is not `known`; the next ones find them there."""
    attributes = CallAttributes(*key)
    if len(known) < _MAX_KINDS:
        known[key] = attributes
    return attributes
