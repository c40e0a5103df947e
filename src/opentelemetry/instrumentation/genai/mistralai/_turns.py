# SPDX-License-Identifier: Apache-2.0
"""What the last turn of each conversation was, for the turns that follow it in this process."""

from __future__ import annotations

import os
from collections import OrderedDict
from threading import RLock
from typing import Final

_MAX_CONVERSATIONS: Final = 1024


class LastTurns:
    """A bounded map from conversation to its last turn; the least recently used goes first."""

    def __init__(self, size: int = _MAX_CONVERSATIONS) -> None:
        self._size = size
        self._turns: OrderedDict[str, tuple[str, object]] = OrderedDict()
        self._lock = RLock()

    def remember(self, conversation_id: str, operation: str, reference: object) -> None:
        """Notes that a turn of this conversation has ended; ``reference`` is what to link to."""
        with self._lock:
            self._turns[conversation_id] = operation, reference
            self._turns.move_to_end(conversation_id)
            if len(self._turns) > self._size:
                self._turns.popitem(last=False)

    def last(self, conversation_id: str | None) -> tuple[str | None, object]:
        """The final operation of a conversation's last turn and its reference, if it is known."""
        with self._lock:
            if conversation_id is None or conversation_id not in self._turns:
                return None, None
            self._turns.move_to_end(conversation_id)
            return self._turns[conversation_id]

    def after_fork(self) -> None:
        """Makes the lock the child's own: nobody there would release that of a parent's thread."""
        self._lock = RLock()


last_turns: Final = LastTurns()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=last_turns.after_fork)
