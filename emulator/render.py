# SPDX-License-Identifier: Apache-2.0
"""Turn the events of a scenario into payloads and SSE bytes, at the pace it asks for."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from emulator.scenario import Event

_PLACEHOLDER = re.compile(r"\{(conversation_id|model|agent_id|text|n)\}")


@dataclass(frozen=True)
class Rendered:
    """An event ready to send; payload is None for a raw one."""

    payload: dict[str, Any] | None
    data: bytes
    split: bool


def fill(value: Any, names: dict[str, str | None]) -> Any:
    """Replace the placeholders in every string of a JSON value.

    One pass: a user's text that itself holds "{model}" must not be expanded a second time.
    A string which is only a placeholder becomes its value, so that it can be null.
    """
    if isinstance(value, str):
        if (whole := _PLACEHOLDER.fullmatch(value)) is not None:
            return names[whole[1]]
        return _PLACEHOLDER.sub(lambda found: names[found[1]] or "", value)
    if isinstance(value, list):
        return [fill(item, names) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: fill(item, names) for key, item in items}
    return value


def _created_at(at: Any, now: Callable[[], float]) -> Any:
    if not isinstance(at, dict):
        return at
    seconds = now() + cast("dict[str, float]", at)["offset"]
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _render(event: Event, names: dict[str, str | None], now: Callable[[], float]) -> Rendered:
    if event.raw is not None:
        return Rendered(None, event.raw.encode(), event.split)
    payload: dict[str, Any] = {"type": event.payload["type"]}
    if not event.omit_created_at:
        payload["created_at"] = _created_at(event.at, now)
    payload.update(fill(event.payload, names))
    line = event.event or payload["type"]
    data = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return Rendered(payload, f"event: {line}\ndata: {data}\n\n".encode(), event.split)


async def play(
    events: Iterable[Event], names: dict[str, str | None], now: Callable[[], float]
) -> AsyncIterator[Rendered]:
    """Yield each event when it is due. ``{n}`` counts the repeats of an event from 0."""
    for event in events:
        for n in range(event.repeat):
            # Also when there is nothing to wait for: other requests must have their turn.
            await asyncio.sleep(event.after)
            yield _render(event, {**names, "n": str(n)}, now)
