# SPDX-License-Identifier: Apache-2.0
"""llama-index-llms-mistralai, which has no OpenTelemetry of its own."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any, Final

import pytest

from tests.frameworks import claims
from tests.frameworks.claims import Case
from tests.frameworks.running import MODEL, Program, Runner, client

llms: Any = importlib.import_module("llama_index.llms.mistralai")
core: Any = importlib.import_module("llama_index.core.llms")


def asked(url: str, scenario: str | None = None) -> tuple[Any, list[Any]]:
    llm = llms.MistralAI(model=MODEL, api_key="key", endpoint=url, max_retries=0)
    llm._client = client(url, scenario)  # noqa: SLF001 -- it takes none
    return llm, [core.ChatMessage(role="user", content="Hello?")]


def whole(scenario: str | None = None) -> Program:
    def run(url: str) -> Any:
        llm, messages = asked(url, scenario)
        return llm.chat(messages).message.content

    return run


def streamed(url: str) -> Any:
    llm, messages = asked(url)
    return [piece.delta for piece in llm.stream_chat(messages)]


async def whole_async(url: str) -> Any:
    llm, messages = asked(url)
    return (await llm.achat(messages)).message.content


async def streamed_async(url: str) -> Any:
    llm, messages = asked(url)
    return [piece.delta async for piece in await llm.astream_chat(messages)]


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
