# SPDX-License-Identifier: Apache-2.0
"""ag2, with its TelemetryMiddleware and without."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any, Final

import pytest

from tests.frameworks import claims
from tests.frameworks.claims import Case
from tests.frameworks.running import (
    MODEL,
    OTHER_MODEL,
    OURS,
    Program,
    Runner,
    attribute,
    client,
    http,
    parent_of,
    scope_of,
)
from tests.support import names as s

SCOPE: Final = "opentelemetry.instrumentation.ag2"
ag2: Any = importlib.import_module("ag2")
middleware: Any = importlib.import_module("ag2.middleware")
config: Any = importlib.import_module("ag2.config")


def asks(
    scenario: str | None = None,
    *,
    stream: bool = False,
    told: bool = True,
    model: str | None = MODEL,
    tools: Any = (),
) -> Program:
    async def run(url: str) -> Any:
        options = http(url, scenario)
        given = {"server_url": url, "async_client": options["async_client"]}
        configured = config.MistralConfig(model=MODEL, api_key="key", streaming=stream, **given)
        telemetry = middleware.TelemetryMiddleware(
            agent_name="helper", provider_name="mistral_ai", model_name=model
        )
        agent = ag2.Agent(
            "helper",
            config=configured,
            middleware=[telemetry] if told else [],
            tools=[make(url, options) for make in tools],
        )
        return (await agent.ask("Hello?")).body

    return lambda url: asyncio.run(run(url))


def cases(*, told: bool) -> dict[str, Case]:
    return {
        "whole": Case(asks(told=told)),
        "streamed": Case(asks(stream=True, told=told), streamed=True),
        "no model named": Case(asks(told=told, model=None)),
        "refused": Case(asks("http_400", told=told), fails=True),
        "refused stream": Case(asks("http_400", stream=True, told=told), streamed=True, fails=True),
    }


@pytest.mark.parametrize("name", cases(told=True))
def test_its_span_adopts_the_request(runner: Runner, name: str) -> None:
    ran = claims.adopted(runner, cases(told=True)[name], SCOPE)
    assert ran.scopes(s.METRIC_DURATION) == {OURS}
    if not cases(told=True)[name].fails:
        assert ran.scopes(s.METRIC_TOKEN_USAGE) == {OURS}


@pytest.mark.parametrize("name", cases(told=False))
def test_without_its_telemetry_the_spans_are_ours(runner: Runner, name: str) -> None:
    claims.own(runner, cases(told=False)[name])


def test_another_model_than_it_names_has_a_span_of_its_own(runner: Runner) -> None:
    program = asks(model=OTHER_MODEL)
    alone, ran = runner.bare(program), runner.with_us(program)
    assert ran.result == alone.result
    (span,) = ran.ours()
    around = parent_of(span, ran)
    assert around is not None
    assert (scope_of(around), around.name) == (SCOPE, f"chat {OTHER_MODEL}")
    claims.frameworks_spans_are_kept(alone, ran)


def _weather(url: str, answers: Any) -> Any:
    async def get_weather(city: str) -> str:
        """Says how the weather is."""
        del answers["async_client"].headers["x-emulator-scenario"]
        own = client(url)
        asked = [{"role": "user", "content": city}]
        stream = await own.chat.stream_async(model=MODEL, messages=asked)
        _ = [event async for event in stream]
        await own.beta.conversations.start_async(model=MODEL, inputs=city)
        return "rain"

    return get_weather


def _time(_url: str, _answers: Any) -> Any:
    def get_time(zone: str) -> str:
        """Says what time it is."""
        return f"noon in {zone}"

    return get_time


def test_what_a_tool_asks_has_spans_of_its_own(runner: Runner) -> None:
    program = asks("chat_tool_calls", tools=[_weather, _time])
    alone, ran = runner.bare(program), runner.with_us(program)
    assert ran.result == alone.result
    assert ran.result[0] == "returned"
    assert ran.requests == 4
    assert len(ran.inferences()) == 4
    assert len(ran.ours()) == 2
    for span in ran.ours():
        around = parent_of(span, ran)
        assert around is not None
        assert attribute(around, s.OPERATION_NAME) == "execute_tool"
    assert ran.counts(s.METRIC_DURATION) == 4
    assert ran.counts(s.METRIC_FIRST_CHUNK) == 1
    claims.frameworks_spans_are_kept(alone, ran)


def test_what_is_sampled_out_is_counted_once_all_the_same(runner: Runner) -> None:
    claims.counted_if_sampled_out(runner, cases(told=True)["streamed"])
