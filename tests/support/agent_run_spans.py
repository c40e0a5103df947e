# SPDX-License-Identifier: Apache-2.0
"""What is to be recorded of an agent loop against the emulator: its spans, and their metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, cast

import pytest

from emulator import Emulator
from tests.support import names as s
from tests.support import sdk
from tests.support.agent_runs import MODEL
from tests.support.recording import Recording, Span, plain

# Before 2.0 a function call does not say which model, or which agent, makes it.
CALLS_ARE_NAMED: Final = sdk.VERSION >= (2,)

# What differs from run to run stands for itself by its type.
_OF_THE_RUN: Final = (s.RESPONSE_TIME_TO_FIRST_CHUNK, s.RESPONSE_CREATED_AT)
_USAGE: Final = {"tool_call": (18, 6, 24), "stop": (30, 4, 34)}
# Short, as arguments.
_NAMES: Final = {"agent_id": s.AGENT_ID, "conversation_id": s.CONVERSATION_ID}


def story(recording: Recording, *, nested: bool = True) -> list[Span]:
    """All spans in the order in which they started; ``parent`` is the place of one in the list.

    Args:
        recording: waited for, since streams that were dropped are ended by a thread.
        nested: whether each must lie inside its parent.
    """
    spans = sorted(
        recording.spans(), key=lambda span: (span.start_time or 0, -(span.end_time or 0))
    )
    places = {span.context.span_id: place for place, span in enumerate(spans) if span.context}
    told: list[Span] = []
    for span in spans:
        seen = plain(span)
        for key in _OF_THE_RUN:
            if key in seen.attributes:
                seen.attributes[key] = type(seen.attributes[key])
        # Equality alone would take 1, 1.0 and True for the same.
        for key, value in seen.attributes.items():
            assert not isinstance(value, float), key
            assert isinstance(value, bool) == (key == s.REQUEST_STREAM), key
        if seen.parent is not None:
            parent = spans[places[seen.parent]]
            assert span.context is not None
            assert parent.context is not None
            assert span.context.trace_id == parent.context.trace_id
            within = _times(parent)[0] <= _times(span)[0] and _times(span)[1] <= _times(parent)[1]
            assert within or not nested, (parent.name, span.name)
            seen.parent = places[seen.parent]
        told.append(seen)
    return told


def _times(span: Any) -> tuple[int, int]:
    assert span.start_time <= span.end_time
    return span.start_time, span.end_time


def loop_span(error: str | None = None, parent: int | None = None, **attributes: Any) -> Span:
    """The span around a loop, of a model unless it names an agent.

    Args:
        error: its ``error.type``; its exception is recorded on it, as on every span.
        parent: the place of the caller's span.
        attributes: by the short names of them.
    """
    who = {} if "agent_id" in attributes else {s.REQUEST_MODEL: MODEL}
    given = {_NAMES[key]: value for key, value in attributes.items()}
    known = {s.OPERATION_NAME: "invoke_agent", **who, **given}
    return _ended(Span("invoke_agent", known, "INTERNAL", parent=parent), error)


def tool_span(
    name: str, call: str = "call_1", error: str | None = None, parent: int = 0, **attributes: Any
) -> Span:
    """The span of a function that ran in this process."""
    given = {_NAMES[key]: value for key, value in attributes.items()}
    known = {
        s.OPERATION_NAME: "execute_tool",
        s.TOOL_NAME: name,
        s.TOOL_TYPE: "function",
        s.TOOL_CALL_ID: call,
        **given,
    }
    return _ended(Span(f"execute_tool {name}", known, "INTERNAL", parent=parent), error)


def request_span(
    emulator: Emulator,
    finish: str | None,
    conversation_id: str | None = None,
    *,
    streamed: bool,
    starts: bool = False,
    error: str | None = None,
    parent: int = 0,
    response_id: str | None = None,
    **more: Any,
) -> Span:
    """The client span of one request of a loop of a model.

    Args:
        emulator: who answers.
        finish: ``tool_call``, ``stop``, or None where there was no whole answer.
        conversation_id: None if it never got to be known.
        streamed: whether it is a ``*_stream_async``.
        starts: whether it is a start and not an append.
        error: its ``error.type``.
        parent: the place of the loop's span.
        response_id: of the last entry, where it is not the first of its kind.
        more: further attributes, with ``__`` for each dot.
    """
    known: dict[str, Any] = {
        s.OPERATION_NAME: "chat",
        s.PROVIDER_NAME: "mistral_ai",
        s.SERVER_ADDRESS: "127.0.0.1",
        s.SERVER_PORT: int(emulator.url.rpartition(":")[2]),
        **{key.replace("__", "."): value for key, value in more.items()},
    }
    if streamed:
        known[s.REQUEST_STREAM] = True
    if starts:
        known[s.REQUEST_MODEL] = MODEL
    if conversation_id is not None:
        known[s.CONVERSATION_ID] = conversation_id
    named = finish == "stop" or (finish == "tool_call" and CALLS_ARE_NAMED)
    if named:
        known[s.REQUEST_MODEL] = known[s.RESPONSE_MODEL] = MODEL
    if finish is not None:
        known |= _answered(finish, response_id, streamed=streamed)
    elif error is not None:
        known[s.RESPONSE_FINISH_REASONS] = ["error"]
    name = f"chat {MODEL}" if starts or named else "chat"
    return _ended(Span(name, known, parent=parent), error)


def _answered(finish: str, response_id: str | None, *, streamed: bool) -> dict[str, Any]:
    tokens = (s.USAGE_INPUT_TOKENS, s.USAGE_OUTPUT_TOKENS)
    counts = zip((*tokens, s.USAGE_TOTAL_TOKENS), _USAGE[finish], strict=True)
    answered = {
        s.RESPONSE_ID: response_id or ("fc_1" if finish == "tool_call" else "msg_1"),
        s.RESPONSE_FINISH_REASONS: [finish],
        **dict(counts),
    }
    if streamed:
        answered |= {
            s.RESPONSE_TIME_TO_FIRST_CHUNK: float,
            s.RESPONSE_CREATED_AT: str,
            s.STREAM_OUTCOME: "completed",
        }
    return answered


def _ended(span: Span, error: str | None) -> Span:
    if error is not None:
        span.attributes[s.ERROR_TYPE] = error
        span.status, span.description, span.events = "ERROR", error, ["exception"]
    return span


def without_spans(seen: Any) -> Any:
    """What was seen of a run, without frames of the SDK's spans, which ours replace.

    Before Python 3.11 an exception keeps the frames of each context manager that it passes through.
    """
    values: Any = seen
    if isinstance(seen, dict):
        return {key: without_spans(value) for key, value in values.items()}
    if not isinstance(seen, (list, tuple)):
        return seen
    return [without_spans(value) for value in values if not _is_frame_of_a_span(value)]


def _is_frame_of_a_span(value: Any) -> bool:
    file = str(cast("Sequence[Any]", value)[0]) if isinstance(value, tuple) and value else ""
    return file.endswith(("/contextlib.py", "/opentelemetry/trace/__init__.py"))


def assert_measured(
    recording: Recording,
    *,
    requests: int,
    tools: list[Span],
    point: dict[str, Any] | None = None,
) -> None:
    """Asserts the points of one loop's metrics.

    Args:
        recording: of one loop.
        requests: how many it made.
        tools: the spans of its tools, in any order.
        point: the attributes of its duration, if it is not a model's that ended well.
    """
    metrics = recording.metrics()
    keys = (s.TOOL_NAME, s.TOOL_TYPE, s.ERROR_TYPE)
    expected = Counter(tuple(span.attributes.get(key) for key in keys) for span in tools)
    points = metrics.get(s.METRIC_TOOL_DURATION, [])
    assert all(found.keys() <= set(keys) for found, _ in points)
    assert {tuple(map(found.get, keys)): n for found, (n, _) in points} == expected
    assert sum(total for _, (_, total) in points) == _seconds(recording, "execute_tool ")
    ((found, (count, total)),) = metrics[s.METRIC_RUN_DURATION]
    assert found == ({s.REQUEST_MODEL: MODEL} if point is None else point)
    assert (count, total) == (1, _seconds(recording, "invoke_agent", kind="INTERNAL"))
    assert metrics[s.METRIC_RUN_REQUESTS] == [({}, (1, requests))]
    assert metrics[s.METRIC_RUN_TOOLS] == [({}, (1, len(tools)))]


def _seconds(recording: Recording, name: str, kind: str = "INTERNAL") -> Any:
    spans = [
        span
        for span in recording.finished()
        if span.name.startswith(name) and span.kind.name == kind
    ]
    durations = [(span.end_time or 0) - (span.start_time or 0) for span in spans]
    return pytest.approx(sum(durations) / 1e9, abs=1e-6)
