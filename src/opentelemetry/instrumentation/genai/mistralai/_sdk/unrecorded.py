# SPDX-License-Identifier: Apache-2.0
"""Ends the span of a call whose result cannot be recorded, or whose recording has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _log
from .._otel.open_calls import open_calls
from .._recording.ending import Ending

if TYPE_CHECKING:
    from .._otel.client_span import Call
    from .protocols import Opened


def give_up(call: Opened) -> None:
    """Ends the span of a call whose recording has failed."""
    try:
        try:
            # If the call stayed in the caller's context, it would be the parent of their next span.
            call.detach()
        finally:
            call.give_up()
    except Exception as exc:  # noqa: BLE001 -- a thread of ours tries once more
        open_calls.drop(call)
        _log.report("give a call up", exc)


def end_unobserved(call: Call, result: object, why: str) -> None:
    """Ends the span of a call with the call, because what it returned cannot be observed."""
    _log.say_once(
        "%s of the SDK, so its span ended with the call: is it wrapped by another library?", why
    )
    call.end(Ending(closing=result))
