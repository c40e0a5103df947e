# SPDX-License-Identifier: Apache-2.0
"""Read the scenario files. A mistake in one fails at start, not in the middle of an answer."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_HERE = Path(__file__).parent
# As the name of a scenario: the one with which an endpoint answers when the request names none.
DEFAULT = "default"
# The scenarios of the Conversations API need not say that they are.
CONVERSATION = "conversation"
# Its answers are made of chunks, which have no type.
COMPLETION = "completion"
_CHUNK = "chat.completion.chunk"
_CHOICE = ("index", "delta", "finish_reason")
_ENDS = ("complete", "cut", "reset", "inside_event", "hang", "no_answer", "refuse")
_CONTROLS = ("after", "at", "event", "omit_created_at", "raw", "split")

Defaults = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Event:
    """One event; the keys which are not listed here are its payload."""

    payload: dict[str, Any]
    after: float = 0.0
    at: Any = field(default_factory=lambda: {"offset": 0.0})
    event: str | None = None
    omit_created_at: bool = False
    raw: str | None = None
    split: bool = False


@dataclass(frozen=True)
class Group:
    """One item of ``events:``: an event, or several, played ``repeat`` times in this order."""

    events: list[Event]
    repeat: int = 1


@dataclass(frozen=True)
class Answer:
    """How one request is answered: by events, by a body, or by another scenario.

    With both, the events are for a stream; with events alone they are joined to a body.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: Any = None
    events: list[Group] | None = None
    end: str = "complete"
    omit_completed_at: bool = False
    scenario: str | None = None


@dataclass(frozen=True)
class Scenario:
    """The answers given on successive attempts; the last one repeats.

    ``api`` is the one whose requests it answers: None for an answer which any of them may give.
    """

    attempts: list[Answer]
    api: str | None = None

    def answer(self, attempt: int) -> Answer:
        """Return the answer to an attempt, counted from 0."""
        return self.attempts[min(attempt, len(self.attempts) - 1)]


def _read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _chunk(own: dict[str, Any], defaults: Defaults) -> dict[str, Any]:
    """Return a whole chunk; what its only choice says stands beside the chunk's own fields."""
    if "error" in own or not own:
        return own
    choice: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": None}
    choice.update({key: own[key] for key in _CHOICE if key in own})
    rest = {key: value for key, value in own.items() if key not in _CHOICE}
    return {**defaults[_CHUNK], "choices": [choice], **rest}


def _event(item: dict[str, Any], defaults: Defaults, api: str) -> Event:
    controls = {key: item[key] for key in _CONTROLS if key in item}
    own = {key: value for key, value in item.items() if key not in _CONTROLS}
    if ("raw" in item) == (bool(own) if api == COMPLETION else "type" in item):
        raise ValueError(f"an event has either 'type' or 'raw': {item}")
    if "repeat" in item or "events" in item:
        raise ValueError(f"a group inside a group: {item}")
    if api != CONVERSATION:  # only there events tell when they were created
        controls["omit_created_at"] = True
    if api == COMPLETION:
        return Event(payload=_chunk(own, defaults), **controls)
    payload = {**defaults.get(own.get("type", ""), {}), **own}
    return Event(payload=payload, **controls)


def _group(item: dict[str, Any], defaults: Defaults, api: str) -> Group:
    own = {key: value for key, value in item.items() if key != "repeat"}
    if "events" in own and len(own) > 1:
        raise ValueError(f"a group has only 'events' and 'repeat': {item}")
    events = [_event(event, defaults, api) for event in own.get("events", [own])]
    return Group(events, item.get("repeat", 1))


def _answer(data: dict[str, Any], defaults: Defaults, api: str) -> Answer:
    events = data.get("events")
    if events is not None:
        data = {**data, "events": [_group(item, defaults, api) for item in events]}
    answer = Answer(**data)  # a misspelt key raises TypeError here
    if answer.end not in _ENDS:
        raise ValueError(f"unknown end {answer.end!r}")
    return answer


def _scenario(data: dict[str, Any], defaults: Defaults) -> Scenario:
    own_api = data.pop("api", None)
    items = data.pop("attempts", None) or [data]
    attempts = [_answer(item, defaults, own_api or CONVERSATION) for item in items]
    plain = all(answer.events is None for answer in attempts)
    return Scenario(attempts, own_api or (None if plain else CONVERSATION))


@functools.cache
def load_scenarios() -> dict[str, Scenario]:
    """Read every file below the folder; the name of a scenario is the name of its file."""
    defaults = _read_yaml(_HERE / "event_defaults.yaml")
    scenarios: dict[str, Scenario] = {}
    for path in sorted((_HERE / "scenarios").rglob("*.yaml")):
        data = _read_yaml(path)
        if path.stem in scenarios:
            raise ValueError(f"two scenarios have the name {path.stem}")
        try:
            scenarios[path.stem] = _scenario(data, defaults)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path.name}: {error}") from error
    for name, scenario in scenarios.items():
        for answer in scenario.attempts:
            if answer.scenario not in (None, DEFAULT, *scenarios):
                raise ValueError(f"{name}.yaml: no scenario {answer.scenario!r}")
    return scenarios
