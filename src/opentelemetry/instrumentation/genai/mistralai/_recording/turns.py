# SPDX-License-Identifier: Apache-2.0
"""Remembers the last turn of each conversation, so that later turns in this process link to it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from .._reading.fields import is_whole

_MAX_CONVERSATIONS: Final = 1024


class LastTurns:
    """Maps a conversation to its last turn, and discards the least recently used when it is full.

    It has no lock, because a fork or a late gevent patch could leave a lock held. Each line is one
    atomic operation of an ``OrderedDict``; between two lines another thread may have removed the
    conversation.
    """

    def __init__(self, size: int = _MAX_CONVERSATIONS) -> None:
        self._size = size
        self._turns: OrderedDict[str, tuple[str, object]] = OrderedDict()

    def remember(self, conversation_id: str, operation: str, reference: object) -> None:
        """Stores the turn of this conversation that has ended; ``reference`` is what to link to.

        It ignores an id that `name_of` cut: two conversations may share the part that is left.
        """
        if len(conversation_id) > 255 and not is_whole(conversation_id):
            return
        # Assigning to an existing key keeps its old position: without this `pop` an active
        # conversation would be discarded as the oldest.
        self._turns.pop(conversation_id, None)
        self._turns[conversation_id] = operation, reference
        while len(self._turns) > self._size:
            try:
                self._turns.popitem(last=False)
            except KeyError:
                break

    def last(self, conversation_id: str | None) -> tuple[str | None, object]:
        """Returns the operation and the reference of a conversation's last turn, if known."""
        turn = None if conversation_id is None else self._turns.get(conversation_id)
        if conversation_id is None or turn is None:
            return None, None
        self._move_to_end(conversation_id)
        return turn

    def _move_to_end(self, conversation_id: str) -> None:
        try:
            self._turns.move_to_end(conversation_id)
        except KeyError:
            # Another thread has removed the conversation since it was looked up.
            pass


last_turns: Final = LastTurns()
