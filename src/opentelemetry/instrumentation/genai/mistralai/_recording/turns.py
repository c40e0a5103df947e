# SPDX-License-Identifier: Apache-2.0
"""What the last turn of each conversation was, for the turns that follow it in this process."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from .._reading.fields import is_whole

_MAX_CONVERSATIONS: Final = 1024


class LastTurns:
    """A bounded map from conversation to its last turn; the least recently used goes first.

    There is no lock, which a fork or a late gevent patch could leave held: each line is one
    operation of an ``OrderedDict``, whole for every thread, and may find that another thread's
    line has taken the conversation out.
    """

    def __init__(self, size: int = _MAX_CONVERSATIONS) -> None:
        self._size = size
        self._turns: OrderedDict[str, tuple[str, object]] = OrderedDict()

    def remember(self, conversation_id: str, operation: str, reference: object) -> None:
        """Notes that a turn of this conversation has ended; ``reference`` is what to link to.

        An id that was cut, as that of `name_of`, is not remembered: others may begin so, too.
        """
        if len(conversation_id) > 255 and not is_whole(conversation_id):
            return
        # Taken out first, so that it is put in as the newest.
        self._turns.pop(conversation_id, None)
        self._turns[conversation_id] = operation, reference
        while len(self._turns) > self._size:
            try:
                self._turns.popitem(last=False)
            except KeyError:
                break

    def last(self, conversation_id: str | None) -> tuple[str | None, object]:
        """The final operation of a conversation's last turn and its reference, if it is known."""
        turn = None if conversation_id is None else self._turns.get(conversation_id)
        if conversation_id is None or turn is None:
            return None, None
        self._move_to_end(conversation_id)
        return turn

    def _move_to_end(self, conversation_id: str) -> None:
        try:
            self._turns.move_to_end(conversation_id)
        except KeyError:
            # Another thread's turn has taken its place.
            pass


last_turns: Final = LastTurns()
