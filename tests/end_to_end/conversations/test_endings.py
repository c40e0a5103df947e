# SPDX-License-Identifier: Apache-2.0
"""Every way in which a server, or the line to it, can end a stream: one span, told truly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import names as s
from tests.support import sdk
from tests.support.conversations import Run
from tests.support.recording import Recording, plain

COMPLETED = {s.STREAM_OUTCOME: "completed", s.RESPONSE_FINISH_REASONS: ["stop"]}
FAILED = {s.STREAM_OUTCOME: "failed", s.RESPONSE_FINISH_REASONS: ["error"]}
TOKENS = (
    s.USAGE_INPUT_TOKENS,
    s.USAGE_OUTPUT_TOKENS,
    s.USAGE_TOTAL_TOKENS,
)


@dataclass
class Ending:
    """What is to be seen of a scenario: an error, or the usage of a completed stream."""

    scenario: str
    error: str | None = None
    usage: tuple[int | None, ...] = ()
    counted: tuple[int, int] = (0, 0)
    status_code: int | None = None
    code: str | None = None
    events: bool = True
    """Whether a stream was handed out at all."""
    raises: bool = True
    timed: bool = True
    """Whether the done event's own time was usable."""


def completed(scenario: str, *usage: int | None, timed: bool = True) -> Ending:
    counted = (usage[0] or 0, usage[1] or 0) if usage else (0, 0)
    return Ending(scenario, None, usage or (None, None, None), counted, timed=timed, raises=False)


def refused(scenario: str, status: int, code: str | None = None) -> Ending:
    return Ending(scenario, str(status), status_code=status, code=code, events=False)


def rejected(scenario: str, *usage: int | None, timed: bool = True) -> Ending:
    """A known event that the SDK's model rejects: UNKNOWN on new lines, the end on older ones."""
    if sdk.REJECTED_EVENT_RAISES:
        return Ending(scenario, sdk.VALIDATION_ERROR)
    return completed(scenario, *usage, timed=timed)


ENDINGS = [
    completed("two_done", 5, 7, 12),
    completed("events_after_done", 5, 7, 12),
    completed("no_started", 5, 7, 12),
    completed("usage_empty", 0, 0, 0),
    completed("usage_string", 5, 7, 12),
    completed("usage_negative", None, None, None),
    completed("usage_huge", None, 7, None),
    Ending("ping", sdk.VALIDATION_ERROR) if sdk.EMPTY_EVENT_RAISES else completed("ping", 5, 7, 12),
    completed("created_at_missing", 5, 7, 12, timed=False),
    completed("created_at_naive", 5, 7, 12),
    completed("created_at_future", 5, 7, 12),
    completed("created_at_past", 5, 7, 12),
    rejected("created_at_garbage", 5, 7, 12, timed=False),
    rejected("done_rejected", None, 7, None),
    rejected("usage_null"),
    rejected("usage_missing"),
    Ending("unknown_event", sdk.VALIDATION_ERROR)
    if sdk.UNKNOWN_EVENT_RAISES
    else completed("unknown_event", 5, 7, 12),
    Ending("error_event", "500", raises=False),
    Ending("error_first", "503", raises=False),
    Ending("error_then_done", "500", raises=False),
    Ending("no_done", "incomplete_stream", raises=False),
    Ending("empty", "incomplete_stream", raises=False),
    Ending("broken_json", sdk.NOT_JSON),
    Ending("no_event_line", sdk.UNPARSABLE),
    Ending("cut", f"{sdk.HTTP}.RemoteProtocolError"),
    Ending("inside_event", f"{sdk.HTTP}.RemoteProtocolError"),
    Ending("reset", f"{sdk.HTTP}.ReadError"),
    Ending("refuse", f"{sdk.HTTP}.RemoteProtocolError", events=False),
    Ending("html", "mistralai.SDKError", events=False),
    Ending("json_200", "mistralai.SDKError", events=False),
    Ending("deprecated", f"{sdk.HTTP}.ResponseNotRead", events=False),
    refused("http_400", 400, "3001"),
    refused("http_401", 401, "1001"),
    refused("http_403", 403, "1002"),
    refused("http_404", 404, "3000"),
    refused("http_422", 422),
    refused("http_429", 429, "1300"),
    refused("http_500", 500, "1000"),
    refused("http_503", 503, "1100"),
]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.scenario)
def test_each_ending_is_one_span_that_tells_it(
    client: Any, run: Run, recording: Recording, ending: Ending
) -> None:
    raised: BaseException | None = None
    try:
        run(client, ending.scenario)
    except Exception as exc:  # noqa: BLE001 -- which one is the matter of another test
        raised = exc
    assert (raised is not None) == (ending.error is not None and ending.raises)
    span = recording.the_span()
    seen = plain(span)
    assert (seen.kind, seen.parent) == ("CLIENT", None)
    assert seen.name == "chat mistral-medium-latest"
    expected = "UNSET" if ending.error is None else "ERROR"
    assert (seen.status, seen.description) == (expected, ending.error)
    assert seen.events == (["exception"] if raised is not None else [])
    facts = _facts(ending)
    # Which of these came before the end differs with the scenario, not with the ending.
    for key in (s.CONVERSATION_ID, s.RESPONSE_ID, s.RESPONSE_MODEL):
        seen.attributes.pop(key, None)
    for key in (s.RESPONSE_TIME_TO_FIRST_CHUNK, s.CLOCK_SHIFT, s.SERVER_PORT):
        seen.attributes.pop(key, None)
    created_at = seen.attributes.pop(s.RESPONSE_CREATED_AT, None)
    assert (created_at is not None) == (ending.error is None and ending.timed)
    assert seen.attributes == facts
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.start_time <= span.end_time
    _assert_counted(recording, ending)
    assert len(recording.logs()) == (1 if raised is not None else 0)


def _facts(ending: Ending) -> dict[str, Any]:
    facts: dict[str, Any] = {
        s.OPERATION_NAME: "chat",
        s.PROVIDER_NAME: "mistral_ai",
        s.REQUEST_MODEL: "mistral-medium-latest",
        s.REQUEST_STREAM: True,
        s.SERVER_ADDRESS: "127.0.0.1",
    }
    if ending.error is None:
        facts |= COMPLETED
        facts |= {k: n for k, n in zip(TOKENS, ending.usage, strict=True) if n is not None}
    else:
        facts |= FAILED if ending.events else {s.RESPONSE_FINISH_REASONS: ["error"]}
        facts[s.ERROR_TYPE] = ending.error
    if ending.status_code is not None and not (sdk.VERSION < (1, 9) and ending.status_code == 422):
        facts[s.HTTP_STATUS_CODE] = ending.status_code
    elif ending.status_code is not None:
        facts[s.HTTP_STATUS_CODE] = 422
    if ending.code is not None:
        facts[s.ERROR_CODE] = ending.code
    return facts


def _assert_counted(recording: Recording, ending: Ending) -> None:
    metrics = recording.metrics()
    names = (s.METRIC_INPUT_TOKENS, s.METRIC_OUTPUT_TOKENS)
    for index, name in enumerate(names):
        points = metrics[name]
        assert sum(value for _, value in points) == ending.counted[index]
    ((attributes, (count, _)),) = metrics[s.METRIC_DURATION]
    assert count == 1
    assert attributes.get(s.ERROR_TYPE) == ending.error
    outcome = "failed" if ending.error else "completed"
    assert attributes.get(s.STREAM_OUTCOME) == (outcome if ending.events else None)
