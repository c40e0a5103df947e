# SPDX-License-Identifier: Apache-2.0
"""What a server, or a program, names without end: cut on spans, bounded on metrics, not kept."""

from __future__ import annotations

import gc
import logging
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any, Final

import pytest

from opentelemetry.instrumentation.genai.mistralai._otel.metric_names import ALL, KnownNames
from opentelemetry.instrumentation.genai.mistralai._otel.surroundings import last_turns
from opentelemetry.instrumentation.genai.mistralai._reading.clock import read_time
from opentelemetry.instrumentation.genai.mistralai._reading.errors import failure_of
from tests.support import names as s
from tests.support import sdk
from tests.support.fake_events import (
    delta,
    done,
    handoff_done,
    handoff_started,
    rejected,
    started,
    tool_done,
    tool_started,
)
from tests.support.fakes import Story
from tests.support.raw_server import CHAT, RawServer, raw_server
from tests.support.recording import Recording

LONG: Final = "n" * 2_000_000
CUT: Final = "n" * 255 + "…"
TUNED: Final = "ft:open-mistral-7b:587a6b29:20240514:7e6b5b1c"
CONVERSATION: Final[dict[str, Any]] = {
    "object": "conversation.response",
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    "outputs": [],
}


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    """One server for all."""
    with raw_server() as running:
        yield running


@pytest.fixture
def client(server: RawServer) -> Iterator[Any]:
    """A client of it; it answers 200 again."""
    server.status = 200
    with sdk.Mistral(api_key="key", server_url=server.url) as made:
        yield made


def ask(client: Any, model: str = "m") -> None:
    client.chat.complete(model=model, messages=[{"role": "user", "content": "?"}])


# Spans


def test_what_a_server_names_is_cut_on_spans(
    server: RawServer, client: Any, recording: Recording
) -> None:
    choice = {"index": 0, "finish_reason": LONG, "message": {"role": "assistant", "content": ""}}
    server.answer = {**CHAT, "id": LONG, "model": LONG, "choices": [choice]}
    ask(client, LONG)
    span = recording.span()
    assert span.name == f"chat {CUT}"
    named = (s.RESPONSE_ID, s.RESPONSE_MODEL, s.REQUEST_MODEL)
    assert [span.attributes[key] for key in named] == [CUT] * 3
    assert span.attributes[s.RESPONSE_FINISH_REASONS] == [CUT]
    assert max(len(str(value)) for value in span.attributes.values()) <= 260


@pytest.mark.parametrize("name", ["n" * 256, "é" * 256, TUNED])
def test_what_is_not_too_long_is_told_whole(
    server: RawServer, client: Any, recording: Recording, name: str
) -> None:
    server.answer = {**CHAT, "id": name, "model": name}
    ask(client, name)
    told = recording.span().attributes
    assert told[s.REQUEST_MODEL] == told[s.RESPONSE_MODEL] == name


def test_every_name_and_id_of_a_conversation_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    story, named = Story(monkeypatch), {"id": LONG, "name": LONG, "agent_id": LONG}
    story.asks("chat")
    story.receives(
        (0.1, started(conversation_id=LONG)),
        (0.2, handoff_started(id=LONG, previous_agent_id=LONG, previous_agent_name=LONG)),
        (0.3, handoff_done(id=LONG, next_agent_id=LONG, next_agent_name=LONG)),
        (0.4, tool_started(**named)),
        (0.5, tool_done(id=LONG, name=LONG)),
        (0.6, rejected("function.call.delta", tool_call_id=LONG, **named)),
        (0.7, delta(id=LONG, model=LONG, agent_id=LONG)),
        (0.8, done()),
    )
    (ended,) = story.call.endings
    attributes = [dict(ended.attributes)]
    children = story.call.children
    attributes += [{k: v for k, (_, v) in child.attributes.items()} for child in children]
    assert len(attributes) == 4
    texts = [value for told in attributes for value in told.values() if isinstance(value, str)]
    assert sum(text == CUT for text in texts) >= 12
    names = [child.name for child in story.call.children]
    assert max(map(len, [*texts, *names])) <= 300


def test_1024_turns_with_ids_of_2_mb_keep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def turns(size: int) -> int:
        gc.collect()
        tracemalloc.start()
        story = Story(monkeypatch)
        for n in range(1024):
            story.asks("chat")
            story.receives((0.2, started(conversation_id=f"{n}" + "c" * size)), (0.5, done()))
            (ended,) = story.call.endings
            # The server's text is gone: what is left of it is what we keep.
            last_turns.remember(str(ended.conversation_id), "chat", None)
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return kept

    assert turns(2_000_000) < 200_000


def test_a_turn_of_a_cut_conversation_is_linked_to_none(
    server: RawServer, client: Any, recording: Recording
) -> None:
    for n in range(2):
        server.answer = {**CONVERSATION, "conversation_id": f"{LONG}{n}"}
        client.beta.conversations.start(model="m", inputs="?")
    # The SDK asks for its path, which is too long for a server.
    with pytest.raises(Exception):  # noqa: B017, PT011 -- which one depends on its HTTP client
        client.beta.conversations.append(conversation_id=f"{LONG}0", inputs="?")
    assert [len(span.links) for span in recording.spans()] == [0, 0, 0]
    assert last_turns.last(CUT) == (None, None)


# Metrics


def series(recording: Recording, key: str) -> set[Any]:
    """The values that an attribute has on any metric."""
    return {
        told[key] for points in recording.metrics().values() for told, _ in points if key in told
    }


def told_once(records: list[logging.LogRecord], *kinds: str) -> None:
    """One line for each kind of names that were too many."""
    lines = sorted(record.getMessage() for record in records)
    assert [kind in line for kind, line in zip(sorted(kinds), lines, strict=True)] == [True] * len(
        kinds
    )
    records.clear()


def test_three_hundred_models_are_a_hundred_series(
    server: RawServer,
    client: Any,
    recording: Recording,
    no_log_records: list[logging.LogRecord],
) -> None:
    # More than the kinds of calls whose attributes are kept.
    for n in range(300):
        server.answer = {**CHAT, "model": f"answered-{n}"}
        ask(client, f"asked-{n}")
    for key, verb in ((s.REQUEST_MODEL, "asked"), (s.RESPONSE_MODEL, "answered")):
        assert series(recording, key) == {f"{verb}-{n}" for n in range(100)} | {"_OTHER"}
    points = recording.metrics()[s.METRIC_DURATION]
    assert len(points) == 101
    assert sum(count for _, (count, _) in points) == 300
    last = recording.finished()[-1].attributes or {}
    assert last[s.REQUEST_MODEL] == "asked-299"
    told_once(no_log_records, s.REQUEST_MODEL, s.RESPONSE_MODEL)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (TUNED, TUNED),
        ("m" * 128, "m" * 128),
        ("m" * 129, "_OTHER"),
        (LONG, "_OTHER"),
        ("with spaces", "_OTHER"),
        ("modèle", "_OTHER"),
        ("m\n", "_OTHER"),
        ("m\x00", "_OTHER"),
    ],
    ids=lambda text: text[:20],
)
def test_a_model_on_metrics_is_visible_ascii(
    server: RawServer, client: Any, recording: Recording, model: str, told: str
) -> None:
    server.answer = {**CHAT, "model": model}
    ask(client, model)
    assert series(recording, s.REQUEST_MODEL) == {told}
    assert series(recording, s.RESPONSE_MODEL) == {told}


def test_error_codes_and_statuses_are_a_hundred_series(
    server: RawServer,
    client: Any,
    recording: Recording,
    no_log_records: list[logging.LogRecord],
) -> None:
    for n in range(150):
        server.status, server.answer = 400 + n, {"code": f"code-{n}"}
        with pytest.raises(Exception):  # noqa: B017, PT011 -- which one depends on the status
            ask(client)
    assert series(recording, s.ERROR_TYPE) == {str(400 + n) for n in range(100)} | {"_OTHER"}
    assert (recording.finished()[-1].attributes or {})[s.ERROR_TYPE] == "549"
    told_once(no_log_records, s.ERROR_TYPE)


def test_classes_that_are_made_anew_are_bounded_and_cut(
    client: Any, recording: Recording, no_log_records: list[logging.LogRecord]
) -> None:
    for n in range(120):
        _raise_one(client, type(f"Error{n}", (Exception,), {"__module__": "app"}))
    assert series(recording, s.ERROR_TYPE) == {f"app.Error{n}" for n in range(100)} | {"_OTHER"}
    told_once(no_log_records, s.ERROR_TYPE)
    assert failure_of(type("E" * 5000, (Exception,), {"__module__": "app"})()).type == (
        "app." + "E" * 251 + "…"
    )


def _raise_one(client: Any, kind: type[Exception]) -> None:
    messages: Any = _Raising(kind)
    with pytest.raises(kind):
        client.chat.complete(model="m", messages=messages)


class _Raising(list[Any]):
    def __init__(self, kind: type[Exception]) -> None:
        super().__init__([{"role": "user", "content": "?"}])
        self._kind = kind

    def __iter__(self) -> Any:
        raise self._kind


def test_addresses_are_bounded_with_their_ports(
    client: Any, server: RawServer, recording: Recording, no_log_records: list[logging.LogRecord]
) -> None:
    server.answer = CHAT
    messages: Any = _Raising(KeyError)
    for n in range(150):
        # The request is never sent: the SDK reads the messages first.
        with pytest.raises(KeyError):
            client.chat.complete(model="m", messages=messages, server_url=f"http://h{n % 60}:{n}")
    assert len(series(recording, s.SERVER_ADDRESS)) == 61
    assert len(recording.metrics()[s.METRIC_DURATION]) == 101
    ports = [
        told.get(s.SERVER_PORT)
        for told, _ in recording.metrics()[s.METRIC_DURATION]
        if told[s.SERVER_ADDRESS] == "_OTHER"
    ]
    assert ports == [None]
    told_once(no_log_records, s.SERVER_ADDRESS)


def test_an_address_without_end_is_none_and_not_kept(client: Any, recording: Recording) -> None:
    url = "http://" + "h" * 3_000_000
    messages: Any = _Raising(KeyError)
    with pytest.raises(KeyError):
        client.chat.complete(model="m", messages=messages, server_url=url)
    assert s.SERVER_ADDRESS not in recording.span().attributes


@pytest.mark.parametrize("names", ALL, ids=range(len(ALL)))
def test_a_kind_of_names_has_a_hundred_and_keeps_those(
    names: KnownNames, no_log_records: list[logging.LogRecord]
) -> None:
    told = [names.bounded(f"n{n}") for n in range(300)]
    assert told == [*(f"n{n}" for n in range(100)), *["_OTHER"] * 200]
    assert names.bounded("n0") == "n0"
    # Once each: other tests have met some of these bounds before.
    no_log_records.clear()


# Time


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-27T07:00:00" + ".1" * 2_500_000,
        ".1" * 2_500_000,
        "1" * 5_000_000,
        "2026-11-27T07:00:00." + "1" * 5_000_000,
        "Z" * 5_000_000,
        " " * 5_000_000,
    ],
    ids=lambda timestamp: timestamp[:24],
)
def test_a_timestamp_without_end_is_none_at_once(timestamp: str) -> None:
    started_at = time.thread_time()
    for _ in range(100):
        assert read_time(timestamp) is None
    assert time.thread_time() - started_at < 0.1


@pytest.mark.parametrize(
    "name",
    [".1" * 2_500_000, "A" * 5_000_000, " " * 5_000_000, "é" * 5_000_000],
    ids=["digits", "letters", "spaces", "accents"],
)
def test_names_without_end_cost_next_to_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    story = Story(monkeypatch)
    story.receives((0.1, started(conversation_id=name)))
    events = [
        delta(name, id=name, model=name, agent_id=name),
        tool_started(name, id=name, name=name),
        rejected("function.call.delta", id=name, tool_call_id=name, confirmation_status=name),
    ]
    began = time.thread_time()
    for _ in range(100):
        story.receives(*((0.2, event) for event in events))
    assert time.thread_time() - began < 0.5
