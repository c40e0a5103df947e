# SPDX-License-Identifier: Apache-2.0
"""Read the scenario files. A mistake in one fails at start, not in the middle of an answer."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_HERE = Path(__file__).parent
_ENDS = ("complete", "cut", "reset", "inside_event", "hang", "no_answer", "refuse")
_CONTROLS = ("after", "at", "event", "omit_created_at", "raw", "repeat", "split")


@dataclass(frozen=True)
class Event:
    """One item of ``events:``; the keys which are not listed here are its payload."""

    payload: dict[str, Any]
    after: float = 0.0
    at: Any = field(default_factory=lambda: {"offset": 0.0})
    event: str | None = None
    omit_created_at: bool = False
    raw: str | None = None
    repeat: int = 1
    split: bool = False


@dataclass(frozen=True)
class Answer:
    """How one request is answered: by events, by a plain body, or by another scenario."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: Any = None
    events: list[Event] | None = None
    end: str = "complete"
    scenario: str | None = None


@dataclass(frozen=True)
class Scenario:
    """The answers given on successive attempts; the last one repeats."""

    attempts: list[Answer]

    def answer(self, attempt: int) -> Answer:
        """Return the answer to an attempt, counted from 0."""
        return self.attempts[min(attempt, len(self.attempts) - 1)]


def _read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _event(item: dict[str, Any], defaults: dict[str, dict[str, Any]]) -> Event:
    controls = {key: item[key] for key in _CONTROLS if key in item}
    own = {key: value for key, value in item.items() if key not in _CONTROLS}
    if ("raw" in item) == ("type" in item):
        raise ValueError(f"an event has either 'type' or 'raw': {item}")
    payload = {**defaults.get(own.get("type", ""), {}), **own}
    return Event(payload=payload, **controls)


def _answer(data: dict[str, Any], defaults: dict[str, dict[str, Any]]) -> Answer:
    events = data.get("events")
    if events is not None:
        data = {**data, "events": [_event(item, defaults) for item in events]}
    answer = Answer(**data)  # a misspelt key raises TypeError here
    if answer.end not in _ENDS:
        raise ValueError(f"unknown end {answer.end!r}")
    return answer


@functools.cache
def load_scenarios() -> dict[str, Scenario]:
    """Read every file of the folder; the name of a scenario is the name of its file."""
    defaults = _read_yaml(_HERE / "event_defaults.yaml")
    scenarios: dict[str, Scenario] = {}
    for path in sorted((_HERE / "scenarios").glob("*.yaml")):
        data = _read_yaml(path)
        try:
            attempts = data.pop("attempts", None) or [data]
            scenarios[path.stem] = Scenario([_answer(item, defaults) for item in attempts])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path.name}: {error}") from error
    for name, scenario in scenarios.items():
        for answer in scenario.attempts:
            if answer.scenario is not None and answer.scenario not in scenarios:
                raise ValueError(f"{name}.yaml: no scenario {answer.scenario!r}")
    return scenarios
