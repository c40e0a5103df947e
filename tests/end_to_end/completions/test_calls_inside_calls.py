# SPDX-License-Identifier: Apache-2.0
"""Calls that the caller makes while another one of the same client is being made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from emulator import Emulator
from tests.support import names as s
from tests.support.recording import Recording
from tests.support.sdk import Mistral

MESSAGES = [{"role": "user", "content": "Hello?"}]
OUTER, INNER = {"model": "outer", "messages": MESSAGES}, {"model": "inner", "messages": MESSAGES}
BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["complete", "stream"])


def names_its_key_by(ask: Callable[[], object]) -> Callable[[], str]:
    """A function that is asked for the key while a request is made, and asks something itself."""
    asked: list[object] = []

    def key() -> str:
        if not asked:
            asked.append(None)
            asked.append(ask())
        return "key"

    return key


def models(recording: Recording) -> list[str]:
    """Whom the spans asked, each with its tokens counted; all but the outer one are inside it."""
    spans = {str((span.attributes or {})[s.REQUEST_MODEL]): span for span in recording.spans()}
    outer = spans["outer"].context
    inside = [span.parent for model, span in spans.items() if model != "outer"]
    assert [parent and parent.span_id for parent in inside] == [outer and outer.span_id] * len(
        inside
    )
    counted = recording.metrics()[s.METRIC_INPUT_TOKENS]
    assert {point[s.REQUEST_MODEL] for point, sent in counted if sent} == spans.keys()
    return [str((span.attributes or {})[s.REQUEST_MODEL]) for span in recording.spans()]


# What is asked inside ``chat.complete(**OUTER)``, and whom the spans asked, as they ended.
INSIDE: dict[str, tuple[Callable[[Any], object], list[str]]] = {
    "another question": (lambda client: client.chat.complete(**INNER), ["inner", "outer"]),
    "the very same": (lambda client: client.chat.complete(**OUTER), ["outer", "outer"]),
    "another method": (lambda client: list(client.chat.stream(**OUTER)), ["outer", "outer"]),
}


@BOTH
@pytest.mark.parametrize("name", INSIDE)
def test_a_call_of_the_same_object_inside_a_call_has_a_span_of_its_own(
    emulator: Emulator, recording: Recording, name: str, *, streamed: bool
) -> None:
    ask, asked = INSIDE[name]
    made: list[Any] = []
    with Mistral(api_key=names_its_key_by(lambda: ask(made[0])), server_url=emulator.url) as client:
        made.append(client)
        if streamed:
            list(client.chat.stream(**OUTER))
        else:
            client.chat.complete(**OUTER)
    assert models(recording) == asked


def test_a_call_inside_the_async_twin_has_a_span_of_its_own(
    emulator: Emulator, recording: Recording
) -> None:
    async def ask() -> None:
        made: list[Any] = []
        key = names_its_key_by(lambda: made[0].chat.complete(**INNER))
        async with Mistral(api_key=key, server_url=emulator.url) as client:
            made.append(client)
            await client.chat.complete_async(**OUTER)

    asyncio.run(ask())
    assert models(recording) == ["inner", "outer"]


def test_the_same_question_to_another_client_inside_a_call_has_a_span_of_its_own(
    emulator: Emulator, recording: Recording
) -> None:
    with Mistral(api_key="key", server_url=emulator.url) as other:
        key = names_its_key_by(lambda: other.chat.complete(**OUTER))
        with Mistral(api_key=key, server_url=emulator.url) as client:
            client.chat.complete(**OUTER)
    assert models(recording) == ["outer", "outer"]


@BOTH
def test_a_task_that_is_started_inside_a_call_has_a_span_of_its_own(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    async def ask() -> None:
        made: list[Any] = []
        tasks: list[asyncio.Task[object]] = []

        def in_background() -> None:
            tasks.append(asyncio.create_task(made[0].chat.complete_async(**INNER)))

        key = names_its_key_by(in_background)
        async with Mistral(api_key=key, server_url=emulator.url) as client:
            made.append(client)
            if streamed:
                async for _ in await client.chat.stream_async(**OUTER):
                    pass
            else:
                await client.chat.complete_async(**OUTER)
            await asyncio.gather(*tasks)

    asyncio.run(ask())
    assert sorted(models(recording)) == ["inner", "outer"]
