# SPDX-License-Identifier: Apache-2.0
"""semantic-kernel on mistralai 1.12, with its model diagnostics and without.

Its Mistral streaming yields nothing, with or without us: it waits for an async generator, and the
SDK's stream is none. With diagnostics on it then raises an IndexError. So a stream of ours is put
under its decorator, whose span is current in the loop that reads it.
"""

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
    parent_of,
    scope_of,
)
from tests.support import names as s

SCOPE: Final = "semantic_kernel.utils.telemetry.model_diagnostics.decorators"
decorators: Any = importlib.import_module(SCOPE)
mistral_ai: Any = importlib.import_module("semantic_kernel.connectors.ai.mistral_ai")
contents: Any = importlib.import_module("semantic_kernel.contents")


@pytest.fixture
def diagnostics(monkeypatch: pytest.MonkeyPatch) -> None:
    """As SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS=true does, read at import."""
    monkeypatch.setattr(decorators.MODEL_DIAGNOSTICS_SETTINGS, "enable_otel_diagnostics", True)


def asked(url: str, scenario: str | None) -> tuple[Any, Any, Any]:
    service = mistral_ai.MistralAIChatCompletion(
        ai_model_id=MODEL, api_key="key", async_client=client(url, scenario)
    )
    history = contents.ChatHistory()
    history.add_user_message("Hello?")
    return service, history, mistral_ai.MistralAIChatPromptExecutionSettings()


def whole(scenario: str | None = None) -> Program:
    async def run(url: str) -> Any:
        service, history, settings = asked(url, scenario)
        return str(await service.get_chat_message_content(history, settings))

    return lambda url: asyncio.run(run(url))


def streamed(scenario: str | None = None) -> Program:
    async def run(url: str) -> Any:
        service, history, settings = asked(url, scenario)
        stream = service.get_streaming_chat_message_contents(history, settings)
        return [str(piece[0]) async for piece in stream]

    return lambda url: asyncio.run(run(url))


CASES: Final = {
    "whole": Case(whole()),
    "refused": Case(whole("http_400"), fails=True),
    "refused stream": Case(streamed("http_400"), streamed=True, fails=True),
}
EACH: Final = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@EACH
@pytest.mark.usefixtures("diagnostics")
def test_its_span_adopts_the_request(runner: Runner, case: Case) -> None:
    ran = claims.adopted(runner, case, SCOPE)
    assert ran.scopes(s.METRIC_DURATION) == {OURS}
    if not case.fails:
        assert ran.scopes(s.METRIC_TOKEN_USAGE) == {OURS}
        (span,) = ran.inferences()
        # Alone it has none of a stream.
        assert attribute(span, s.USAGE_INPUT_TOKENS) == claims.SENT


@EACH
def test_without_its_telemetry_the_spans_are_ours(runner: Runner, case: Case) -> None:
    claims.own(runner, case)


@pytest.mark.parametrize("on", [True, False], ids=["diagnosed", "not diagnosed"])
def test_a_stream_that_it_drops_is_abandoned(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, *, on: bool
) -> None:
    monkeypatch.setattr(decorators.MODEL_DIAGNOSTICS_SETTINGS, "enable_otel_diagnostics", on)
    alone, ran = runner.bare(streamed()), runner.with_us(streamed())
    assert ran.result == alone.result
    assert ran.result[0] == ("raised" if on else "returned")
    (span,) = ran.inferences()
    assert scope_of(span) == (SCOPE if on else OURS)
    # What is dropped is ended a little later, when the framework's span may have ended.
    outcome = attribute(span, s.STREAM_OUTCOME)
    assert outcome == "abandoned" or (on and outcome is None)
    assert ran.counts(s.METRIC_DURATION) == 1
    claims.frameworks_spans_are_kept(alone, ran)


async def pieces(service: Any, *_: Any) -> Any:
    """What its streaming does where it works."""
    asks = [{"role": "user", "content": "Hello?"}]
    async for event in await service.async_client.chat.stream_async(model=MODEL, messages=asks):
        yield [
            service._create_streaming_chat_message_content(event.data, choice, {}, 0)  # noqa: SLF001 -- theirs
            for choice in event.data.choices
        ]


def asks_in_the_loop(url: str) -> Any:
    """Calls of the user's in the loop over a stream, where the framework's span is current."""

    async def run() -> Any:
        service, history, settings = asked(url, None)
        said: list[Any] = []
        decorated = decorators.trace_streaming_chat_completion("mistralai")(pieces)
        async for piece in decorated(service, history, settings):
            said.append(str(piece[0]))
            if len(said) == 2:
                said += await asks_besides(url)
        return said

    return asyncio.run(run())


@pytest.mark.usefixtures("diagnostics")
def test_calls_in_the_loop_that_reads_its_stream_have_spans_of_their_own(runner: Runner) -> None:
    ran = claims.asked_besides(runner, asks_in_the_loop)
    (theirs,) = ran.of(SCOPE)
    assert attribute(theirs, s.STREAM_OUTCOME) == "completed"
    assert attribute(theirs, s.USAGE_INPUT_TOKENS) == claims.SENT
    for span in ran.ours():
        around = parent_of(span, ran)
        assert around is not None
        assert scope_of(around) == SCOPE


@pytest.mark.usefixtures("diagnostics")
def test_what_is_sampled_out_is_counted_once_all_the_same(runner: Runner) -> None:
    claims.counted_if_sampled_out(runner, CASES["whole"])
