# SPDX-License-Identifier: Apache-2.0
"""Putting wrappers in, changing options, and taking wrappers out again."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
import wrapt
from opentelemetry.instrumentation.utils import unwrap

from opentelemetry.instrumentation.genai.mistralai import (
    MistralAIInstrumentor,
    instrument,
    uninstrument,
)
from tests.support import names as s
from tests.support import sdk
from tests.support.conversations import Run
from tests.support.recording import Recording, plain

METHODS: Final = [
    f"{verb}_stream{twin}" for verb in ("start", "append", "restart") for twin in ("", "_async")
]
CONVERSATIONS: Any = importlib.import_module(sdk.CONVERSATIONS).Conversations
STREAMS: Any = importlib.import_module(sdk.EVENTSTREAMING)


def own(cls: Any) -> Mapping[str, Any]:
    """What is in the class itself, not in its bases, and not bound."""
    attributes: Mapping[str, Any] = cls.__dict__
    return attributes


def patched() -> dict[str, Any]:
    """What is in the SDK's classes now, where we put wrappers."""
    methods = {name: own(CONVERSATIONS)[name] for name in METHODS}
    exits = {
        f"{cls.__name__}.{name}": own(cls).get(name)
        for cls in (STREAMS.EventStream, STREAMS.EventStreamAsync)
        for name in ("__exit__", "__aexit__", "close")
    }
    return {**methods, **exits}


BEFORE: Final = patched()


@pytest.fixture(autouse=True)
def the_sdk_is_as_it_was() -> Iterator[None]:
    """Fails a test that leaves a wrapper behind."""
    yield
    uninstrument()
    after = patched()
    assert [name for name in BEFORE if after[name] is not BEFORE[name]] == []


@pytest.fixture
def calls(recording: Recording, client: Any, run: Run) -> Callable[[], int]:
    """Makes one call, sync or async, and tells how many spans it started."""

    def count() -> int:
        before = recording.started
        run(client, "agent")
        assert len(recording.finished()) == recording.started
        return recording.started - before

    return count


def test_uninstrument_restores_the_very_functions(recording: Recording) -> None:
    during = patched()
    assert recording.started == 0
    assert all(during[name] is not BEFORE[name] for name in METHODS)
    uninstrument()
    assert all(patched()[name] is BEFORE[name] for name in BEFORE)


def test_instrumenting_twice_wraps_once(calls: Callable[[], int], recording: Recording) -> None:
    once = patched()
    instrument()
    instrument(**recording.providers)
    MistralAIInstrumentor().instrument()
    assert all(patched()[name] is once[name] for name in once)
    assert calls() == 1


def test_a_client_that_existed_before_is_recorded_and_afterwards_is_not(
    client: Any, calls: Callable[[], int]
) -> None:
    assert client.beta.conversations is not None
    assert calls() == 1
    uninstrument()
    assert calls() == 0


def test_a_bound_method_saved_before_instrument_stays_the_sdks(
    client: Any, calls: Callable[[], int]
) -> None:
    uninstrument()
    saved = client.beta.conversations.start_stream
    assert saved.__func__ is BEFORE["start_stream"]
    assert calls() == 0


def test_a_bound_method_saved_before_uninstrument_passes_through(
    client: Any, recording: Recording
) -> None:
    start = client.beta.conversations.start_stream
    arguments = {"inputs": "Hello?", "model": "m", "http_headers": {"x-emulator-scenario": "agent"}}
    list(start(**arguments))
    assert recording.started == 1
    uninstrument()
    assert len(list(start(**arguments))) == 4
    assert recording.started == 1
    instrument(**recording.providers)
    list(start(**arguments))
    assert recording.started == len(recording.finished()) == 2


def test_reconfiguring_keeps_what_is_not_named(client: Any, run: Run, recording: Recording) -> None:
    seen: list[str] = []
    instrument(request_hook=lambda _span, _kwargs: seen.append("request"))
    instrument(response_hook=lambda _span, _result: seen.append("response"))
    run(client, "agent")
    assert seen == ["request", "response"]
    assert recording.the_span().name == "chat mistral-medium-latest"
    other = Recording()
    MistralAIInstrumentor().instrument(tracer_provider=other.tracer_provider)
    run(client, "agent")
    assert (other.started, recording.started) == (1, 1)
    assert seen == ["request", "response"] * 2
    uninstrument()
    instrument(**recording.providers)
    run(client, "agent")
    assert (other.started, recording.started, len(seen)) == (1, 2, 4)


@pytest.mark.parametrize("ours_first", [True, False])
def test_uninstrument_leaves_ours_under_another_wrapt_wrapper_where_it_passes_through(
    recording: Recording, calls: Callable[[], int], *, ours_first: bool
) -> None:
    other: list[str] = []

    def count(wrapped: Any, _instance: object, args: Any, kwargs: Mapping[str, Any]) -> Any:
        other.append(wrapped.__name__)
        return wrapped(*args, **kwargs)

    if not ours_first:
        uninstrument()
    for name in ("start_stream", "start_stream_async"):
        wrapt.wrap_function_wrapper(CONVERSATIONS, name, count)
    if not ours_first:
        instrument(**recording.providers)
    assert (calls(), len(other)) == (1, 1)
    uninstrument()
    assert (calls(), len(other)) == (0, 2)
    # What is there is switched on again, and not doubled.
    instrument(**recording.providers)
    assert (calls(), len(other)) == (1, 3)
    uninstrument()
    for name in ("start_stream", "start_stream_async"):
        assert own(CONVERSATIONS)[name].__wrapped__.__wrapped__ is BEFORE[name]
        setattr(CONVERSATIONS, name, BEFORE[name])


def test_ours_is_put_in_again_after_somebody_unwrapped_it(
    recording: Recording, calls: Callable[[], int]
) -> None:
    for name in ("start_stream", "start_stream_async"):
        unwrap(CONVERSATIONS, name)
    assert calls() == 0
    uninstrument()
    instrument(**recording.providers)
    assert calls() == 1


def _get(name: str) -> Any:
    return getattr(CONVERSATIONS, name)


def _get_own(name: str) -> Any:
    return own(CONVERSATIONS)[name]


@pytest.mark.parametrize("fetch", [_get, _get_own])
def test_under_a_plain_wrapper_ours_passes_through_and_is_not_doubled(
    calls: Callable[[], int], recording: Recording, fetch: Callable[[str], Any]
) -> None:
    for name in ("start_stream", "start_stream_async"):
        setattr(CONVERSATIONS, name, _plainly(fetch(name)))
    try:
        assert calls() == 1
        assert recording.span().attributes[s.SERVER_ADDRESS] == "127.0.0.1"
        uninstrument()
        assert calls() == 0
        instrument(**recording.providers)
        assert calls() == 1
    finally:
        uninstrument()
        for name in ("start_stream", "start_stream_async"):
            setattr(CONVERSATIONS, name, BEFORE[name])


def _plainly(wrapped: Any) -> Any:
    @functools.wraps(wrapped)
    def call(*args: Any, **kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    return call


def test_a_stream_open_at_uninstrument_finishes_its_span(client: Any, recording: Recording) -> None:
    arguments = {"inputs": "Hello?", "model": "m", "http_headers": {"x-emulator-scenario": "agent"}}
    read, left = (client.beta.conversations.start_stream(**arguments) for _ in range(2))
    next(read)
    next(left)
    uninstrument()
    list(read)
    (span,) = recording.finished()
    assert span.attributes is not None
    assert span.attributes[s.STREAM_OUTCOME] == "completed"
    with left:
        pass
    assert plain(recording.finished()[1]).attributes[s.STREAM_OUTCOME] == "closed"
    # The wrappers of the stream classes stayed for this; they go when nothing is open any more.
    instrument()
    uninstrument()
