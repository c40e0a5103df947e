# SPDX-License-Identifier: Apache-2.0
"""Calls that the caller makes while another one of the same client is being made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from emulator import Emulator
from tests.end_to_end.recording import Recording
from tests.end_to_end.sdk import Mistral

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


def assert_both_recorded(recording: Recording) -> None:
    spans = {span.name: span for span in recording.spans()}
    assert sorted(spans) == ["chat inner", "chat outer"]
    outer, inner = spans["chat outer"].context, spans["chat inner"].parent
    assert (outer and outer.span_id) == (inner and inner.span_id)
    counted = recording.metrics()["gen_ai.client.inference.usage.input_tokens"]
    assert {point["gen_ai.request.model"] for point, sent in counted if sent} == {"outer", "inner"}


@BOTH
def test_a_call_of_the_same_object_inside_a_call_has_a_span_of_its_own(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    made: list[Any] = []
    key = names_its_key_by(lambda: made[0].chat.complete(**INNER))
    with Mistral(api_key=key, server_url=emulator.url) as client:
        made.append(client)
        if streamed:
            list(client.chat.stream(**OUTER))
        else:
            client.chat.complete(**OUTER)
    assert_both_recorded(recording)


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
    assert_both_recorded(recording)


def test_the_same_question_to_another_client_inside_a_call_has_a_span_of_its_own(
    emulator: Emulator, recording: Recording
) -> None:
    with Mistral(api_key="key", server_url=emulator.url) as other:
        key = names_its_key_by(lambda: other.chat.complete(**OUTER))
        with Mistral(api_key=key, server_url=emulator.url) as client:
            client.chat.complete(**OUTER)
    assert [span.name for span in recording.spans()] == ["chat outer"] * 2


def test_the_very_same_question_inside_a_call_is_asked_and_recorded_twice(
    emulator: Emulator, recording: Recording
) -> None:
    made: list[Any] = []
    key = names_its_key_by(lambda: made[0].chat.complete(**OUTER))
    with Mistral(api_key=key, server_url=emulator.url) as client:
        made.append(client)
        client.chat.complete(**OUTER)
    assert [span.name for span in recording.spans()] == ["chat outer"] * 2


def test_the_same_question_to_another_method_inside_a_call_has_a_span_of_its_own(
    emulator: Emulator, recording: Recording
) -> None:
    made: list[Any] = []
    key = names_its_key_by(lambda: list(made[0].chat.stream(**OUTER)))
    with Mistral(api_key=key, server_url=emulator.url) as client:
        made.append(client)
        client.chat.complete(**OUTER)
    streamed = [(span.attributes or {}).get("gen_ai.request.stream") for span in recording.spans()]
    assert streamed == [True, None]


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
    assert_both_recorded(recording)
