# SPDX-License-Identifier: Apache-2.0
"""The application's conversation, on calls of which the API knows none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final

import pytest
from opentelemetry import baggage, context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import names as s
from tests.support import sdk
from tests.support.conversations import Run
from tests.support.recording import Recording

UTIL: Final = "opentelemetry.util.genai._conversation_context"
HELLO: Final[Any] = [{"role": "user", "content": "Hello?"}]
CALLS: Final[dict[str, Callable[[Any], Any]]] = {
    "chat": lambda client: client.chat.complete(model="m", messages=HELLO),
    "chat, streamed": lambda client: list(client.chat.stream(model="m", messages=HELLO)),
    "agents": lambda client: client.agents.complete(agent_id="ag_1", messages=HELLO),
    "fim": lambda client: client.fim.complete(model="m", prompt="def"),
    "embeddings": lambda client: client.embeddings.create(model="m", inputs=["Hello"]),
    "classifiers": lambda client: client.classifiers.moderate(model="m", inputs="Hello"),
}


@pytest.fixture
def within() -> Iterator[Callable[[Context], None]]:
    """Makes a context current for the rest of a test."""
    tokens: list[Any] = []
    yield lambda entered: tokens.append(context.attach(entered))
    for token in reversed(tokens):
        context.detach(token)


@pytest.fixture
def util_key(monkeypatch: pytest.MonkeyPatch) -> str:
    """The key of opentelemetry-util-genai, which it makes anew in each process."""
    key = context.create_key("opentelemetry.util.genai.conversation_id")
    module: Any = ModuleType(UTIL)
    module.CONVERSATION_ID_KEY = key
    monkeypatch.setitem(sys.modules, UTIL, module)
    return key


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_baggage_names_the_conversation(
    client: Any, recording: Recording, within: Any, call: Callable[[Any], Any]
) -> None:
    within(baggage.set_baggage(s.CONVERSATION_ID, "app_1"))
    call(client)
    assert recording.span().attributes[s.CONVERSATION_ID] == "app_1"
    assert "app_1" not in str(recording.metrics())


def test_nothing_is_made_up(client: Any, recording: Recording, within: Any) -> None:
    within(baggage.set_baggage("user.id", "alice"))
    CALLS["chat"](client)
    assert s.CONVERSATION_ID not in recording.span().attributes


def test_an_invocation_of_util_genai_names_it_before_baggage_does(
    client: Any, recording: Recording, within: Any, util_key: str
) -> None:
    within(baggage.set_baggage(s.CONVERSATION_ID, "app_1"))
    CALLS["chat"](client)
    within(context.set_value(util_key, "invocation_1"))
    CALLS["chat"](client)
    told = [(span.attributes or {})[s.CONVERSATION_ID] for span in recording.spans()]
    assert told == ["app_1", "invocation_1"]


@pytest.mark.parametrize("unusable", [None, "", 7, object(), ["app_1"]])
def test_what_is_no_text_is_no_conversation(
    client: Any, recording: Recording, within: Any, util_key: str, unusable: object
) -> None:
    within(baggage.set_baggage(s.CONVERSATION_ID, unusable))
    within(context.set_value(util_key, unusable))
    CALLS["chat"](client)
    assert s.CONVERSATION_ID not in recording.span().attributes


def test_a_long_one_is_cut(client: Any, recording: Recording, within: Any) -> None:
    within(baggage.set_baggage(s.CONVERSATION_ID, "c" * 300))
    CALLS["chat"](client)
    assert recording.span().attributes[s.CONVERSATION_ID] == "c" * 255 + "…"


class _Seeing(Sampler):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        attributes = kwargs.get("attributes", args[4] if len(args) > 4 else None)
        self.seen.append(dict(attributes or {}))
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

    def get_description(self) -> str:
        return "seeing"


def test_samplers_see_it(client: Any, within: Any) -> None:
    sampler = _Seeing()
    instrument(tracer_provider=TracerProvider(sampler=sampler))
    try:
        within(baggage.set_baggage(s.CONVERSATION_ID, "app_1"))
        CALLS["chat"](client)
    finally:
        uninstrument()
    assert [attributes[s.CONVERSATION_ID] for attributes in sampler.seen] == ["app_1"]


def test_a_conversation_of_the_api_has_its_own(
    client: Any, run: Run, recording: Recording, within: Any, util_key: str
) -> None:
    within(baggage.set_baggage(s.CONVERSATION_ID, "app_1"))
    within(context.set_value(util_key, "invocation_1"))
    (started, *_) = run(client, "agent")
    own = started.data.conversation_id
    run(client, "agent", "append_stream", conversation_id=own)
    (*_, restarted) = run(client, "agent", "restart_stream", conversation_id=own,
                          from_entry_id="e1")  # fmt: skip
    del restarted
    told = [(span.attributes or {})[s.CONVERSATION_ID] for span in recording.spans()]
    assert told[:2] == [own, own]
    assert not {"app_1", "invocation_1"} & set(told)


def test_a_conversation_that_failed_at_once_has_none(
    client: Any, recording: Recording, within: Any
) -> None:
    within(baggage.set_baggage(s.CONVERSATION_ID, "app_1"))
    with pytest.raises(Exception):  # noqa: B017, PT011 -- which one differs by line
        client.beta.conversations.start(
            model="m", inputs="?", server_url="http://127.0.0.1:9", retries=sdk.retries()
        )
    assert s.CONVERSATION_ID not in recording.span().attributes
