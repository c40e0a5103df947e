# SPDX-License-Identifier: Apache-2.0
"""Holds what surrounds a call: OpenTelemetry's context, the clocks, the turn before it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from time import monotonic_ns, time_ns
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN
from opentelemetry.trace.propagation import set_span_in_context

from .._reading.fields import is_whole

# A pair of the SDK object and the method's row, of which each `patch` makes a copy.
Called = tuple[object, object]
# This key holds the call that is under way in this context. By it an older wrapper of ours sees
# that the call has a span already, and `own_spans` finds the call.
CALL: Final = otel_context.create_key("mistralai-call")
# This key holds the agent loop that runs in this context.
RUN: Final = otel_context.create_key("mistralai-run")
# The API keeps this key, under which a context has its span, to itself. With it, a context with a
# span takes one dict instead of two, and no function call.
SPAN: Final = next(iter(set_span_in_context(INVALID_SPAN, Context())))
# `suppress_instrumentation` sets the first of these keys, the GenAI frameworks the second.
_SUPPRESSED: Final = "suppress_instrumentation"
_MODELS_SUPPRESSED: Final = "suppress_language_model_instrumentation"

ONE_MOMENT: Final = 100_000
_MAX_CONVERSATIONS: Final = 1024
# Tests with frozen time (freezegun, time-machine) do not replace this clock, where the system has
# it: with another one a call that started in such a test and ended after it lasted minus 50 years.
ticks: Final[Callable[[], int]] = (
    partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC)
    if hasattr(time, "CLOCK_MONOTONIC")
    else time.monotonic_ns
)


def is_unwanted(context: Context, owner: object, method: object) -> bool:
    """Returns whether a call of this object's method gets no span in this context.

    That is so if the caller, or a framework, asked for no telemetry; and if this is the call
    already under way, which comes here twice when another library holds an older wrapper of ours.
    """
    call: Any = context.get(CALL)
    if call is not None and call.called is not None:
        at, by = call.called
        # A wrapper from another `instrument` has an equal row that is another object. The same
        # object means a new call, made by an event hook or a task meanwhile.
        if at is owner and by is not method and by == method:
            return True
    return bool(context.get(_SUPPRESSED) or context.get(_MODELS_SUPPRESSED))


def detach(token: Any) -> None:
    """Detaches a context; `context.detach` would log an error if it was attached elsewhere."""
    if token is None:
        return
    try:
        token.var.reset(token)
    except (ValueError, RuntimeError):
        # The token is from another context, or was used before an interrupt.
        pass
    except AttributeError:
        # OTEL_PYTHON_CONTEXT names another implementation than contextvars.
        otel_context.detach(token)


def all_clocks() -> tuple[int, int, int]:
    """Returns ``time_ns()`` in whole microseconds, `ticks` and ``monotonic_ns()`` of one moment.

    If another thread runs between the readings, the span's times are wrong by that long, and it may
    end after its parent: they are repeated. Viewers cut start and duration to microseconds one by
    one: with nanoseconds the span would seem to end before its last event. Rounding up keeps a span
    from starting before the one around it.
    """
    before, now, arrival = ticks(), time_ns(), monotonic_ns()
    for _ in range(2):
        if ticks() - before < ONE_MOMENT:
            break
        before, now, arrival = ticks(), time_ns(), monotonic_ns()
    return now + 999 - (now + 999) % 1000, before, arrival


class LastTurns:
    """Maps a conversation to its last turn in this process, so that later turns link to it.

    It discards the least recently used conversation when it is full. It has no lock, because a fork
    or a late gevent patch could leave a lock held: each line is one atomic operation, and between
    two lines another thread may have removed the conversation.
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
