# SPDX-License-Identifier: Apache-2.0
"""agno, which has no telemetry of its own."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any, Final

import pytest

from tests.frameworks import claims
from tests.frameworks.claims import Case
from tests.frameworks.running import MODEL, Program, Runner, client

agent: Any = importlib.import_module("agno.agent")
mistral: Any = importlib.import_module("agno.models.mistral")


def agent_of(url: str, scenario: str | None) -> Any:
    model = mistral.MistralChat(id=MODEL, mistral_client=client(url, scenario))
    return agent.Agent(model=model, telemetry=False)


def whole(scenario: str | None = None) -> Program:
    return lambda url: _told(agent_of(url, scenario).run("Hello?"))


def streamed(url: str) -> Any:
    return [_told(event) for event in agent_of(url, None).run("Hello?", stream=True)]


async def whole_async(url: str) -> Any:
    return _told(await agent_of(url, None).arun("Hello?"))


async def streamed_async(url: str) -> Any:
    return [_told(event) async for event in agent_of(url, None).arun("Hello?", stream=True)]


def _told(said: Any) -> Any:
    return (type(said).__name__, said.content, str(getattr(said, "status", "")))


def refused(url: str) -> Any:
    """It makes an answer of what the server refuses."""
    return _told(agent_of(url, "http_400").run("Hello?"))[0]


CASES: Final = {
    "whole": Case(whole()),
    "streamed": Case(streamed, streamed=True),
    "whole async": Case(lambda url: asyncio.run(whole_async(url))),
    "streamed async": Case(lambda url: asyncio.run(streamed_async(url)), streamed=True),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_spans_are_ours_and_each_series_is_counted_once(runner: Runner, case: Case) -> None:
    ran = claims.own(runner, case)
    assert len(ran.spans) == ran.requests


def test_what_the_server_refuses_is_an_error(runner: Runner) -> None:
    alone, ran = runner.bare(refused), runner.with_us(refused)
    assert ran.result == alone.result
    assert ran.requests == alone.requests == len(ran.ours())
    assert {span.status.status_code.name for span in ran.ours()} == {"ERROR"}
