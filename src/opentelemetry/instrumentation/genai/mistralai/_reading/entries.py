# SPDX-License-Identifier: Apache-2.0
"""A response that was not streamed, as the events that a stream would have brought.

Its entries are in the order in which they began, each with two times, so that tools that ran side
by side are told apart only when the times are sorted. Then a response and a stream are one story,
read by one recorder.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple, cast

from .clock import read_time
from .fields import fields_of, items_of, name_of, unpacked

# Of an entry's type: the event that opens it, and the one that closes it.
_EVENTS: Final[dict[str | None, tuple[str, str]]] = {
    "message.output": ("message.output.delta", "message.output.delta"),
    "function.call": ("function.call.delta", "function.call.delta"),
    "tool.execution": ("tool.execution.started", "tool.execution.done"),
    "agent.handoff": ("agent.handoff.started", "agent.handoff.done"),
}


class EntryEvent(NamedTuple):
    """An event as a recorder reads it."""

    event: str
    data: dict[str, object]


# What the closing event of an entry would say once more.
_SAID: Final = ("content", "arguments")


def events_of(outputs: object) -> tuple[list[EntryEvent], list[datetime]]:
    """Reads the ``outputs`` of a ``ConversationResponse``.

    Args:
        outputs: the SDK's list of entries; anything else has none.

    Returns:
        The events, in the order of their times, and all times, sorted. An entry that was completed
        at no known time was so when the next one was created; the last one never was.
    """
    # Of an entry that the SDK's model rejected, the API's own JSON.
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
        # A tool of which only the end is known has no start.
        opened = began or not ended or opening == closing
        if opened:
            events.append(EntryEvent(opening, {**entry, "created_at": latest}))
        if ended or (entry is not entries[-1] and _goes_on(entry)):
            # Never before its start, or it would be told before it.
            done = max((time for time in (latest, ended or following) if time), default=None)
            rest = dict.fromkeys(_SAID) if opened else {}
            events.append(EntryEvent(closing, {**entry, **rest, "created_at": done}))
    if times:
        events.sort(key=lambda event: cast("datetime", event.data["created_at"]))
    return events, times


def _goes_on(entry: dict[str, object]) -> bool:
    """Whether the entry that follows tells that this one was completed."""
    if entry.get("type") == "agent.handoff":
        return name_of(entry.get("next_agent_id")) is not None
    return entry.get("type") == "tool.execution"
