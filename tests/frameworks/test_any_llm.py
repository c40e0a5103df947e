# SPDX-License-Identifier: Apache-2.0
"""any-llm, which has no telemetry of its own."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any, Final

import pytest

from tests.frameworks import claims
from tests.frameworks.claims import Case
from tests.frameworks.running import MODEL, Program, Runner, http
from tests.support import names as s

any_llm: Any = importlib.import_module("any_llm")
EMBEDDED: Final = "mistral-embed"
# Of the emulator, for one input.
EMBEDDED_TOKENS: Final = 12


def arguments(url: str, scenario: str | None = None) -> dict[str, Any]:
    options = http(url, scenario)
    del options["server_url"]
    return {
        "provider": "mistral",
        "api_key": "key",
        "api_base": url,
        "client_args": options,
    }


def asked(url: str, scenario: str | None = None) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Hello?"}]
    return {"model": MODEL, "messages": messages, **arguments(url, scenario)}


def whole(scenario: str | None = None) -> Program:
    return lambda url: any_llm.completion(**asked(url, scenario)).choices[0].message.content


def streamed(url: str) -> Any:
    chunks = any_llm.completion(**asked(url), stream=True)
    return [chunk.choices[0].delta.content for chunk in chunks]


async def whole_async(url: str) -> Any:
    return (await any_llm.acompletion(**asked(url))).choices[0].message.content


async def streamed_async(url: str) -> Any:
    chunks = await any_llm.acompletion(**asked(url), stream=True)
    return [chunk.choices[0].delta.content async for chunk in chunks]


def embeds(url: str) -> Any:
    return any_llm.embedding(model=EMBEDDED, inputs=["Hello?"], **arguments(url)).data


CASES: Final = {
    "whole": Case(whole()),
    "streamed": Case(streamed, streamed=True),
    "whole async": Case(lambda url: asyncio.run(whole_async(url))),
    "streamed async": Case(lambda url: asyncio.run(streamed_async(url)), streamed=True),
    "refused": Case(whole("http_400"), fails=True),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_spans_are_ours_and_each_series_is_counted_once(runner: Runner, case: Case) -> None:
    ran = claims.own(runner, case)
    assert len(ran.spans) == ran.requests


def test_embeddings_are_counted_once(runner: Runner) -> None:
    _, ran = claims.caller_sees_no_difference(runner, Case(embeds))
    (span,) = ran.spans
    assert span.name == f"embeddings {EMBEDDED}"
    assert ran.total(s.METRIC_TOKEN_USAGE, "input") == EMBEDDED_TOKENS
