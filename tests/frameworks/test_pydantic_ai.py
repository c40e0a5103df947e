# SPDX-License-Identifier: Apache-2.0
"""pydantic-ai, with `Agent.instrument_all()` and without."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from typing import Any, Final

import pytest
from opentelemetry.sdk.metrics.view import DropAggregation, View

from emulator import Emulator
from tests.frameworks import claims
from tests.frameworks.claims import Case
from tests.frameworks.running import (
    MODEL,
    OTHER_MODEL,
    OURS,
    Program,
    Providers,
    Ran,
    Runner,
    attribute,
    client,
    http,
    parent_of,
    scope_of,
)
from tests.support import names as s
from tests.support import sdk

SCOPE: Final = "pydantic-ai"
pydantic_ai: Any = importlib.import_module("pydantic_ai")
mistral: Any = importlib.import_module("pydantic_ai.models.mistral")
fallback: Any = importlib.import_module("pydantic_ai.models.fallback")
direct: Any = importlib.import_module("pydantic_ai.direct")
instrumented: Any = importlib.import_module("pydantic_ai.models.instrumented")


@pytest.fixture
def instrument_all(providers: Providers) -> Iterator[None]:
    """The framework's own telemetry."""
    switch_on(providers)
    yield
    pydantic_ai.Agent.instrument_all(instrument=False)


def switch_on(providers: Providers) -> None:
    """Has the framework record all of its agents."""
    settings = pydantic_ai.InstrumentationSettings(
        tracer_provider=providers.tracer_provider, meter_provider=providers.meter_provider
    )
    pydantic_ai.Agent.instrument_all(settings)


def model_of(url: str, scenario: str | None = None, name: str = MODEL) -> Any:
    provider = importlib.import_module("pydantic_ai.providers.mistral").MistralProvider
    return mistral.MistralModel(name, provider=provider(mistral_client=client(url, scenario)))


def agent_of(url: str, scenario: str | None = None) -> Any:
    return pydantic_ai.Agent(model_of(url, scenario))


def sync(url: str) -> Any:
    return agent_of(url).run_sync("Hello?").output


def whole(scenario: str | None = None) -> Program:
    async def run(url: str) -> Any:
        return (await agent_of(url, scenario).run("Hello?")).output

    return lambda url: asyncio.run(run(url))


def streamed(scenario: str | None = None) -> Program:
    async def run(url: str) -> Any:
        async with agent_of(url, scenario).run_stream("Hello?") as stream:
            return [text async for text in stream.stream_text(delta=True, debounce_by=None)]

    return lambda url: asyncio.run(run(url))


async def _events(url: str) -> Any:
    async with agent_of(url).iter("Hello?") as run:
        async for node in run:
            if pydantic_ai.Agent.is_model_request_node(node):
                async with node.stream(run.ctx) as stream:
                    _ = [event async for event in stream]
        return run.result.output


async def _left(url: str) -> Any:
    async with agent_of(url, "chat_long").run_stream("Hello?") as stream:
        async for text in stream.stream_text(delta=True, debounce_by=None):
            return text
    return None


def tools(url: str) -> Any:
    """Two requests: the model asks for two tools, one of which asks Mistral itself; it answers."""
    options = http(url, "chat_tool_calls")
    provider = importlib.import_module("pydantic_ai.providers.mistral").MistralProvider
    made = sdk.Mistral(api_key="key", **options)
    agent = pydantic_ai.Agent(mistral.MistralModel(MODEL, provider=provider(mistral_client=made)))

    @agent.tool_plain  # type: ignore[untyped-decorator]
    def get_weather(city: str) -> str:
        # From now on the model answers.
        del options["async_client"].headers["x-emulator-scenario"]
        asked = [{"role": "user", "content": city}]
        return str(client(url).chat.complete(model=MODEL, messages=asked).choices[0].index)

    @agent.tool_plain  # type: ignore[untyped-decorator]
    def get_time(zone: str) -> str:
        return f"noon in {zone}"

    del get_weather, get_time
    return agent.run_sync("Hello?").output


CASES: Final = {
    "sync": Case(sync),
    "async": Case(whole()),
    "streamed": Case(streamed(), streamed=True),
    "events": Case(lambda url: asyncio.run(_events(url)), streamed=True),
    "refused": Case(whole("http_429"), fails=True),
    "refused stream": Case(streamed("http_429"), streamed=True, fails=True),
}
EACH: Final = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@EACH
@pytest.mark.usefixtures("instrument_all")
def test_its_span_adopts_the_request(runner: Runner, case: Case) -> None:
    ran = claims.adopted(runner, case, SCOPE)
    if not case.fails:
        assert ran.scopes(s.METRIC_TOKEN_USAGE) == {SCOPE}
        assert ran.scopes(s.METRIC_FIRST_CHUNK) == ({SCOPE} if case.streamed else set())


@EACH
def test_without_its_telemetry_the_spans_are_ours(runner: Runner, case: Case) -> None:
    claims.own(runner, case)


@pytest.mark.usefixtures("instrument_all")
def test_recording_inside_it_doubles_as_asked_for(runner: Runner) -> None:
    if "inside_inference" not in _arguments():
        pytest.skip("this version of the plugin has no such option yet")
    ran = runner.with_us(sync, inside_inference="record")
    assert len(ran.ours()) == 1
    assert ran.counts(s.METRIC_TOKEN_USAGE, "input") == 2


def _arguments() -> set[str]:
    import inspect

    from opentelemetry.instrumentation.genai.mistralai import instrument

    return set(inspect.signature(instrument).parameters)


@pytest.mark.usefixtures("instrument_all")
def test_a_stream_that_is_left_is_told_of_as_left(runner: Runner) -> None:
    program: Program = lambda url: asyncio.run(_left(url))  # noqa: E731
    alone, ran = runner.bare(program), runner.with_us(program)
    assert ran.result == alone.result
    assert ran.ours() == []
    claims.frameworks_spans_are_kept(alone, ran)
    assert ran.counts(s.METRIC_FIRST_CHUNK) == 1


def falls_back(first: str | None, *, stream: bool) -> Program:
    """Two models; the first one answers as the scenario says."""

    async def run(url: str) -> Any:
        both = fallback.FallbackModel(model_of(url, first), model_of(url, name=OTHER_MODEL))
        agent = pydantic_ai.Agent(both)
        if not stream:
            return (await agent.run("Hello?")).output
        async with agent.run_stream("Hello?") as answer:
            return [text async for text in answer.stream_text(delta=True, debounce_by=None)]

    return lambda url: asyncio.run(run(url))


@pytest.mark.usefixtures("instrument_all")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("first", ["http_429", None], ids=["falls back", "need not"])
def test_models_of_a_fallback_have_spans_of_their_own(
    runner: Runner, first: str | None, *, stream: bool
) -> None:
    program = falls_back(first, stream=stream)
    alone, ran = runner.bare(program), runner.with_us(program)
    assert ran.result == alone.result
    assert ran.result[0] == "returned"
    claims.frameworks_spans_are_kept(alone, ran)
    models = [attribute(span, s.REQUEST_MODEL) for span in ran.ours()]
    assert models == ([MODEL, OTHER_MODEL] if first else [MODEL])
    assert [span.status.status_code.name for span in ran.ours()] == ["ERROR", "UNSET"][
        -len(models) :
    ]
    for span in ran.ours():
        around = parent_of(span, ran)
        assert around is not None
        assert (scope_of(around), around.name.split()[0]) == (SCOPE, "chat")
    # The framework counts the answer, so we do not.
    assert (ran.scopes(s.METRIC_TOKEN_USAGE), ran.counts(s.METRIC_TOKEN_USAGE, "input")) == (
        {SCOPE},
        1,
    )
    assert ran.counts(s.METRIC_FIRST_CHUNK) == int(stream)
    assert ran.total(s.METRIC_INPUT_TOKENS) == claims.SENT


def asks_while_reading(model: str) -> Program:
    """The user's own call in the loop that reads the framework's stream."""

    async def run(url: str) -> Any:
        own = client(url)
        async with agent_of(url).run_stream("Hello?") as stream:
            said: list[Any] = []
            async for text in stream.stream_text(delta=True, debounce_by=None):
                said.append(text)
                if len(said) == 1:
                    asked = [{"role": "user", "content": "Mine?"}]
                    answer = await own.chat.complete_async(model=model, messages=asked)
                    said.append(answer.choices[0].message.content)
            return said

    return lambda url: asyncio.run(run(url))


@pytest.mark.usefixtures("instrument_all")
@pytest.mark.parametrize("model", [MODEL, OTHER_MODEL])
def test_a_call_in_the_loop_that_reads_its_stream_has_a_span_and_counts(
    runner: Runner, model: str
) -> None:
    program = asks_while_reading(model)
    alone, ran = runner.bare(program), runner.with_us(program)
    assert ran.result == alone.result
    (span,) = ran.ours()
    assert attribute(span, s.REQUEST_MODEL) == model
    assert len(ran.inferences()) == ran.requests == 2
    assert ran.counts(s.METRIC_TOKEN_USAGE, "input") == 2
    assert ran.scopes(s.METRIC_TOKEN_USAGE) == {SCOPE, OURS}
    assert ran.total(s.METRIC_INPUT_TOKENS) == 2 * claims.SENT
    claims.frameworks_spans_are_kept(alone, ran)


@pytest.mark.usefixtures("instrument_all")
def test_what_a_tool_asks_has_a_span_of_its_own(runner: Runner) -> None:
    alone, ran = runner.bare(tools), runner.with_us(tools)
    assert ran.result == alone.result
    assert ran.result[0] == "returned"
    (span,) = ran.ours()
    around = parent_of(span, ran)
    assert around is not None
    assert attribute(around, s.OPERATION_NAME) == "execute_tool"
    assert ran.requests == len(ran.inferences()) == 3
    assert ran.counts(s.METRIC_TOKEN_USAGE, "input") == 3
    assert ran.total(s.METRIC_TOKEN_USAGE, "input") == ran.total(s.METRIC_INPUT_TOKENS)
    claims.frameworks_spans_are_kept(alone, ran)


def converses(url: str) -> Any:
    """A model of the user's, beneath the framework's span, that holds a conversation first."""
    model = model_of(url)
    request = model.request

    async def converse(*args: Any, **kwargs: Any) -> Any:
        stream = await client(url).beta.conversations.start_stream_async(
            model=MODEL, inputs="Hello?"
        )
        _ = [event async for event in stream]
        return await request(*args, **kwargs)

    model.request = converse
    return pydantic_ai.Agent(model).run_sync("Hello?").output


@pytest.mark.usefixtures("instrument_all")
def test_a_conversation_inside_its_span_keeps_its_own(runner: Runner) -> None:
    alone, ran = runner.bare(converses), runner.with_us(converses)
    assert ran.result == alone.result
    (span,) = ran.ours()
    assert attribute(span, s.STREAM_OUTCOME) == "completed"
    assert attribute(span, s.RESPONSE_CREATED_AT) is not None
    around = parent_of(span, ran)
    assert around is not None
    assert scope_of(around) == SCOPE
    # And the request that the framework makes after it is adopted all the same.
    assert attribute(around, s.USAGE_TOTAL_TOKENS) == claims.SENT + claims.ANSWERED
    assert ran.counts(s.METRIC_TOKEN_USAGE, "input") == 2


def on_its_own(url: str) -> Any:
    """A request without an agent."""
    request = importlib.import_module("pydantic_ai.messages").ModelRequest
    asked = [request.user_text_prompt("Hello?")]
    return direct.model_request_sync(model_of(url), asked, instrument=True).parts


def test_a_request_without_an_agent_is_adopted(runner: Runner) -> None:
    claims.adopted(runner, Case(on_its_own), SCOPE)


@pytest.mark.usefixtures("instrument_all")
@pytest.mark.parametrize("case", [CASES["sync"], CASES["streamed"]], ids=["whole", "streamed"])
def test_what_is_sampled_out_cannot_be_recognised(runner: Runner, case: Case) -> None:
    with runner.sampled_out():
        _, ran = claims.caller_sees_no_difference(runner, case)
    assert ran.spans == []
    assert (ran.total(s.METRIC_INPUT_TOKENS), ran.counts(s.METRIC_TOKEN_USAGE, "input")) == (
        claims.SENT,
        2,
    )
    assert ran.scopes(s.METRIC_TOKEN_USAGE) == {SCOPE, OURS}


@pytest.mark.parametrize("sampled", [True, False], ids=["sampled", "sampled out"])
@pytest.mark.parametrize("case", [CASES["sync"], CASES["streamed"]], ids=["whole", "streamed"])
def test_a_view_counts_the_sampled_out_once(
    emulator: Emulator, case: Case, *, sampled: bool
) -> None:
    drop = DropAggregation()
    # Those of docs/frameworks.md.
    views = [
        View(meter_name=OURS, instrument_name=name, aggregation=drop)
        for name in (s.METRIC_TOKEN_USAGE, s.METRIC_FIRST_CHUNK)
    ]
    providers = Providers(views)
    runner = Runner(emulator, providers)
    switch_on(providers)
    try:
        ran = _run(runner, case.program, sampled=sampled)
    finally:
        pydantic_ai.Agent.instrument_all(instrument=False)
    assert (ran.scopes(s.METRIC_TOKEN_USAGE), ran.counts(s.METRIC_TOKEN_USAGE, "input")) == (
        {SCOPE},
        1,
    )
    assert ran.counts(s.METRIC_FIRST_CHUNK) == int(case.streamed)
    assert ran.total(s.METRIC_INPUT_TOKENS) == claims.SENT


def _run(runner: Runner, program: Program, *, sampled: bool) -> Ran:
    if sampled:
        return runner.with_us(program)
    with runner.sampled_out():
        return runner.with_us(program)
