# SPDX-License-Identifier: Apache-2.0
"""With capture on, every text passes ``redact`` first; what that does wrong costs only texts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument
from tests.support import names as s
from tests.support.agent_runs import STREAMED, add, asking, prepared, whoami
from tests.support.agent_runs import run as run_loop
from tests.support.content import INPUT, OUTPUT, content, details, given
from tests.support.conversation_spans import family
from tests.support.conversations import ask_sync, read_sync, with_defaults
from tests.support.recording import Recording, wait_until
from tests.support.said import SAID
from tests.support.telling import (
    BOTH,
    TELLING,
    TELLS_CALLS,
    asked,
    everything,
    failing,
    loop,
    rounds,
    served,
)

PLACES = [
    "input", "input-chunk", "input-image", "input-call-key", "input-call", "result", "instruction",
    "argument-key", "argument", "info-key", "info", "text", "chunk", "title", "url", "image",
    "call",
]  # fmt: skip
UNKNOWN = () if TELLS_CALLS else ("input-call-key", "input-call", "argument-key", "argument")


class OwnError(Exception):
    """The redactor's."""


def hide(text: str) -> str:
    return text.replace(TELLING, "[redacted]")


@BOTH
def test_every_text_passes_redact_before_it_is_recorded(
    recording: Recording, no_log_records: list[logging.LogRecord], *, streamed: bool
) -> None:
    instrument(capture_content="span_and_event", redact=hide)
    with served(rounds()) as client:
        asked(client, streamed=streamed)
    (client_span, tools) = family(recording)
    assert TELLING not in everything(recording, no_log_records)
    # Each in its place, so that nothing was dropped instead.
    ((said, _),) = details(recording)
    assert content(client_span) == said
    missing = {place for place in PLACES if f"[redacted]-{place}" not in repr(said)}
    assert missing == set(UNKNOWN)
    (search,) = [span for span in tools if span.name == "execute_tool web_search"]
    arguments = '{"[redacted]-argument-key": "[redacted]-argument"}'
    result = '{"[redacted]-info-key": "[redacted]-info"}'
    assert list(given(search).values()) == [arguments, result][0 if TELLS_CALLS else 1 :]


@STREAMED
async def test_a_functions_texts_and_its_exception_pass_redact(
    recording: Recording, no_log_records: list[logging.LogRecord], *, streamed: bool
) -> None:
    instrument(capture_content="span_and_event", redact=hide)
    await loop(lambda: None, streamed=streamed)
    await loop(lambda: None, streamed=streamed, fails=True)
    recorded = everything(recording, no_log_records)
    assert TELLING not in recorded
    for place in ("call", "local-result", "exception", "loop-input"):
        assert f"[redacted]-{place}" in recorded, place
    failed = [span for span in recording.spans() if span.status.description]
    messages = [(event.attributes or {}) for span in failed for event in span.events]
    assert len(messages) == 2
    assert all("[redacted]" in str(m[s.EXCEPTION_STACKTRACE]) for m in messages)


def raises(_: str) -> str:
    raise OwnError(_)


@pytest.mark.parametrize(
    ("redact", "line"),
    [
        (raises, "telemetry failed (redact): OwnError at "),
        (PLACES.count, "redact did not return a string; the text was dropped"),
        (str.encode, "redact did not return a string; the text was dropped"),
    ],
    ids=["raises", "None", "bytes"],
)
@BOTH
def test_a_redact_that_fails_drops_its_texts_with_one_line_and_nothing_else(
    recording: Recording,
    no_log_records: list[logging.LogRecord],
    redact: Any,
    line: str,
    *,
    streamed: bool,
) -> None:
    with served(rounds()) as client:
        asked(client, streamed=streamed)
    untouched = [(span.name, span.status.status_code) for span in recording.spans()]
    instrument(capture_content="span_and_event", redact=redact)
    with served(rounds()) as client:
        asked(client, streamed=streamed)
    spans = recording.spans()[len(untouched) :]
    assert [(span.name, span.status.status_code) for span in spans] == untouched
    assert TELLING not in everything(recording, no_log_records)
    said = content(spans[-1])
    assert {part["type"] for message in said[INPUT] for part in message["parts"]} == {
        "uri", "tool_call_response", *(["tool_call"] * TELLS_CALLS)
    }  # fmt: skip
    assert said[OUTPUT][0]["finish_reason"] == "tool_call"
    assert "text" not in [part["type"] for part in said[OUTPUT][0]["parts"]]
    assert all(given(span) == {} for span in spans)
    (record,) = no_log_records
    assert record.getMessage().startswith(line)
    no_log_records.clear()


def test_a_redact_may_fail_now_and_then(
    client: Any, recording: Recording, no_log_records: list[logging.LogRecord]
) -> None:
    def redact(text: str) -> str:
        if text == "Hello?":
            raise OwnError
        return text

    instrument(capture_content="span_only", redact=redact)
    read_sync(client, "answer", inputs="Hello?")
    assert content(recording.the_span()) == {
        INPUT: [{"role": "user", "parts": []}],
        OUTPUT: [SAID["answer"]],
    }
    assert len(no_log_records) == 1
    no_log_records.clear()


def test_a_redact_is_not_called_while_capture_is_off(client: Any, recording: Recording) -> None:
    seen: list[str] = []

    def redact(text: str) -> str:
        seen.append(text)
        return text

    instrument(redact=redact)
    read_sync(client, "web_search")
    ask_sync(client, "web_search")
    failing(client)
    assert seen == []
    assert recording.spans()


# What is no Exception is the user's to see: Ctrl-C does not wait for redact to end.


def once(exception: type[BaseException], at: str) -> Callable[[str], str]:
    """Is interrupted by the first text that begins like this."""
    raised: list[str] = []

    def redact(text: str) -> str:
        if text.startswith(at) and not raised:
            raised.append(text)
            raise exception
        return text

    return redact


class _Stop(BaseException):
    """As KeyboardInterrupt, which an event loop would not let pass."""


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("at", ["Hello?", "A stream"])
@pytest.mark.parametrize("ask", [read_sync, ask_sync], ids=["stream", "response"])
def test_an_interrupt_inside_redact_reaches_the_caller_and_the_span_ends(
    client: Any, recording: Recording, ask: Any, exception: type[BaseException], at: str
) -> None:
    instrument(capture_content="span_only", redact=once(exception, at))
    with pytest.raises(exception):
        ask(client, "answer")
    assert recording.the_span().end_time
    read_sync(client, "answer")
    assert len(recording.spans()) == 2


@pytest.mark.parametrize("at", ['{"a"', "3"], ids=["arguments", "result"])
@STREAMED
async def test_an_interrupt_while_a_functions_texts_are_redacted_ends_every_span(
    emulator: Emulator, recording: Recording, at: str, *, streamed: bool
) -> None:
    instrument(capture_content="span_only", redact=once(_Stop, at))
    async with asking(emulator.url, "loop_parallel") as conversations:
        with pytest.raises(_Stop):
            await run_loop(conversations, prepared(add, whoami), streamed=streamed)
    assert recording.spans()


def test_an_interrupt_inside_redact_when_a_stream_is_dropped_ends_the_span(
    client: Any, recording: Recording, no_log_records: list[logging.LogRecord]
) -> None:
    instrument(capture_content="span_only", redact=once(_Stop, "A stream"))
    stream = client.beta.conversations.start_stream(**with_defaults("answer", {}))
    assert [next(stream), next(stream)]
    del stream
    wait_until(lambda: len(recording.finished()) == 1)
    # It has no other place to go to: there is no caller.
    wait_until(lambda: len(no_log_records) == 1)
    no_log_records.clear()
