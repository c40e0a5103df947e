# SPDX-License-Identifier: Apache-2.0
"""Turns of a conversation: each is linked to the one before it, if that ran in this process."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from emulator import Emulator
from opentelemetry.instrumentation.genai import mistralai as plugin
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from opentelemetry.instrumentation.genai.mistralai._otel.surroundings import LastTurns
from tests.support.conversations import ask_async, ask_sync, read_async, read_sync, with_defaults
from tests.support.programs import run as run_program
from tests.support.recording import Recording

Turn = Callable[..., str]
MODULES = ("_otel.client_span", "_sdk.calls")


@pytest.fixture(autouse=True)
def turns(monkeypatch: pytest.MonkeyPatch) -> LastTurns:
    """A memory of turns that no other test has written into."""
    made = LastTurns()
    for name in MODULES:
        monkeypatch.setattr(f"{plugin.__name__}.{name}.last_turns", made)
    return made


def turn(kind: str, client: Any, method: str = "start", **arguments: Any) -> str:
    """Takes a turn in one of four ways; returns the conversation's id."""
    if method == "restart":
        arguments["from_entry_id"] = "e1"
    if kind.endswith("stream"):
        read = read_sync if kind == "sync stream" else read_async
        events = read(client, "agent", f"{method}_stream", **arguments)
        return str(events[0].data.conversation_id)
    ask = ask_sync if kind == "sync" else ask_async
    return str(ask(client, "agent", method, **arguments).conversation_id)


KINDS = ["sync", "async", "sync stream", "async stream"]


def links(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


# No link


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["append", "restart"])
def test_a_turn_after_one_of_another_process_has_no_link(
    emulator: Emulator, client: Any, recording: Recording, kind: str, method: str
) -> None:
    ran = run_program("emit(next(start()).data.conversation_id)", emulator.url)
    (conversation_id,) = ran.said()
    turn(kind, client, method, conversation_id=conversation_id)
    assert links(recording.the_span()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_turn_after_one_that_was_not_sampled_has_no_link_and_keeps_no_context(
    client: Any, recording: Recording, turns: LastTurns, kind: str
) -> None:
    instrument(tracer_provider=TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    first = turn(kind, client, agent_id="ag_1")
    assert turns.last(first) == ("invoke_agent", None)
    instrument(tracer_provider=recording.tracer_provider)
    turn(kind, client, "append", conversation_id=first)
    assert links(recording.the_span()) == []
    assert recording.the_span().name == "invoke_agent"


def test_a_turn_after_one_of_which_only_metrics_were_recorded_has_no_link(
    client: Any, turns: LastTurns
) -> None:
    made = Recording()
    instrument(meter_provider=made.meter_provider)
    try:
        first = turn("sync", client)
    finally:
        uninstrument()
    assert turns.last(first) == ("chat", None)


def test_after_1024_other_conversations_a_turn_has_no_link(
    client: Any, recording: Recording, turns: LastTurns
) -> None:
    forgotten, kept = turn("sync", client), turn("sync", client)
    for n in range(1023):
        turns.remember(f"conv_{n}", "chat", None)
    turn("sync", client, "append", conversation_id=kept)
    turn("sync", client, "append", conversation_id=forgotten)
    _, second, third, fourth = recording.spans()
    assert (links(third), links(fourth)) == ([id_of(second)], [])


def test_a_turn_that_is_still_running_is_not_the_turn_before(
    client: Any, recording: Recording
) -> None:
    stream = client.beta.conversations.start_stream(**with_defaults("agent", {}))
    first = next(stream).data.conversation_id
    turn("sync", client, "append", conversation_id=first)
    assert links(recording.finished()[0]) == []
    list(stream)


# One link


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_each_turn_links_to_the_one_before_it_whether_they_stream_or_not(
    client: Any, recording: Recording, before: str, after: str
) -> None:
    first = turn(before, client)
    turn(after, client, "append", conversation_id=first)
    turn(before, client, "append", conversation_id=first)
    again = turn(after, client, "restart", conversation_id=first)
    turn(before, client, "append", conversation_id=again)
    turn(after, client, "append", conversation_id=first)
    spans = recording.spans()
    ids = [id_of(span) for span in spans]
    # The restart left the conversation that it restarted as it was.
    expected: list[list[int]] = [[], [ids[0]], [ids[1]], [ids[2]], [ids[3]], [ids[2]]]
    assert [links(span) for span in spans] == expected
    for span in spans[1:]:
        (link,) = span.links
        assert link.context.is_valid
        assert dict(link.attributes or {}) == {}
        assert span.parent is None


def test_a_turn_that_was_left_early_or_failed_halfway_is_the_turn_before(
    client: Any, recording: Recording
) -> None:
    with client.beta.conversations.start_stream(**with_defaults("agent", {})) as stream:
        known = {"conversation_id": next(stream).data.conversation_id}
    read_sync(client, "error_event", "append_stream", **known)
    turn("sync", client, "append", **known)
    first, second, third = recording.spans()
    assert [links(span) for span in (first, second, third)] == [[], [id_of(first)], [id_of(second)]]


def test_two_appends_that_race_link_to_the_same_turn_before(
    client: Any, recording: Recording
) -> None:
    known = {"conversation_id": turn("sync", client)}
    together = Barrier(2)

    def append(_: int) -> None:
        arguments = with_defaults("agent", known)
        stream = client.beta.conversations.append_stream(**arguments)
        together.wait(timeout=5)
        list(stream)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(append, range(2)))
    first, *racing = recording.spans()
    assert [links(span) for span in racing] == [[id_of(first)]] * 2
    turn("sync", client, "append", **known)
    # Which of the two is remembered last need not be the one whose span ended last.
    assert links(recording.spans()[-1]) in [[id_of(span)] for span in racing]


# What is kept


class _Watching(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[weakref.ref[Any]] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 -- interface
        self.spans.append(weakref.ref(span))


@pytest.fixture
def watching() -> Iterator[_Watching]:
    provider, processor = TracerProvider(shutdown_on_exit=False), _Watching()
    provider.add_span_processor(processor)
    instrument(tracer_provider=provider)
    yield processor
    uninstrument()


@pytest.mark.parametrize("kind", KINDS)
def test_the_memory_of_turns_keeps_no_span(
    client: Any, watching: _Watching, turns: LastTurns, kind: str
) -> None:
    first = turn(kind, client)
    turn(kind, client, "append", conversation_id=first)
    assert turns.last(first)[1] is not None
    gc.collect()
    assert [span() for span in watching.spans] == [None, None]
