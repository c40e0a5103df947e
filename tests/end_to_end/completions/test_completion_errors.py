# SPDX-License-Identifier: Apache-2.0
"""Calls that fail before they have an answer, or in the middle of it: one span, told truly."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import pytest

from emulator import Emulator
from tests.end_to_end.completions.test_other_calls import SINCE
from tests.support import methods, sdk
from tests.support.completions import (
    BOTH,
    METHODS,
    MODEL,
    Ask,
    arguments,
    ask_async,
    ask_sync,
    named,
    place,
)
from tests.support.recording import Recording, Span

OUTCOME: Final = "mistral_ai.stream.outcome"
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
    told = ("error.type", "http.response.status_code", "mistral_ai.error.code", OUTCOME)
    found = {key: span.attributes[key] for key in told if key in span.attributes}
    assert found == {"error.type": error, **more}
    assert not [key for key in span.attributes if "response." in key and not key.startswith("http")]


@EVERY
def test_an_http_error_is_its_status(
    client: Any, recording: Recording, method: str, given: dict[str, Any]
) -> None:
    with pytest.raises(Exception, match="rate limit"):
        ask_sync(client, method, "http_429", **given)
    code = {"http.response.status_code": 429, "mistral_ai.error.code": "1300"}
    failed(recording, "429", **code)


@pytest.mark.parametrize(("status", "code"), [(400, "3001"), (422, None), (500, "1000")])
@pytest.mark.parametrize("method", METHODS)
def test_other_statuses_of_completions(
    emulator: Emulator, client: Any, recording: Recording, method: str, status: int, code: Any
) -> None:
    with pytest.raises(Exception, match=r"Hello\?|larger"):
        ask_sync(client, method, f"http_{status}")
    codes = {"mistral_ai.error.code": code} if code else {}
    failed(recording, str(status), **{"http.response.status_code": status}, **codes)
    if method == "chat.complete":
        # None of the user's words, although the body repeats them.
        assert recording.span() == Span(
            f"chat {MODEL}",
            {
                **place(emulator),
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": MODEL,
                "error.type": str(status),
                "http.response.status_code": status,
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
    assert (span.status, span.events, "error.type" in span.attributes) == ("UNSET", [], False)
    row = methods.row_of(method)
    streamed = "stream" in given or row.streamed
    assert span.attributes.get(OUTCOME) == ("completed" if streamed else None)


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
    assert OUTCOME not in span.attributes


def test_a_call_with_wrong_arguments_is_an_error(client: Any, recording: Recording) -> None:
    with pytest.raises(TypeError):
        client.chat.complete(**arguments("chat"), temprature=1)
    failed(recording, "TypeError")
