# SPDX-License-Identifier: Apache-2.0
"""instructor, which has no telemetry of its own."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any, Final

import pytest
from pydantic import BaseModel

from tests.frameworks import claims
from tests.frameworks.claims import Case
from tests.frameworks.running import MODEL, Program, Runner, client

instructor: Any = importlib.import_module("instructor")


class City(BaseModel):
    """What the scenario ``chat_json`` answers with."""

    city: str
    population: int


def asked(url: str, scenario: str, *, use_async: bool = False) -> tuple[Any, dict[str, Any]]:
    made = instructor.from_mistral(
        client(url, scenario), mode=instructor.Mode.JSON_SCHEMA, use_async=use_async
    )
    messages = [{"role": "user", "content": "Hello?"}]
    return made.chat.completions, {"model": MODEL, "messages": messages, "response_model": City}


def whole(scenario: str = "chat_json", retries: int = 1) -> Program:
    def run(url: str) -> Any:
        completions, given = asked(url, scenario)
        return completions.create(**given, max_retries=retries)

    return run


def partial(url: str) -> Any:
    completions, given = asked(url, "chat_json")
    return list(completions.create_partial(**given))


async def whole_async(url: str) -> Any:
    completions, given = asked(url, "chat_json", use_async=True)
    return await completions.create(**given)


CASES: Final = {
    "whole": Case(whole(), spent=(31, 13)),
    "whole async": Case(lambda url: asyncio.run(whole_async(url)), spent=(31, 13)),
    "partial": Case(partial, streamed=True, spent=(31, 13)),
    "refused": Case(whole("http_400"), fails=True),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_spans_are_ours_and_each_series_is_counted_once(runner: Runner, case: Case) -> None:
    ran = claims.own(runner, case)
    assert len(ran.spans) == ran.requests


def test_each_retry_has_a_span(runner: Runner) -> None:
    # What the scenario answers with is no JSON, so that it asks again.
    program = whole("chat", retries=3)
    alone, ran = runner.bare(program), runner.with_us(program)
    assert ran.result == alone.result
    assert ran.result[0] == "raised"
    assert len(ran.ours()) == ran.requests == alone.requests > 1
