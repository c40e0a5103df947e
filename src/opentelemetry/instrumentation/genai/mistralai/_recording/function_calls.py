# SPDX-License-Identifier: Apache-2.0
"""Whether the caller still has to answer a function call of a conversation."""

from __future__ import annotations

from typing import Final

from .._reading.fields import Fields, name_of

# A server that calls functions without end must not fill the memory of its client.
_MAX_CALLS: Final = 1024
# A confirmation that was given or refused is nothing that the caller still has to answer.
_ANSWERED: Final = frozenset({"allowed", "denied"})


class FunctionCalls:
    """The functions that a conversation wants to have called, by the caller."""

    __slots__ = ("_settled",)

    def __init__(self) -> None:
        # Of each call: whether any piece of it said that it was allowed or denied.
        self._settled: dict[str | None, bool] = {}

    def note(self, data: Fields) -> None:
        """A piece of a call, or a whole one."""
        call_id = name_of(data.get("tool_call_id")) or name_of(data.get("id"))
        # Those that are too many are taken for one.
        key = call_id if call_id in self._settled or len(self._settled) < _MAX_CALLS else None
        settled = name_of(data.get("confirmation_status")) in _ANSWERED
        self._settled[key] = settled or self._settled.get(key, False)

    @property
    def wait(self) -> bool:
        """Whether the caller still has to answer one of them."""
        return not all(self._settled.values())
