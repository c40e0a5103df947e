# SPDX-License-Identifier: Apache-2.0
"""Calls inside somebody else's inference span: one span a request, each series counted once.

The frameworks themselves are in tests/frameworks. Here their spans are plain ones of another scope.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, Final

import pytest
from opentelemetry.context import attach, detach, get_current, set_value
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import use_span

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument
from opentelemetry.instrumentation.genai.mistralai._otel import telemetry as _telemetry
from tests.support import names as s
from tests.support import sdk
from tests.support.completions import (
    BOTH,
    MODEL,
    Ask,
    answered,
    arguments,
    ask_sync,
    assert_is,
    place,
    usage,
)
from tests.support.native_spans import ASKED, NATIVE, ids, sent, traces
from tests.support.programs import Ran, run
from tests.support.recording import Recording, Span, plain, wait_until

OURS: Final = "opentelemetry.instrumentation.genai.mistralai"
COUNTING: Final = "pydantic-ai"
THEIRS: Final = {s.OPERATION_NAME: "chat", s.REQUEST_MODEL: MODEL}
SAID: Final = {**answered(MODEL, "stop"), **usage(14, 9, 23)}
WAYS: Final = pytest.mark.parametrize("method", ["chat.complete", "chat.stream"])


@contextmanager
def framework(
    recording: Recording, attributes: dict[str, Any] | None = None, scope: str = "framework"
) -> Generator[Any]:
    """An inference span of a framework's, current in the block."""
    tracer = recording.tracer_provider.get_tracer(scope)
    given = THEIRS if attributes is None else attributes
    with tracer.start_as_current_span("theirs", attributes=given) as span:
        yield span


def scopes(spans: list[ReadableSpan]) -> list[str]:
    return [span.instrumentation_scope.name for span in spans if span.instrumentation_scope]


def counts(recording: Recording) -> dict[str, int]:
    """How often each histogram was recorded; of a counter, its sum."""
    return {
        name: sum(value if isinstance(value, int) else value[0] for _, value in points)
        for name, points in recording.metrics().items()
    }


@BOTH
@WAYS
def test_the_span_around_it_tells_of_the_response(
    client: Any, recording: Recording, ask: Ask, method: str
) -> None:
    with framework(recording):
        before = get_current()
        ask(client, method)
        assert get_current() == before
    span, streamed = recording.span(), method == "chat.stream"
    if streamed:
        assert 0 < span.attributes.pop(s.RESPONSE_TIME_TO_FIRST_CHUNK) < 5
    outcome = {s.STREAM_OUTCOME: "completed"} if streamed else {}
    assert_is(span, Span("theirs", {**THEIRS, **SAID, **outcome}, kind="INTERNAL"))
    assert counts(recording) == {
        s.METRIC_INPUT_TOKENS: 14,
        s.METRIC_OUTPUT_TOKENS: 9,
        s.METRIC_TOKEN_USAGE: 2,
        s.METRIC_DURATION: 1,
        **({s.METRIC_FIRST_CHUNK: 1} if streamed else {}),
    }


@WAYS
def test_what_the_framework_records_itself_is_left_to_it(
    client: Any, recording: Recording, method: str
) -> None:
    with framework(recording, scope=COUNTING):
        ask_sync(client, method)
    assert recording.the_span().name == "theirs"
    assert counts(recording) == {
        s.METRIC_INPUT_TOKENS: 14,
        s.METRIC_OUTPUT_TOKENS: 9,
        s.METRIC_DURATION: 1,
    }


def test_the_newest_names_are_nobody_elses(client: Any, recording: Recording) -> None:
    instrument(metric_names="latest")
    with framework(recording, scope=COUNTING):
        list(client.chat.stream(**arguments("chat")))
    assert counts(recording) == {
        s.METRIC_INPUT_TOKENS: 14,
        s.METRIC_OUTPUT_TOKENS: 9,
        s.METRIC_LATEST_INPUT_TOKENS: 1,
        s.METRIC_LATEST_OUTPUT_TOKENS: 1,
        s.METRIC_LATEST_DURATION: 1,
        s.METRIC_LATEST_FIRST_CHUNK: 1,
    }


def test_metrics_say_what_they_say_of_any_call(
    client: Any, emulator: Emulator, recording: Recording
) -> None:
    with framework(recording):
        client.chat.complete(**arguments("chat"))
    assert recording.exemplars()[s.METRIC_DURATION] == {"theirs"}
    ((attributes, _),) = recording.metrics()[s.METRIC_DURATION]
    assert attributes == {
        s.OPERATION_NAME: "chat",
        s.REQUEST_MODEL: MODEL,
        s.RESPONSE_MODEL: MODEL,
        **place(emulator),
    }


def test_nothing_that_the_framework_says_is_changed(client: Any, recording: Recording) -> None:
    own = {**THEIRS, s.RESPONSE_ID: "its own", s.USAGE_INPUT_TOKENS: 1}
    with framework(recording, own):
        client.chat.complete(**arguments("chat"))
    assert recording.span().attributes == {**THEIRS, **SAID, **own}


def test_content_stays_the_frameworks(client: Any, recording: Recording) -> None:
    instrument(capture_content="span_and_event")
    with framework(recording):
        list(client.chat.stream(**arguments("chat")))
    assert not any("messages" in key for key in recording.span().attributes)
    assert recording.logs() == []


def test_hooks_get_the_frameworks_span(client: Any, recording: Recording) -> None:
    seen: list[Any] = []
    instrument(
        request_hook=lambda span, kwargs: seen.append((span, kwargs["model"])),
        response_hook=lambda span, result: seen.append((span, type(result).__name__)),
    )
    with framework(recording) as theirs:
        client.chat.complete(**arguments("chat"))
    assert seen == [(theirs, MODEL), (theirs, "ChatCompletionResponse")]


def test_a_hook_cannot_change_the_request(
    client: Any, emulator: Emulator, recording: Recording, no_log_records: list[Any]
) -> None:
    def meddles(_span: Any, kwargs: Any) -> None:
        kwargs["model"] = "another"

    instrument(request_hook=meddles)
    with framework(recording):
        client.chat.complete(**arguments("chat"))
    assert [request.body["model"] for request in emulator.requests] == [MODEL]
    assert len(no_log_records) == 1
    no_log_records.clear()


def test_hooks_that_raise_take_nothing_else_with_them(
    client: Any, recording: Recording, no_log_records: list[Any]
) -> None:
    def fails(_span: Any, _said: Any) -> None:
        raise RuntimeError("a hook")

    instrument(request_hook=fails, response_hook=fails)
    with framework(recording):
        client.chat.complete(**arguments("chat"))
    assert recording.span().attributes == {**THEIRS, **SAID}
    assert counts(recording)[s.METRIC_INPUT_TOKENS] == 14
    assert len(no_log_records) == 2
    no_log_records.clear()


@BOTH
@WAYS
def test_an_error_is_the_frameworks_to_judge(
    client: Any, recording: Recording, ask: Ask, method: str
) -> None:
    # Of whatever class in this SDK; caught inside, the tracer would make an event of it.
    with framework(recording), suppress(Exception):
        ask(client, method, "http_429")
        pytest.fail("the server refused nothing")
    assert_is(
        recording.span(),
        Span("theirs", {**THEIRS, s.ERROR_CODE: "1300"}, kind="INTERNAL"),
    )
    ((attributes, _),) = recording.metrics()[s.METRIC_DURATION]
    assert attributes[s.ERROR_TYPE] == "429"


def test_a_failure_that_the_framework_mends_leaves_its_span_unset(
    client: Any, recording: Recording
) -> None:
    with framework(recording):
        with pytest.raises(Exception):  # noqa: B017, PT011 -- of whatever class in this SDK
            client.chat.complete(**arguments("chat", "http_429"))
        # It asks once more: that call has a span, the first one was told of.
        client.chat.complete(**arguments("chat"))
    mine, theirs = recording.spans()
    assert scopes([mine]) == [OURS]
    assert (theirs.status.status_code.name, len(theirs.events)) == ("UNSET", 0)
    assert mine.parent == theirs.context
    assert counts(recording)[s.METRIC_INPUT_TOKENS] == 14
    assert counts(recording)[s.METRIC_TOKEN_USAGE] == counts(recording)[s.METRIC_DURATION] == 2


def test_a_retry_of_a_framework_that_counts_is_left_to_it(
    client: Any, recording: Recording
) -> None:
    with framework(recording, scope=COUNTING):
        with pytest.raises(Exception):  # noqa: B017, PT011 -- of whatever class in this SDK
            client.chat.complete(**arguments("chat", "http_429"))
        client.chat.complete(**arguments("chat"))
        # It has its answer: this one is the user's own.
        client.chat.complete(**arguments("chat"))
    assert scopes(recording.spans()) == [OURS, OURS, COUNTING]
    found = counts(recording)
    assert (
        found[s.METRIC_INPUT_TOKENS],
        found[s.METRIC_TOKEN_USAGE],
        found[s.METRIC_DURATION],
    ) == (28, 2, 3)


def test_each_failure_leaves_the_next_request_to_the_framework(
    client: Any, recording: Recording
) -> None:
    with framework(recording, scope=COUNTING):
        for scenario in ("http_429", "http_503", None, None):
            with suppress(Exception):
                client.chat.complete(**arguments("chat", scenario))
    assert scopes(recording.spans()) == [OURS, OURS, OURS, COUNTING]
    found = counts(recording)
    # Of the two answers the framework counts the first.
    assert (
        found[s.METRIC_INPUT_TOKENS],
        found[s.METRIC_TOKEN_USAGE],
        found[s.METRIC_DURATION],
    ) == (28, 2, 4)


class Data:
    """What util-genai leaves in the context, as far as it is made use of."""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}
        self.response_id: str | None = None
        self.usage_input_tokens: int | None = None


@WAYS
def test_an_inference_of_util_genai_gets_the_facts_and_records_all_histograms(
    client: Any, emulator: Emulator, recording: Recording, method: str
) -> None:
    instrument(record_chunk_times=True)
    data = Data()
    token = attach(set_value("opentelemetry.genai.client.inference.context", data))
    ask_sync(client, method)
    detach(token)
    assert recording.spans() == []
    assert (data.response_id, data.usage_input_tokens) == ("cmpl_1", 14)
    told, streamed = data.attributes, method == "chat.stream"
    if streamed:
        assert told.pop(s.REQUEST_STREAM) is True
        assert told.pop(s.STREAM_OUTCOME) == "completed"
        assert told.pop(s.RESPONSE_TIME_TO_FIRST_CHUNK) > 0
    said = {key: value for key, value in SAID.items() if "input" not in key and ".id" not in key}
    assert told == {**THEIRS, **place(emulator), **said}
    assert set(counts(recording)) == {s.METRIC_INPUT_TOKENS, s.METRIC_OUTPUT_TOKENS}


def test_a_stream_that_breaks_is_told_of_and_the_next_call_is_the_frameworks(
    client: Any, recording: Recording
) -> None:
    with framework(recording, scope=COUNTING):
        with pytest.raises(sdk.httpx.RemoteProtocolError):
            list(client.chat.stream(**arguments("chat", "chat_cut")))
        client.chat.complete(**arguments("chat"))
    mine, theirs = recording.spans()
    assert scopes([mine]) == [OURS]
    assert plain(theirs).attributes[s.STREAM_OUTCOME] == "failed"
    assert plain(theirs).status == "UNSET"
    assert s.METRIC_TOKEN_USAGE not in counts(recording)


@pytest.mark.parametrize("way", ["close", "drop"])
def test_a_stream_that_is_left_is_told_of_as_left(
    client: Any, recording: Recording, way: str
) -> None:
    with framework(recording):
        stream = client.chat.stream(**arguments("chat"))
        next(stream)
        if way == "close":
            with stream:
                pass
        del stream
        wait_until(lambda: s.METRIC_DURATION in recording.metrics())
    outcome = {"close": "closed", "drop": "abandoned"}[way]
    assert plain(recording.the_span()).attributes[s.STREAM_OUTCOME] == outcome


def test_a_span_that_ended_before_the_stream_is_left_alone(
    client: Any, recording: Recording
) -> None:
    with framework(recording):
        stream = client.chat.stream(**arguments("chat"))
    # Setting an attribute now would be logged as a warning, which fails the test.
    assert len(list(stream)) > 0
    assert recording.span().attributes == THEIRS
    assert counts(recording)[s.METRIC_INPUT_TOKENS] == 14
    assert counts(recording)[s.METRIC_DURATION] == 1


def test_a_call_after_the_end_of_a_span_that_is_still_current_has_its_own(
    client: Any, recording: Recording
) -> None:
    tracer = recording.tracer_provider.get_tracer("framework")
    theirs = tracer.start_span("theirs", attributes=THEIRS)
    theirs.end()
    with use_span(theirs):
        client.chat.complete(**arguments("chat"))
    assert scopes(recording.spans()) == ["framework", OURS]


@pytest.mark.parametrize("operation", ["invoke_agent", "invoke_workflow", "execute_tool", "embed"])
def test_a_span_of_another_kind_adopts_nothing(
    client: Any, recording: Recording, operation: str
) -> None:
    with framework(recording, {**THEIRS, s.OPERATION_NAME: operation}) as theirs:
        client.chat.complete(**arguments("chat"))
    mine, around = recording.spans()
    assert scopes([mine]) == [OURS]
    assert mine.parent == theirs.get_span_context()
    assert dict(around.attributes or {}) == {**THEIRS, s.OPERATION_NAME: operation}


def test_another_model_has_a_span_of_its_own(client: Any, recording: Recording) -> None:
    with framework(recording, scope=COUNTING):
        client.chat.complete(**arguments("chat", model="mistral-large-latest"))
        client.chat.complete(**arguments("chat"))
    assert scopes(recording.spans()) == [OURS, COUNTING]
    assert counts(recording)[s.METRIC_TOKEN_USAGE] == 2


@pytest.mark.parametrize("method", ["start", "start_stream"])
def test_a_conversation_has_a_span_of_its_own(
    client: Any, recording: Recording, method: str
) -> None:
    with framework(recording, {**THEIRS}):
        answer = getattr(client.beta.conversations, method)(model=MODEL, inputs="Hello?")
        if method == "start_stream":
            list(answer)
        client.chat.complete(**arguments("chat"))
    assert scopes(recording.spans()) == [OURS, "framework"]
    assert plain(recording.spans()[1]).attributes == {**THEIRS, **SAID}


def test_a_call_that_names_an_agent_is_told_of_by_a_span_without_a_model(
    client: Any, recording: Recording
) -> None:
    with framework(recording, {s.OPERATION_NAME: "chat"}):
        client.agents.complete(**arguments("agents"))
    assert scopes(recording.spans()) == ["framework"]
    with framework(recording):
        client.agents.complete(**arguments("agents"))
    assert scopes(recording.spans())[1:] == [OURS, "framework"]


def test_of_calls_in_threads_one_is_adopted(client: Any, recording: Recording) -> None:
    from contextvars import copy_context

    with framework(recording):
        threads = [
            threading.Thread(
                target=copy_context().run,
                args=(lambda: client.chat.complete(**arguments("chat")),),
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(scopes(recording.spans())) == ["framework", OURS, OURS, OURS]
    assert counts(recording)[s.METRIC_INPUT_TOKENS] == 4 * 14


def test_of_calls_in_tasks_one_is_adopted(client: Any, recording: Recording) -> None:
    async def ask() -> None:
        async with sdk.httpx.AsyncClient(verify=False) as http:
            known = client.sdk_configuration
            own = sdk.Mistral(
                "key", server_url=known.server_url, client=known.client, async_client=http
            )
            with framework(recording):
                calls = (own.chat.complete_async(**arguments("chat")) for _ in range(4))
                await asyncio.gather(*calls)

    asyncio.run(ask())
    assert sorted(scopes(recording.spans())) == ["framework", OURS, OURS, OURS]


def test_a_call_inside_an_adopted_call_has_a_span_of_its_own(
    client: Any, emulator: Emulator, recording: Recording
) -> None:
    asked: list[Any] = []

    def ask_again(_request: Any) -> None:
        if not asked:
            asked.append(True)
            client.chat.complete(**arguments("chat"))

    with (
        sdk.httpx.Client(verify=False, event_hooks={"request": [ask_again]}) as http,
        framework(recording),
    ):
        unused = client.sdk_configuration.async_client
        own = sdk.Mistral("key", server_url=emulator.url, client=http, async_client=unused)
        own.chat.complete(**arguments("chat"))
    assert scopes(recording.spans()) == [OURS, "framework"]


def test_who_asks_for_spans_of_our_own_has_them(
    client: Any, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_telemetry.Switch.telemetry, "adopts", False, raising=False)
    with framework(recording, scope=COUNTING):
        client.chat.complete(**arguments("chat"))
    assert scopes(recording.spans()) == [OURS, COUNTING]
    assert counts(recording)[s.METRIC_TOKEN_USAGE] == 2


def test_the_time_between_chunks_is_recorded(client: Any, recording: Recording) -> None:
    instrument(record_chunk_times=True)
    with framework(recording, scope=COUNTING):
        list(client.chat.stream(**arguments("chat")))
    assert counts(recording)[s.METRIC_CHUNK] == 3


PROGRAM: Final = """
    from opentelemetry import trace
    from tests.support.completions import arguments
    exporting('global')
    {on}
    attributes = {{"gen_ai.operation.name": "chat", "gen_ai.request.model": "mistral-small-latest"}}
    with trace.get_tracer("framework").start_as_current_span("theirs", attributes=attributes):
        {call}
"""
CALLS: Final = {
    "whole": "client.chat.complete(**arguments('chat'))",
    "streamed": "list(client.chat.stream(**arguments('chat')))",
}


def program(emulator: Emulator, call: str, on: str = "instrument()") -> Ran:
    emulator.clear()
    ran = run(PROGRAM.format(on=on, call=CALLS[call]), emulator.url, **ASKED)
    assert (ran.code, ran.stderr) == (0, "")
    return ran


@pytest.mark.parametrize("call", CALLS)
def test_the_sdks_own_spans_stay_replaced_and_the_frameworks_is_sent(
    emulator: Emulator, call: str
) -> None:
    bare = program(emulator, call, on="")
    assert len(bare.spans(NATIVE)) == traces(ASKED)
    ran = program(emulator, call)
    (theirs,) = ran.spans("framework")
    assert ran.spans() == ran.spans(NATIVE) == []
    assert sent(emulator) == [ids(theirs) if traces(ASKED) else None]


def test_a_stream_that_is_open_at_exit_is_counted_before_the_provider_shuts_down(
    emulator: Emulator,
) -> None:
    ran = run(
        """
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics import export
        from tests.support.completions import arguments
        class Lines(export.ConsoleMetricExporter):
            def export(self, metrics_data, timeout_millis=10_000, **kwargs):
                emit(metrics_data.to_json())
                return export.MetricExportResult.SUCCESS
        exporting('global')
        metrics.set_meter_provider(MeterProvider([export.PeriodicExportingMetricReader(Lines())]))
        instrument()
        attributes = {"gen_ai.operation.name": "chat"}
        span = trace.get_tracer("framework").start_span("theirs", attributes=attributes)
        with trace.use_span(span):
            stream = client.chat.stream(**arguments("chat"))
            next(stream)
        """,
        emulator.url,
    )
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.spans() == []
    (metrics,) = [line for line in ran.said() if "resource_metrics" in line]
    assert '"gen_ai.client.operation.duration"' in metrics
    assert '"abandoned"' in metrics
