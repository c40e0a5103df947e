# SPDX-License-Identifier: Apache-2.0
"""The API's id of a request, how often it was sent, and when to ask again: whole spans."""

from __future__ import annotations

from typing import Any, Final

import pytest

from emulator import Emulator
from tests.support import names as s
from tests.support import sdk
from tests.support.completions import (
    BOTH,
    METHODS,
    MODEL,
    Ask,
    answered,
    ask_sync,
    assert_is,
    place,
    usage,
    whole,
)
from tests.support.conversations import read_sync
from tests.support.recording import Recording, Span

ID: Final = s.REQUEST_ID
RESENT: Final = s.RESEND_COUNT
WAIT: Final = s.RETRY_AFTER
# Before 1.10 the SDK has no hook that shows requests and responses.
SHOWS: Final = sdk.VERSION >= (1, 10)
SHOWN: Final = pytest.mark.skipif(not SHOWS, reason="before 1.10 the SDK shows no response")


def asked(emulator: Emulator) -> dict[str, Any]:
    return {**place(emulator), s.OPERATION_NAME: "chat", s.REQUEST_MODEL: MODEL}


@BOTH
@pytest.mark.parametrize("kind", ["complete", "stream"])
@pytest.mark.parametrize("named", ["correlation", "request"])
def test_the_apis_id_of_a_request_is_on_its_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, kind: str, named: str
) -> None:
    ask(client, f"chat.{kind}", http_headers={f"x-emulator-{named}-id": "0199-id"})
    told = {ID: "0199-id"} if SHOWS else {}
    expected = {**asked(emulator), **answered(MODEL, "stop"), **usage(14, 9, 23), **told}
    assert_is(whole(recording, streamed=kind == "stream"), Span(f"chat {MODEL}", expected))
    points = [attributes for told in recording.metrics().values() for attributes, _ in told]
    assert points
    assert not any(ID in attributes for attributes in points)


@SHOWN
@pytest.mark.parametrize("method", METHODS)
def test_the_id_that_says_more_comes_first_and_is_cut(
    client: Any, recording: Recording, method: str
) -> None:
    ids = {"x-emulator-correlation-id": "c" * 300, "x-emulator-request-id": "request"}
    ask_sync(client, method, http_headers=ids)
    assert recording.span().attributes[ID] == "c" * 255 + "…"


@SHOWN
@pytest.mark.parametrize("outcome", ["completed", "closed"])
def test_a_conversation_has_the_id_however_it_ends(
    client: Any, recording: Recording, outcome: str
) -> None:
    headers = {"x-emulator-correlation-id": "0199-id"}
    start = client.beta.conversations.start_stream
    with start(model="m", inputs="Hello?", http_headers=headers) as events:
        assert next(events) if outcome == "closed" else list(events)
    attributes = recording.span().attributes
    assert (attributes[s.STREAM_OUTCOME], attributes[ID]) == (outcome, "0199-id")


@BOTH
def test_an_error_has_the_id_and_the_time_to_wait(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask
) -> None:
    headers = {"x-emulator-scenario": "http_429_wait", "x-emulator-correlation-id": "0199-id"}
    with pytest.raises(Exception, match="rate limit"):
        ask(client, "chat.complete", http_headers=headers)
    expected = {
        **asked(emulator),
        s.ERROR_TYPE: "429",
        s.HTTP_STATUS_CODE: 429,
        s.ERROR_CODE: "1300",
        ID: "0199-id",
        WAIT: ["7"],
    }
    span = Span(f"chat {MODEL}", expected, status="ERROR", description="429")
    span.events.append("exception")
    assert_is(recording.span(), span)


@BOTH
@pytest.mark.parametrize("kind", ["complete", "stream"])
def test_attempts_are_counted_so_that_a_call_does_not_merely_look_slow(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask, kind: str
) -> None:
    headers = {"x-emulator-scenario": "retry_then_ok"}
    ask(client, f"chat.{kind}", http_headers=headers, retries=sdk.retries())
    assert len(emulator.requests) == 3
    told = {RESENT: 2} if SHOWS else {}
    expected = {**asked(emulator), **answered(MODEL, "stop"), **usage(14, 9, 23), **told}
    assert_is(whole(recording, streamed=kind == "stream"), Span(f"chat {MODEL}", expected))


@SHOWN
def test_attempts_that_all_failed_are_counted(
    emulator: Emulator, client: Any, recording: Recording
) -> None:
    with pytest.raises(Exception, match="unavailable"):
        ask_sync(client, "chat.complete", "retry_exhausted", retries=sdk.retries())
    span = recording.span()
    assert (span.status, span.description) == ("ERROR", "503")
    assert span.attributes[RESENT] == len(emulator.requests) - 1 > 0


@SHOWN
def test_the_attempts_of_a_conversation_are_counted(client: Any, recording: Recording) -> None:
    read_sync(client, "retry_then_ok", retries=sdk.retries(),
              http_headers={"authorization": "Bearer attempts"})  # fmt: skip
    assert recording.span().attributes[RESENT] == 2


class Odd(sdk.httpx.Headers):  # type: ignore[misc]
    """Headers that a hook of the user's put in place of the client's."""

    def get(self, key: str, default: Any = None) -> Any:
        if key.endswith("-id"):
            raise RuntimeError("not now")
        known: Any = super()
        return known.get(key, default)


def spoil(response: Any) -> None:
    response.headers = Odd(response.headers)


@SHOWN
@pytest.mark.parametrize("kind", ["complete", "stream"])
def test_headers_that_cannot_be_read_cost_neither_the_call_nor_its_span(
    client: Any, recording: Recording, no_log_records: list[Any], kind: str
) -> None:
    client.sdk_configuration.client.event_hooks = {"response": [spoil]}
    assert ask_sync(client, f"chat.{kind}")
    span = recording.span()
    assert (span.name, span.status, ID in span.attributes) == (f"chat {MODEL}", "UNSET", False)
    assert len(no_log_records) <= 1
    no_log_records.clear()
