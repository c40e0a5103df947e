# SPDX-License-Identifier: Apache-2.0
"""strands-agents, whose telemetry is on wherever there is a global tracer provider."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any, Final

import pytest

from tests.frameworks import claims
from tests.frameworks.claims import Case
from tests.frameworks.running import (
    MODEL,
    OURS,
    Program,
    Runner,
    asks_besides,
    attribute,
    client,
    http,
    parent_of,
    scope_of,
)
from tests.support import names as s

SCOPE: Final = "strands.telemetry.tracer"
strands: Any = importlib.import_module("strands")
mistral: Any = importlib.import_module("strands.models.mistral")


def agent_of(url: str, scenario: str | None = None, *, stream: bool = False, **more: Any) -> Any:
    model = mistral.MistralModel(
        api_key="key", model_id=MODEL, stream=stream, client_args=http(url, scenario)
    )
    return strands.Agent(model=model, callback_handler=None, retry_strategy=None, **more)


def sync(scenario: str | None = None, *, stream: bool = False) -> Program:
    return lambda url: str(agent_of(url, scenario, stream=stream)("Hello?"))


def streamed(scenario: str | None = None, *, stream: bool = True) -> Program:
    async def run(url: str) -> Any:
        agent = agent_of(url, scenario, stream=stream)
        return [event["data"] async for event in agent.stream_async("Hello?") if "data" in event]

    return lambda url: asyncio.run(run(url))


CASES: Final = {
    "sync": Case(sync()),
    "sync, streamed": Case(sync(stream=True), streamed=True),
    "async": Case(streamed(stream=False)),
    "async, streamed": Case(streamed(), streamed=True),
    "refused": Case(sync("http_400"), fails=True),
    "refused stream": Case(streamed("http_400"), streamed=True, fails=True),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_its_span_adopts_the_request(runner: Runner, case: Case) -> None:
    ran = claims.adopted(runner, case, SCOPE)
    assert ran.scopes(s.METRIC_DURATION) == {OURS}
    if not case.fails:
        assert ran.scopes(s.METRIC_TOKEN_USAGE) == {OURS}


def converses_in_a_tool(url: str) -> Any:
    """A tool that asks Mistral itself, once in a chat and once in a conversation."""
    answers = http(url, "chat_tool_calls")

    @strands.tool  # type: ignore[untyped-decorator]
    def get_weather(city: str) -> str:
        """Says how the weather is."""
        # From now on the model answers.
        del answers["async_client"].headers["x-emulator-scenario"]
        own = client(url)
        own.chat.complete(model=MODEL, messages=[{"role": "user", "content": city}])
        own.beta.conversations.start(model=MODEL, inputs=city)
        return "rain"

    @strands.tool  # type: ignore[untyped-decorator]
    def get_time(zone: str) -> str:
        """Says what time it is."""
        return f"noon in {zone}"

    model = mistral.MistralModel(api_key="key", model_id=MODEL, stream=False, client_args=answers)
    agent = strands.Agent(model=model, callback_handler=None, tools=[get_weather, get_time])
    return str(agent("Hello?"))


def test_what_a_tool_asks_has_spans_of_its_own(runner: Runner) -> None:
    alone, ran = runner.bare(converses_in_a_tool), runner.with_us(converses_in_a_tool)
    assert ran.result == alone.result
    assert ran.result[0] == "returned"
    assert ran.requests == 4
    assert len(ran.inferences()) == 4
    assert [scope_of(span) for span in ran.inferences()].count(OURS) == 2
    for span in ran.ours():
        around = parent_of(span, ran)
        assert around is not None
        assert attribute(around, s.OPERATION_NAME) == "execute_tool"
    assert ran.counts(s.METRIC_DURATION) == 4
    claims.frameworks_spans_are_kept(alone, ran)


def asks_while_reading(url: str) -> Any:
    async def run() -> Any:
        said = list[Any]()
        async for event in agent_of(url, stream=True).stream_async("Hello?"):
            if "data" in event:
                said.append(event["data"])
                if len(said) == 1:
                    said += await asks_besides(url)
        return said

    return asyncio.run(run())


def test_calls_in_the_loop_that_reads_its_stream_have_spans_and_count(runner: Runner) -> None:
    claims.asked_besides(runner, asks_while_reading)


def test_what_is_sampled_out_is_counted_once_all_the_same(runner: Runner) -> None:
    # The framework records none of the shared metrics, so nothing is doubled.
    claims.counted_if_sampled_out(runner, CASES["async, streamed"])
