# SPDX-License-Identifier: Apache-2.0
"""An end that fails in the telemetry's own code ends the span all the same, while it is kept.

Whoever keeps a stream, or the generator of a loop, would keep its span open until the exit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument
from tests.support import names as s
from tests.support.agent_runs import add, asking, prepared, run
from tests.support.conversations import with_defaults
from tests.support.fakes import PACKAGE
from tests.support.recording import Recording, wait_until

Records = list[logging.LogRecord]


def fail(*_: object, **__: object) -> Any:
    raise ValueError("the user's words")


def once(original: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which fails the first time."""
    calls: list[object] = []

    def function(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return fail() if len(calls) == 1 else original(*args, **kwargs)

    return function


def said(records: Records) -> list[str]:
    """What was logged, without the place; taken from the list."""
    found = [record.getMessage().partition(" at ")[0] for record in records]
    records.clear()
    return found


def test_a_kept_stream_whose_leaving_fails_is_ended(
    client: Any, recording: Recording, no_log_records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{PACKAGE}._recording.conversation.ConversationRecorder.left", fail)
    stream = client.beta.conversations.start_stream(**with_defaults("hang", {}))
    with stream:
        next(stream)
    wait_until(lambda: len(recording.finished()) == 1)
    assert recording.span().attributes[s.STREAM_OUTCOME] == "abandoned"
    assert said(no_log_records) == ["telemetry failed (leave a stream): ValueError"]
    del stream


@pytest.mark.parametrize(
    ("scenario", "method", "raises"),
    [("no_done", "exhausted", False), ("reset", "failed", True)],
)
def test_a_kept_stream_whose_end_fails_is_ended(
    client: Any,
    recording: Recording,
    no_log_records: Records,
    monkeypatch: pytest.MonkeyPatch,
    scenario: str,
    method: str,
    *,
    raises: bool,
) -> None:
    monkeypatch.setattr(f"{PACKAGE}._recording.conversation.ConversationRecorder.{method}", fail)
    stream = client.beta.conversations.start_stream(**with_defaults(scenario, {}))
    if raises:
        with pytest.raises(Exception, match="."):  # noqa: RUF043 -- whatever the transport says
            list(stream)
    else:
        assert list(stream)
    wait_until(lambda: len(recording.finished()) == 1)
    assert recording.span().status == "UNSET"
    assert said(no_log_records) == ["telemetry failed (end a stream): ValueError"]
    del stream


async def test_a_kept_loop_whose_end_fails_is_ended(
    emulator: Emulator,
    recording: Recording,
    no_log_records: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"{PACKAGE}._sdk.loops.Run.end", fail)
    async with asking(emulator.url, "loop_add") as conversations:
        stream = await conversations.run_stream_async(run_ctx=prepared(add), inputs="1 + 2?")
        assert [event async for event in stream]
    assert len(recording.finished()) == recording.started == 4
    assert said(no_log_records) == ["telemetry failed (end a loop): ValueError"]
    del stream


@pytest.mark.parametrize("method", ["say", "end"])
async def test_a_tool_whose_end_fails_is_ended_and_the_loop_has_its_result(
    emulator: Emulator,
    recording: Recording,
    no_log_records: Records,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    instrument(capture_content="span_only")
    from opentelemetry.instrumentation.genai.mistralai._sdk import tools as _local_tools

    tool = vars(_local_tools)["_Tool"]
    original = getattr(tool, method)
    if method == "say":
        # The arguments come first: that failure would leave the tool without a span.
        def say(self: object, key: str, value: object) -> None:
            if "result" in key:
                fail()
            original(self, key, value)

        monkeypatch.setattr(tool, "say", say)
    else:
        monkeypatch.setattr(tool, "end", once(original))
    async with asking(emulator.url, "loop_add") as conversations:
        result = await run(conversations, prepared(add), streamed=False)
    assert result.output_entries
    assert len(recording.finished()) == recording.started == 4
    assert said(no_log_records) == ["telemetry failed (end a tool): ValueError"]
