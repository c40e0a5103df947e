# SPDX-License-Identifier: Apache-2.0
"""Scenarios of several answers, and of several events that repeat."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import emulator as package
from emulator import Emulator
from emulator.scenario import load_scenarios

if TYPE_CHECKING:
    pass


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("scenario", "turns"),
    [
        ("run_function", [["get_weather"], []]),
        ("run_two_functions", [["get_weather", "get_time"], []]),
        ("run_unregistered_then_message", [*[["unknown_function"]] * 3, [], []]),
    ],
)
def test_a_loop_asks_for_functions_and_then_answers(
    emulator: Emulator, conversations: Any, scenario: str, turns: list[list[str]], stream: bool
) -> None:
    emulator.clear()  # the attempts
    asked: list[list[str]] = []
    who, call = {"model": "m"}, "start"
    for _ in turns:
        given = {**who, "inputs": "Hello", "http_headers": {"x-emulator-scenario": scenario}}
        if stream:
            with getattr(conversations, f"{call}_stream")(**given) as events:
                outputs = [event.data for event in events]
            conversation_id = outputs[0].conversation_id
        else:
            response = getattr(conversations, call)(**given)
            conversation_id, outputs = response.conversation_id, response.outputs
        who, call = {"conversation_id": conversation_id}, "append"
        arguments: dict[str, str] = {}
        for output in outputs:
            if output.type.startswith("function.call"):
                arguments[output.name] = arguments.get(output.name, "") + output.arguments
        assert all(isinstance(json.loads(text), dict) for text in arguments.values())
        answers = any(output.type.startswith("message.output") for output in outputs)
        assert answers is not bool(arguments)
        asked.append(list(arguments))
    assert asked == turns


@pytest.mark.parametrize(
    "item",
    [
        "{repeat: 2, events: [{repeat: 2, type: x}]}",
        "{events: [{events: [{type: x}]}]}",
        "{events: [{type: x}], type: y}",
        "{repeat: 2, raw: x, type: x}",
    ],
)
def test_a_group_has_only_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, item: str
) -> None:
    shutil.copy(Path(package.__file__).with_name("event_defaults.yaml"), tmp_path)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "wrong.yaml").write_text(f"events: [{item}]")
    monkeypatch.setattr("emulator.scenario._HERE", tmp_path)
    with pytest.raises(ValueError, match=r"wrong\.yaml: "):
        load_scenarios.__wrapped__()
