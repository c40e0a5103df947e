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

    from emulator.scenario import Event, Group

_PLACEHOLDER = re.compile(
    r"\{(conversation_id|model|agent_id|text|n|created|created_at|vector"
    r"|name|description|instructions|tools|execution_id)\}"
)
_EACH = "for_each_input"


@dataclass(frozen=True)
class Rendered:
    """An event ready to send; payload is None for a raw one."""

    payload: dict[str, Any] | None
    data: bytes
    split: bool


def fill(value: Any, names: dict[str, Any]) -> Any:
    """Replace the placeholders in every string of a JSON value.

    One pass: a user's text that itself holds "{model}" must not be expanded a second time.
    A string which is only a placeholder becomes its value, so that it can be null or a list.
    An item ``{for_each_input: ...}`` of a list stands there once for each input of the request.
    """
    if isinstance(value, str):
        if (whole := _PLACEHOLDER.fullmatch(value)) is not None:
            return names[whole[1]]
        return _PLACEHOLDER.sub(lambda found: str(names[found[1]] or ""), value)
    if isinstance(value, list):
        return [one for item in cast("list[object]", value) for one in _filled(item, names)]
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: fill(item, names) for key, item in items}
    return value


def _filled(item: Any, names: dict[str, Any]) -> list[Any]:
    """Return an item of a list as often as it is wanted."""
    if not isinstance(item, dict) or _EACH not in item:
        return [fill(item, names)]
    template = cast("dict[str, Any]", item)[_EACH]
    return [fill(template, {**names, "n": n}) for n in range(names["inputs"])]


def timestamp(seconds: float) -> str:
    """Write a time as the API does."""
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _created_at(at: Any, now: Callable[[], float]) -> Any:
    if not isinstance(at, dict):
        return at
    return timestamp(now() + cast("dict[str, float]", at)["offset"])


def _render(event: Event, names: dict[str, Any], now: Callable[[], float]) -> Rendered:
    if event.raw is not None:
        return Rendered(None, event.raw.encode(), event.split)
    payload: dict[str, Any] = {}
    if "type" in event.payload:
        payload["type"] = event.payload["type"]
    if not event.omit_created_at:
        payload["created_at"] = _created_at(event.at, now)
    payload.update(fill(event.payload, names))
    line = event.event or payload.get("type")
    head = f"event: {line}\n" if line else ""
    data = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return Rendered(payload, f"{head}data: {data}\n\n".encode(), event.split)


async def play(
    groups: Iterable[Group], names: dict[str, Any], now: Callable[[], float], slower: float
) -> AsyncIterator[Rendered]:
    """Yield each event when it is due. ``{n}`` counts the repeats of its group from 0."""
    for group in groups:
        for n in range(group.repeat):
            for event in group.events:
                # Also when there is nothing to wait for: other requests must have their turn.
                await asyncio.sleep(event.after * slower)
                yield _render(event, {**names, "n": str(n)}, now)
