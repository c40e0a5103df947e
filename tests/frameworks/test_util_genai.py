# SPDX-License-Identifier: Apache-2.0
"""opentelemetry-util-genai's ``TelemetryHandler``, around calls of the SDK."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any, Final

import pytest
from opentelemetry.trace import get_tracer

from tests.frameworks import claims
from tests.frameworks.running import (
    MODEL,
    OTHER_MODEL,
    OURS,
    Program,
    Ran,
    Runner,
    attribute,
    client,
    parent_of,
    scope_of,
)
from tests.support import names as s

SCOPE: Final = "my.application"
handler: Any = importlib.import_module("opentelemetry.util.genai.handler")
ASKED: Final[Any] = [{"role": "user", "content": "Hello?"}]
EMBEDDED: Final = "mistral-embed"


def inference(**given: Any) -> Any:
    """An inference of the application's, which must be made anew: it keeps its tracer."""
    made = handler.TelemetryHandler(instrumentation_scope_name=SCOPE)
    return made.inference("mistral_ai", **{"request_model": MODEL, **given})


def whole(url: str) -> Any:
    return client(url).chat.complete(model=MODEL, messages=ASKED, temperature=0.5)


def streamed(url: str) -> Any:
    return list(client(url).chat.stream(model=MODEL, messages=ASKED))


async def whole_async(url: str) -> Any:
    return await client(url).chat.complete_async(model=MODEL, messages=ASKED)


async def streamed_async(url: str) -> Any:
    stream = await client(url).chat.stream_async(model=MODEL, messages=ASKED)
    return [event async for event in stream]


def inside(ask: Callable[[str], Any], **given: Any) -> Program:
    def program(url: str) -> Any:
        with inference(**given):
            return ask(url)

    return program


def inside_async(ask: Callable[[str], Any]) -> Program:
    async def run(url: str) -> Any:
        with inference():
            return await ask(url)

    return lambda url: asyncio.run(run(url))


PROGRAMS: Final = {
    "whole": inside(whole),
    "streamed": inside(streamed),
    "whole async": inside_async(whole_async),
    "streamed async": inside_async(streamed_async),
}
EACH: Final = pytest.mark.parametrize("name", PROGRAMS)


def once(ran: Ran, *, requests: int = 1) -> None:
    """Each series was counted once a request, the shared ones by their owner."""
    assert ran.total(s.METRIC_INPUT_TOKENS) == requests * claims.SENT
    assert ran.total(s.METRIC_OUTPUT_TOKENS) == requests * claims.ANSWERED
    assert ran.scopes(s.METRIC_INPUT_TOKENS) == {OURS}
    assert ran.scopes(s.METRIC_TOKEN_USAGE) == ran.scopes(s.METRIC_DURATION) == {SCOPE}
    assert ran.counts(s.METRIC_DURATION) == 1
    assert ran.counts(s.METRIC_TOKEN_USAGE, "input") == 1
    assert ran.total(s.METRIC_TOKEN_USAGE, "input") == claims.SENT
    assert ran.total(s.METRIC_TOKEN_USAGE, "output") == claims.ANSWERED
    assert ran.counts(s.METRIC_FIRST_CHUNK) == 0


@EACH
def test_its_owner_gets_what_the_response_says(runner: Runner, name: str) -> None:
    program = PROGRAMS[name]
    alone, ran = runner.bare(program), runner.with_us(program)
    assert ran.result == alone.result
    assert ran.result[0] == "returned"
    assert ran.ours() == []
    (span,) = ran.spans
    (before,) = alone.spans
    assert (span.name, span.kind, span.status.status_code) == (
        before.name, before.kind, before.status.status_code,
    )  # fmt: skip
    told = dict(span.attributes or {})
    first_chunk = told.pop(s.RESPONSE_TIME_TO_FIRST_CHUNK, None)
    assert (first_chunk is not None) == ("streamed" in name)
    port = told.pop(s.SERVER_PORT)
    assert isinstance(port, int)
    expected: dict[str, Any] = {
        **dict(before.attributes or {}),
        s.SERVER_ADDRESS: "127.0.0.1",
        s.RESPONSE_ID: "cmpl_1",
        s.RESPONSE_MODEL: MODEL,
        s.RESPONSE_FINISH_REASONS: ("stop",),
        s.USAGE_INPUT_TOKENS: claims.SENT,
        s.USAGE_OUTPUT_TOKENS: claims.ANSWERED,
        s.USAGE_TOTAL_TOKENS: claims.SENT + claims.ANSWERED,
    }
    if "streamed" in name:
        expected[s.REQUEST_STREAM] = True
        expected[s.STREAM_OUTCOME] = "completed"
    if name == "whole":
        expected[s.REQUEST_TEMPERATURE] = 0.5
    assert told == expected
    once(ran)


def test_what_its_owner_says_wins(runner: Runner) -> None:
    def program(url: str) -> Any:
        with inference() as invocation:
            invocation.response_id = "mine"
            invocation.input_tokens = 1
            return whole(url)

    ran = runner.with_us(program)
    (span,) = ran.spans
    assert attribute(span, s.RESPONSE_ID) == "mine"
    assert attribute(span, s.USAGE_INPUT_TOKENS) == 1
    assert attribute(span, s.USAGE_OUTPUT_TOKENS) == claims.ANSWERED
    assert ran.total(s.METRIC_INPUT_TOKENS) == claims.SENT


def test_content_is_never_published(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "span_only")
    ran = runner.with_us(inside(whole), capture_content="span_only")
    (span,) = ran.spans
    assert "Hello?" not in repr(dict(span.attributes or {}))


def test_an_error_is_its_owners_to_judge(runner: Runner) -> None:
    def program(url: str) -> Any:
        with inference():
            try:
                return client(url, "http_429").chat.complete(model=MODEL, messages=ASKED)
            except Exception:  # noqa: BLE001 -- the application has an answer of its own
                return "sorry"

    alone, ran = runner.bare(program), runner.with_us(program)
    assert ran.result == alone.result
    (span,) = ran.spans
    assert span.status.status_code.name == "UNSET"
    assert attribute(span, s.ERROR_TYPE) is None
    assert attribute(span, s.ERROR_CODE) == "1300"
    assert ran.counts(s.METRIC_DURATION) == 1
    assert ran.scopes(s.METRIC_DURATION) == {SCOPE}
    assert ran.scopes(s.METRIC_INPUT_TOKENS) == {OURS}


def test_a_second_call_inside_is_told_of_as_the_official_ones_do(runner: Runner) -> None:
    def program(url: str) -> Any:
        with inference():
            return [whole(url), whole(url)]

    ran = runner.with_us(program)
    assert len(ran.spans) == 1
    once(ran, requests=2)


def test_sampled_out_its_owner_counts_all_the_same(runner: Runner) -> None:
    with runner.sampled_out():
        ran = runner.with_us(inside(streamed))
    assert ran.spans == []
    once(ran)


def converses(url: str) -> Any:
    stream = client(url).beta.conversations.start_stream(model=MODEL, inputs="Hello?")
    return [event.event for event in stream]


def moderates(url: str) -> Any:
    return client(url).classifiers.moderate(model="mistral-moderation-latest", inputs=["Hello?"])


def embeds(url: str) -> Any:
    return client(url).embeddings.create(model=EMBEDDED, inputs=["Hello?"])


@pytest.mark.parametrize("ask", [converses, moderates, embeds])
def test_what_is_no_inference_or_a_conversation_has_a_span_of_its_own(
    runner: Runner, ask: Callable[[str], Any]
) -> None:
    program = inside(ask)
    alone, ran = runner.bare(program), runner.with_us(program)
    assert ran.result == alone.result
    (span,) = ran.ours()
    around = parent_of(span, ran)
    assert around is not None
    assert scope_of(around) == SCOPE
    claims.frameworks_spans_are_kept(alone, ran)


def embeds_inside(url: str) -> Any:
    made = handler.TelemetryHandler(instrumentation_scope_name=SCOPE)
    with made.embedding("mistral_ai", request_model=EMBEDDED):
        return embeds(url)


def test_the_owner_of_an_embedding_gets_what_the_response_says(runner: Runner) -> None:
    alone, ran = runner.bare(embeds_inside), runner.with_us(embeds_inside)
    assert ran.result == alone.result
    assert ran.ours() == []
    (span,) = ran.spans
    spent = attribute(span, s.USAGE_INPUT_TOKENS)
    assert spent > 0
    assert attribute(span, s.RESPONSE_MODEL) == EMBEDDED
    assert ran.total(s.METRIC_INPUT_TOKENS) == spent
    assert ran.scopes(s.METRIC_TOKEN_USAGE) == ran.scopes(s.METRIC_DURATION) == {SCOPE}
    assert (ran.counts(s.METRIC_DURATION), ran.total(s.METRIC_TOKEN_USAGE, "input")) == (1, spent)


def chats_in_an_embedding(url: str) -> Any:
    made = handler.TelemetryHandler(instrumentation_scope_name=SCOPE)
    with made.embedding("mistral_ai", request_model=EMBEDDED):
        return whole(url)


def test_a_chat_inside_an_embedding_has_a_span_of_its_own(runner: Runner) -> None:
    assert len(runner.with_us(chats_in_an_embedding).ours()) == 1


@pytest.mark.parametrize("kind", ["workflow", "invoke_local_agent"])
def test_an_agent_or_a_workflow_around_a_call_is_no_inference(runner: Runner, kind: str) -> None:
    def program(url: str) -> Any:
        made = handler.TelemetryHandler(instrumentation_scope_name=SCOPE)
        with getattr(made, kind)():
            return whole(url)

    ran = runner.with_us(program)
    (span,) = ran.ours()
    around = parent_of(span, ran)
    assert around is not None
    assert scope_of(around) == SCOPE
    assert ran.scopes(s.METRIC_TOKEN_USAGE) == {OURS}


def test_after_the_inference_its_context_adopts_nothing(runner: Runner) -> None:
    """A task that was started inside, and goes on when the inference is over."""

    async def run(url: str) -> Any:
        over = asyncio.Event()

        async def later() -> Any:
            await over.wait()
            return await whole_async(url)

        with inference():
            task = asyncio.create_task(later())
        over.set()
        return await task

    program: Program = lambda url: asyncio.run(run(url))  # noqa: E731
    ran = runner.with_us(program)
    (span,) = ran.ours()
    assert attribute(span, s.USAGE_INPUT_TOKENS) == claims.SENT
    assert ran.scopes(s.METRIC_TOKEN_USAGE) == {OURS}


def test_a_framework_that_counts_inside_an_inference_counts_once(runner: Runner) -> None:
    """As pydantic-ai would, beneath an application's own inference."""

    def program(url: str) -> Any:
        attributes = {s.OPERATION_NAME: "chat", s.REQUEST_MODEL: MODEL}
        tracer = get_tracer("pydantic-ai")
        with inference(), tracer.start_as_current_span("chat", attributes=attributes):
            return whole(url)

    ran = runner.with_us(program)
    assert ran.ours() == []
    inner, outer = ran.spans
    assert attribute(inner, s.USAGE_INPUT_TOKENS) == claims.SENT
    assert attribute(outer, s.RESPONSE_ID) == "cmpl_1"
    assert attribute(outer, s.USAGE_INPUT_TOKENS) is None
    # The framework would count them; its owner and we do not.
    assert ran.counts(s.METRIC_TOKEN_USAGE) == 0
    assert ran.scopes(s.METRIC_DURATION) == {SCOPE}
    assert ran.total(s.METRIC_INPUT_TOKENS) == claims.SENT


def test_another_model_than_its_owner_named_is_published_too(runner: Runner) -> None:
    ran = runner.with_us(inside(whole, request_model=OTHER_MODEL))
    (span,) = ran.spans
    assert attribute(span, s.REQUEST_MODEL) == OTHER_MODEL
    assert attribute(span, s.RESPONSE_MODEL) == MODEL
