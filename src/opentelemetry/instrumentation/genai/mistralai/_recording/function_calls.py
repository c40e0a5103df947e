# SPDX-License-Identifier: Apache-2.0
"""Decides between the finish reasons ``tool_call`` and ``stop``.

It is ``tool_call`` if the caller still has to answer a function call of the turn.
"""

from __future__ import annotations

from typing import Final

from .._reading.fields import Fields, name_of

# The limit keeps a server that calls functions without end from filling its client's memory.
_MAX_CALLS: Final = 1024
# The caller has nothing left to answer once a confirmation was given or refused.
_ANSWERED: Final = frozenset({"allowed", "denied"})


class FunctionCalls:
    """Holds the function calls that a turn asks the caller for."""

    __slots__ = ("_settled",)

    def __init__(self) -> None:
        # The value is True once any piece of the call said that it was allowed or denied.
        self._settled: dict[str | None, bool] = {}

    def note(self, data: Fields) -> None:
        """Takes in a function call or a piece of one."""
        call_id = name_of(data.get("tool_call_id")) or name_of(data.get("id"))
        # The calls beyond the limit share the key None, so memory stays bounded.
        key = call_id if call_id in self._settled or len(self._settled) < _MAX_CALLS else None
        settled = name_of(data.get("confirmation_status")) in _ANSWERED
        self._settled[key] = settled or self._settled.get(key, False)

    @property
    def are_waiting(self) -> bool:
        """Returns whether the caller still has to answer one of them."""
        return not all(self._settled.values())
