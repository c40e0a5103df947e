# SPDX-License-Identifier: Apache-2.0
"""Turns a response that was not streamed into the events that a stream would have brought.

Its entries are in the order in which they began, each with two times, so tools that ran side by
side come in the right order only when the times are sorted. Then one recorder reads responses and
streams alike.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple, cast

from .clock import read_time
from .fields import fields_of, items_of, name_of, unpacked

# The values are the events that open and close an entry of this type.
_EVENTS: Final[dict[str | None, tuple[str, str]]] = {
    "message.output": ("message.output.delta", "message.output.delta"),
    "function.call": ("function.call.delta", "function.call.delta"),
    "tool.execution": ("tool.execution.started", "tool.execution.done"),
    "agent.handoff": ("agent.handoff.started", "agent.handoff.done"),
}


class EntryEvent(NamedTuple):
    """Holds an event as a recorder reads it."""

    event: str
    data: dict[str, object]


# The closing event of an entry must not carry these again: the content would be recorded twice.
_SAID: Final = ("content", "arguments")


def events_of(outputs: object) -> tuple[list[EntryEvent], list[datetime]]:
    """Reads the ``outputs`` of a ``ConversationResponse``.

    Args:
        outputs: the SDK's list of entries; anything else has none.

    Returns:
        The events, in the order of their times, and all times, sorted. An entry without a time of
        completion was completed when the next one was created; the last one was not completed.
    """
    # `unpacked` gives the API's own JSON of an entry that the SDK's model rejected.
    entries = [unpacked(fields_of(entry)) for entry in items_of(outputs)]
    if not entries:
        return [], []
    created = [read_time(entry.get("created_at")) for entry in entries]
    completed = [read_time(entry.get("completed_at")) for entry in entries]
    times = sorted(time for time in (*created, *completed) if time is not None)
    events: list[EntryEvent] = []
    latest = times[0] if times else None
    for entry, began, ended, following in zip(
        entries, created, completed, [*created[1:], None], strict=True
    ):
        kind = name_of(entry.get("type"))
        if kind not in _EVENTS:
            continue
        opening, closing = _EVENTS[kind]
        latest = began or latest
        # A tool of which only the end is known gets no opening event.
        opened = began or not ended or opening == closing
        if opened:
            events.append(EntryEvent(opening, {**entry, "created_at": latest}))
        if ended or (entry is not entries[-1] and _goes_on(entry)):
            # An end before its start would be sorted before it.
            done = max((time for time in (latest, ended or following) if time), default=None)
            rest = dict.fromkeys(_SAID) if opened else {}
            events.append(EntryEvent(closing, {**entry, **rest, "created_at": done}))
    if times:
        events.sort(key=lambda event: cast("datetime", event.data["created_at"]))
    return events, times


def _goes_on(entry: dict[str, object]) -> bool:
    """Returns whether a following entry means that this one was completed."""
    if entry.get("type") == "agent.handoff":
        return name_of(entry.get("next_agent_id")) is not None
    return entry.get("type") == "tool.execution"
