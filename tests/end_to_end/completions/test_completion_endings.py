# SPDX-License-Identifier: Apache-2.0
"""Every way in which a call can fail, or the stream of a completion end, and when: told truly."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from emulator import Emulator
from tests.support import methods, sdk
from tests.support import names as s
from tests.support.completions import (
    BOTH,
    METHODS,
    MODEL,
    Ask,
    answered,
    arguments,
    ask_async,
    ask_sync,
    named,
    place,
    usage,
)
from tests.support.other_calls import SINCE
from tests.support.recording import Recording, Span, let_time_pass, wait_until
from tests.support.usages import OwnError

USED: Final = usage(5, 7, 12)
STREAMS: Final = ("chat.stream", "agents.stream", "fim.stream")


@dataclass
class Ending:
    """What is to be seen of a scenario: why it failed, or how its choices finished."""

    scenario: str
    error: str | None = None
    reasons: tuple[str, ...] = ()
    used: dict[str, Any] = field(default_factory=dict[str, Any])
    raises: bool = True
    chunks: bool = True
    """Whether any came; one of them has content then."""


ENDINGS = [
    Ending("chat_no_finish", "incomplete_stream", used=USED, raises=False),
    Ending("chat_empty", "incomplete_stream", raises=False, chunks=False),
    Ending("chat_broken_json", sdk.UNPARSABLE),
    Ending("chat_error_midway", sdk.UNPARSABLE),
    Ending("chat_cut", f"{sdk.HTTP}.RemoteProtocolError"),
    Ending("chat_inside_chunk", f"{sdk.HTTP}.RemoteProtocolError"),
    Ending("chat_reset", f"{sdk.HTTP}.ReadError"),
    Ending("chat_hang", f"{sdk.HTTP}.ReadTimeout"),
    Ending("chat_no_usage", reasons=("stop",)),
    Ending("chat_no_done", reasons=("stop",), used=USED),
    Ending("chat_after_done", reasons=("stop",), used=USED),
    Ending("chat_ping", reasons=("stop",), used=USED),
    Ending("chat_usage_after", reasons=("stop",), used=USED),
    Ending("chat_choices", reasons=("stop", "length"), used=usage(5, 11, 16)),
    Ending("chat_choices_together", reasons=("stop", "length"), used=usage(5, 11, 16)),
    Ending("chat_tool_calls", reasons=("tool_call",), used=usage(71, 32, 103)),
]


@BOTH
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.scenario)
def test_each_ending_is_one_span_that_tells_it(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, ending: Ending
) -> None:
    raised: BaseException | None = None
    waiting = {"timeout_ms": 100} if ending.scenario == "chat_hang" else {}
    try:
        ask(client, "chat.stream", ending.scenario, **waiting)
    except Exception as exc:  # noqa: BLE001 -- which one is the matter of another test
        raised = exc
    assert (raised is not None) == (ending.error is not None and ending.raises)
    span = recording.span()
    first_chunk = span.attributes.pop(s.RESPONSE_TIME_TO_FIRST_CHUNK, None)
    assert isinstance(first_chunk, float) == ending.chunks
    failed = {} if ending.error is None else {s.ERROR_TYPE: ending.error}
    identity = answered(MODEL, *ending.reasons) if ending.chunks else {}
    if not ending.reasons:
        identity.pop(s.RESPONSE_FINISH_REASONS, None)
    assert span == Span(
        f"chat {MODEL}",
        {
            **place(emulator),
            s.OPERATION_NAME: "chat",
            s.REQUEST_MODEL: MODEL,
            s.REQUEST_STREAM: True,
            s.STREAM_OUTCOME: "failed" if ending.error else "completed",
            **identity,
            **ending.used,
            **failed,
        },
        status="ERROR" if ending.error else "UNSET",
        description=ending.error,
        events=["exception"] if raised is not None else [],
    )


def streamed(client: Any, method: str, scenario: str | None = None) -> Any:
    return getattr(client, method.partition(".")[0]).stream(**arguments(method, scenario))


def until_finished(stream: Any) -> tuple[int, int]:
    """Reads up to the finish reason; returns the times before and after it, ns since the epoch."""
    before = time.time_ns()
    for event in stream:
        if event.data.choices[0].finish_reason is not None:
            after = time.time_ns()
            let_time_pass()
            return before, after
        before = time.time_ns()
    raise AssertionError("no finish reason")


def assert_between(recording: Recording, times: tuple[int, int]) -> None:
    """Says that the span ended between two times, but for the little by which clocks differ."""
    ended = recording.the_span().end_time or 0
    assert times[0] - 1_000_000 <= ended <= times[1] + 1_000_000


def exhausts(client: Any, method: str) -> tuple[int, int]:
    stream = streamed(client, method)
    times = until_finished(stream)
    assert list(stream) == []
    return times


def closes(client: Any, method: str) -> tuple[int, int]:
    with streamed(client, method) as stream:
        return until_finished(stream)


def drops(client: Any, method: str) -> tuple[int, int]:
    times = until_finished(streamed(client, method))
    gc.collect()
    return times


def interrupts(client: Any, method: str) -> tuple[int, int]:
    times = (0, 0)
    try:
        with streamed(client, method) as stream:
            times = until_finished(stream)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        return times


@pytest.mark.parametrize("method", STREAMS)
@pytest.mark.parametrize("leave", [exhausts, closes, drops, interrupts])
def test_a_complete_stream_ends_when_its_last_chunk_arrived_however_it_is_left(
    client: Any, recording: Recording, leave: Callable[[Any, str], tuple[int, int]], method: str
) -> None:
    times = leave(client, method)
    assert recording.span().attributes[s.STREAM_OUTCOME] == "completed"
    assert recording.span().status == "UNSET"
    assert_between(recording, times)


def test_the_span_of_a_complete_stream_waits_for_usage(client: Any, recording: Recording) -> None:
    for _ in streamed(client, "chat.stream", "chat_usage_after"):
        assert recording.finished() == []
    assert recording.span().attributes[s.USAGE_INPUT_TOKENS] == 5


@pytest.mark.parametrize("method", STREAMS)
@pytest.mark.parametrize(
    ("exc", "outcome"),
    [(SystemExit, "cancelled"), (KeyboardInterrupt, "cancelled"), (OwnError, "closed")],
)
def test_an_unfinished_stream_that_is_left_ends_at_that_time(
    client: Any, recording: Recording, method: str, exc: type[BaseException], outcome: str
) -> None:
    times: list[int] = []

    def leave() -> None:
        with streamed(client, method) as stream:
            next(stream)
            let_time_pass()
            times.append(time.time_ns())
            raise exc

    with pytest.raises(exc):
        leave()
    assert_between(recording, (times[0], time.time_ns()))
    span = recording.span()
    assert (span.status, span.events) == ("UNSET", [])
    assert span.attributes[s.STREAM_OUTCOME] == outcome
    assert not {s.ERROR_TYPE, s.RESPONSE_FINISH_REASONS} & span.attributes.keys()


@pytest.mark.parametrize("reads", [0, 2])
def test_an_unfinished_stream_that_is_dropped_ends_when_the_last_chunk_arrived(
    client: Any, recording: Recording, reads: int
) -> None:
    before = time.time_ns()
    stream = streamed(client, "chat.stream", "chat_hang")
    for _ in range(reads):
        before = time.time_ns()
        next(stream)
    after = time.time_ns()
    let_time_pass()
    del stream
    gc.collect()
    assert_between(recording, (before, after))
    assert recording.span().attributes[s.STREAM_OUTCOME] == "abandoned"


@pytest.mark.skipif(not sdk.STREAM_HAS_CLOSE, reason="close() came with 2.10")
def test_closing_is_leaving(client: Any, recording: Recording) -> None:
    stream = streamed(client, "chat.stream", "chat_hang")
    next(stream)
    stream.close()
    assert recording.span().attributes[s.STREAM_OUTCOME] == "closed"


@pytest.mark.parametrize("scenario", ["chat_hang", "no_answer"])
async def test_a_cancelled_task_is_no_error(
    emulator: Emulator, recording: Recording, scenario: str
) -> None:
    # An earlier test's requests would have this one cancelled before it has begun.
    emulator.clear()
    async with sdk.Mistral(api_key="key", server_url=emulator.url) as client:
        reading = asyncio.Event()

        async def read() -> None:
            async for _ in await client.chat.stream_async(**arguments("chat", scenario)):
                reading.set()

        task = asyncio.create_task(read())
        if scenario == "chat_hang":
            await reading.wait()
        else:
            await asyncio.to_thread(wait_until, lambda: bool(emulator.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
    span = recording.span()
    assert (span.status, span.events, s.ERROR_TYPE in span.attributes) == ("UNSET", [], False)
    assert span.attributes.get(s.STREAM_OUTCOME) == (
        "cancelled" if scenario == "chat_hang" else None
    )


CUT: Final = f"{sdk.HTTP}.RemoteProtocolError"
# Every method, with arguments that suffice; those that answer with a stream twice.
CALLS: Final = list(methods.calls())
EVERY: Final = pytest.mark.parametrize(
    ("method", "given"),
    [
        pytest.param(
            method, given, id=f"{method}{' streamed' if 'stream' in given else ''}",
            marks=pytest.mark.skipif(
                SINCE.get(method, (0,)) > sdk.VERSION, reason=f"came with {SINCE.get(method)}"
            ),
        )
        for method, given in CALLS
    ],
)  # fmt: skip


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Any]:
    """As everywhere, but made in a tenth of the time: it loads no certificates."""
    emulator.clear()
    with sdk.httpx.Client(verify=False) as http:
        own = sdk.httpx.AsyncClient(verify=False)
        yield sdk.Mistral("key", server_url=emulator.url, client=http, async_client=own)


def failed(recording: Recording, error: str, **more: Any) -> None:
    """Says that there is one span, an ERROR without outcome, with the exception."""
    span = recording.span()
    described = (span.kind, span.parent, span.status, span.description, span.events)
    assert described == ("CLIENT", None, "ERROR", error, ["exception"])
    told = (s.ERROR_TYPE, s.HTTP_STATUS_CODE, s.ERROR_CODE, s.STREAM_OUTCOME)
    found = {key: span.attributes[key] for key in told if key in span.attributes}
    assert found == {s.ERROR_TYPE: error, **more}
    assert not [key for key in span.attributes if "response." in key and not key.startswith("http")]


@EVERY
def test_an_http_error_is_its_status(
    client: Any, recording: Recording, method: str, given: dict[str, Any]
) -> None:
    with pytest.raises(Exception, match="rate limit"):
        ask_sync(client, method, "http_429", **given)
    code = {s.HTTP_STATUS_CODE: 429, s.ERROR_CODE: "1300"}
    failed(recording, "429", **code)


@pytest.mark.parametrize(("status", "code"), [(400, "3001"), (422, None), (500, "1000")])
@pytest.mark.parametrize("method", METHODS)
def test_other_statuses_of_completions(
    emulator: Emulator, client: Any, recording: Recording, method: str, status: int, code: Any
) -> None:
    with pytest.raises(Exception, match=r"Hello\?|larger"):
        ask_sync(client, method, f"http_{status}")
    codes = {s.ERROR_CODE: code} if code else {}
    failed(recording, str(status), **{s.HTTP_STATUS_CODE: status}, **codes)
    if method == "chat.complete":
        # None of the user's words, although the body repeats them.
        assert recording.span() == Span(
            f"chat {MODEL}",
            {
                **place(emulator),
                s.OPERATION_NAME: "chat",
                s.REQUEST_MODEL: MODEL,
                s.ERROR_TYPE: str(status),
                s.HTTP_STATUS_CODE: status,
                **codes,
            },
            status="ERROR",
            description=str(status),
            events=["exception"],
        )


@EVERY
def test_no_answer_is_the_transports_exception(
    client: Any, recording: Recording, method: str, given: dict[str, Any]
) -> None:
    with pytest.raises(sdk.httpx.ReadTimeout):
        ask_sync(client, method, "no_answer", **given, timeout_ms=50)
    failed(recording, f"{sdk.HTTP}.ReadTimeout")


BROKEN: Final = [
    ("chat_cut", CUT),
    ("chat_inside_chunk", CUT),
    ("chat_reset", f"{sdk.HTTP}.ReadError"),
    ("refuse", CUT),
    ("html", "mistralai.SDKError"),
    ("json_200", sdk.UNPARSABLE if sdk.VERSION < (1, 9, 11) else sdk.RESPONSE_ERROR),
    ("chat_no_usage", sdk.UNPARSABLE if sdk.VERSION < (1, 9, 11) else sdk.RESPONSE_ERROR),
]


@BOTH
@pytest.mark.parametrize("method", ["chat.complete", "agents.complete", "fim.complete"])
@pytest.mark.parametrize(("scenario", "error"), BROKEN)
def test_a_broken_answer_is_an_error_without_outcome(
    client: Any, recording: Recording, ask: Ask, method: str, scenario: str, error: str
) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 -- which one, the span tells
        ask(client, method, scenario)
    failed(recording, error)


@pytest.mark.parametrize("scenario", ["html", "json_200", "refuse", "chat_deprecated"])
def test_what_is_no_stream_is_an_error_without_outcome(
    client: Any, recording: Recording, scenario: str
) -> None:
    with pytest.raises(Exception, match=r"."):
        ask_sync(client, "chat.stream", scenario)
    other = {"refuse": CUT, "chat_deprecated": f"{sdk.HTTP}.ResponseNotRead"}
    failed(recording, other.get(scenario, "mistralai.SDKError"))


@EVERY
def test_retries_are_one_span(
    emulator: Emulator, client: Any, recording: Recording, method: str, given: dict[str, Any]
) -> None:
    # The emulator, which has forgotten earlier tests, counts attempts.
    headers = {"x-emulator-scenario": "retry_then_ok"}
    ask_async(client, method, **given, retries=sdk.retries(), http_headers=headers)
    # Whoever waits for a workflow asks on after that.
    first = emulator.requests[0].path
    assert [request.path for request in emulator.requests].count(first) == 3
    span = recording.span()
    assert (span.status, span.events, s.ERROR_TYPE in span.attributes) == ("UNSET", [], False)
    streamed = "stream" in given or getattr(methods.row_of(method), "streamed", True)
    assert span.attributes.get(s.STREAM_OUTCOME) == ("completed" if streamed else None)


class _Raises(sdk.httpx.BaseTransport, sdk.httpx.AsyncBaseTransport):  # type: ignore[misc]
    def __init__(self, exc: BaseException) -> None:
        self._exc = exc

    def handle_request(self, _request: Any) -> Any:
        raise self._exc

    async def handle_async_request(self, _request: Any) -> Any:
        raise self._exc


def caught(client: Any, method: str, given: dict[str, Any]) -> BaseException | None:
    """What a call raises."""
    try:
        named(client, method)(**given)
    except BaseException as exc:  # noqa: BLE001 -- compared
        return exc
    return None


async def caught_async(client: Any, method: str, given: dict[str, Any]) -> BaseException | None:
    """What the async twin raises, before an event loop makes something of it."""
    try:
        await named(client, f"{method}_async")(**given)
    except BaseException as exc:  # noqa: BLE001 -- compared
        return exc
    return None


@EVERY
@pytest.mark.parametrize("exc", [OSError("x"), KeyboardInterrupt("x"), asyncio.CancelledError("x")])
def test_the_caller_gets_the_very_exception_and_an_interrupt_is_no_error(
    recording: Recording, method: str, given: dict[str, Any], exc: BaseException
) -> None:
    transport = _Raises(exc)
    http, own = sdk.httpx.Client(transport=transport), sdk.httpx.AsyncClient(transport=transport)
    client = sdk.Mistral("key", client=http, async_client=own)
    if isinstance(exc, asyncio.CancelledError):
        assert asyncio.run(caught_async(client, method, given)) is exc
    else:
        assert caught(client, method, given) is exc
    assert (exc.__cause__, exc.__context__) == (None, None)
    exc.__traceback__ = None
    span = recording.span()
    if isinstance(exc, OSError):
        assert (span.status, span.description, span.events) == ("ERROR", "OSError", ["exception"])
    else:
        assert (span.status, span.description, span.events) == ("UNSET", None, [])
    assert s.STREAM_OUTCOME not in span.attributes


def test_a_call_with_wrong_arguments_is_an_error(client: Any, recording: Recording) -> None:
    with pytest.raises(TypeError):
        client.chat.complete(**arguments("chat"), temprature=1)
    failed(recording, "TypeError")
