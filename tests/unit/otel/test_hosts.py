# SPDX-License-Identifier: Apache-2.0
"""Whose span, or inference, a call is made inside of; with the real OpenTelemetry SDK."""

from __future__ import annotations

import gc
import threading
import weakref
from types import SimpleNamespace
from typing import Any, Final

import pytest
from opentelemetry.baggage import set_baggage
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext
from opentelemetry.trace.propagation import set_span_in_context

from opentelemetry.instrumentation.genai.mistralai import _log as _guard
from opentelemetry.instrumentation.genai.mistralai._otel import hosts as _hosts
from opentelemetry.instrumentation.genai.mistralai._otel.hosts import Host, find_host
from opentelemetry.instrumentation.genai.mistralai._reading.requests import (
    COUNTED,
    TIMED,
    Request,
    model_request,
)
from tests.support import names as s

MODEL: Final = "mistral-small-latest"
INFERENCE_DATA: Final = "opentelemetry.genai.client.inference.context"
EMBEDDINGS_DATA: Final = "opentelemetry.genai.client.embedding.context"
COUNTING: Final = "pydantic-ai"
TELEMETRY: Final = SimpleNamespace()
COUNTS_ITSELF: Final = frozenset({s.METRIC_TOKEN_USAGE, s.METRIC_FIRST_CHUNK})
OF_UTIL_GENAI: Final = {
    s.METRIC_TOKEN_USAGE,
    s.METRIC_DURATION,
    s.METRIC_FIRST_CHUNK,
    s.METRIC_CHUNK,
}
_provider: Final = TracerProvider(shutdown_on_exit=False)


def span_of(scope: str = "framework", operation: str | None = "chat", **attributes: Any) -> Span:
    told = {s.OPERATION_NAME: operation} if operation else {}
    given = {key.replace("_", "."): value for key, value in attributes.items()}
    return _provider.get_tracer(scope).start_span("theirs", attributes={**told, **given})


def named(model: str | None = MODEL, scope: str = "framework") -> Span:
    attributes = {s.OPERATION_NAME: "chat", **({s.REQUEST_MODEL: model} if model else {})}
    return _provider.get_tracer(scope).start_span("theirs", attributes=attributes)


def inside(span: Span, **values: Any) -> Context:
    return Context({**set_span_in_context(span, Context()), **values})


def request(
    model: str | None = MODEL, operation: str = "chat", measured: str | None = None
) -> Request:
    made = model_request(operation, {"model": model} if model else {})
    made.measured = measured or made.measured
    return made


def find(context: Context, asked: Request | None = None) -> Host | None:
    return find_host(context, asked or request(), TELEMETRY)


@pytest.mark.parametrize(
    "context",
    [
        Context(),
        Context({"mine": 1}),
        set_baggage("user.id", "alice", Context()),
        inside(span_of(operation=None)),
        inside(span_of(operation="invoke_agent")),
        inside(span_of(operation="invoke_workflow")),
        inside(span_of(operation="execute_tool")),
        inside(span_of(operation="embeddings")),
        inside(span_of(scope="opentelemetry.instrumentation.genai.mistralai")),
        inside(span_of(scope="mistralai_sdk_tracer")),
        inside(span_of(scope="mistralai.extra.run.tools")),
        inside(named("mistral-large-latest")),
        inside(named("fallback:mistral-large-latest,codestral-latest")),
        inside(NonRecordingSpan(SpanContext(1, 2, is_remote=True))),
        Context({EMBEDDINGS_DATA: SimpleNamespace()}),
    ],
    ids=[
        "nothing", "no span", "baggage", "a user's span", "an agent", "a workflow", "a tool",
        "embeddings", "ours", "the SDK's", "the SDK's loop", "another model", "other models",
        "a remote span", "another inference's data",
    ],
)  # fmt: skip
def test_a_call_has_no_host(context: Context) -> None:
    assert find(context) is None


@pytest.mark.parametrize("operation", ["chat", "text_completion", "generate_content"])
@pytest.mark.parametrize("model", [MODEL, None], ids=["same model", "no model"])
def test_an_inference_of_another_scope_is_a_host(operation: str, model: str | None) -> None:
    span = span_of(operation=operation)
    if model:
        span.set_attribute(s.REQUEST_MODEL, model)
    host = find(inside(span))
    assert host is not None
    assert (host.span, host.data, host.adopts, host.recorded) == (span, None, True, frozenset())


def test_a_call_that_names_no_model_is_adopted_by_a_span_that_names_none() -> None:
    asks_agent = request(None, "invoke_agent")
    assert find(inside(named()), asks_agent) is None
    assert find(inside(named(None)), asks_agent) is not None


def test_embeddings_are_adopted_by_embeddings_alone() -> None:
    asked = request("mistral-embed", "embeddings", COUNTED)
    assert find(inside(named(None)), asked) is None
    assert find(inside(span_of(operation="embeddings")), asked) is not None


@pytest.mark.parametrize("data", [None, SimpleNamespace()], ids=["a span", "util-genai"])
def test_moderation_and_the_like_are_never_adopted(data: Any) -> None:
    context = inside(named(None), **({INFERENCE_DATA: data} if data else {}))
    assert find(context, request(measured=TIMED)) is None


def test_who_wants_no_hosts_has_none() -> None:
    context = inside(named(), **{INFERENCE_DATA: SimpleNamespace()})
    assert find_host(context, request(), SimpleNamespace(adopts=False)) is None
    assert find_host(context, request(), SimpleNamespace(adopts=True)) is not None


def test_an_ended_span_is_no_host() -> None:
    span = named()
    span.end()
    assert find(inside(span)) is None


def test_a_span_that_is_sampled_out_cannot_be_recognised() -> None:
    tracer = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("framework")
    span = tracer.start_span("theirs", attributes={s.OPERATION_NAME: "chat"})
    assert find(inside(span)) is None


class Wrapper(NonRecordingSpan):
    """A vendor's span: it records, and shows nothing."""

    def is_recording(self) -> bool:
        return True


def test_a_span_without_readable_attributes_is_no_host() -> None:
    assert find(inside(Wrapper(SpanContext(1, 2, is_remote=False)))) is None


class Broken(Wrapper):
    @property
    def attributes(self) -> Any:
        raise RuntimeError("no attributes today")


class Unhashable(Wrapper):
    attributes: Any = {s.OPERATION_NAME: "chat"}  # noqa: RUF012 -- a fake
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("kind", [Broken, Unhashable])
def test_a_span_that_raises_is_no_host(
    kind: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_guard, "_reported", set[tuple[str, str]]())
    for _ in range(2):
        assert find(inside(kind(SpanContext(1, 2, is_remote=False)))) is None
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "telemetry failed (look for a host)"
    ]


def test_the_first_call_alone_is_adopted() -> None:
    context = inside(named())
    assert [find(context) is not None for _ in range(3)] == [True, False, False]


def test_another_model_before_it_takes_nothing_away() -> None:
    context = inside(named())
    assert find(context, request("mistral-large-latest")) is None
    assert find(context) is not None


def test_after_a_failure_the_next_call_is_the_frameworks_but_not_adopted() -> None:
    context = inside(named(scope=COUNTING))
    first = find(context)
    assert first is not None
    assert first.adopts
    # The user's own, while the framework's is under way.
    assert find(context) is None
    assert first.seat is not None
    first.seat.give_back()
    second = find(context)
    assert second is not None
    assert not second.adopts
    assert second.recorded == COUNTS_ITSELF
    # It answers, so what comes now is the user's own.
    assert find(context) is None


def test_a_fallback_model_adopts_none_of_its_models() -> None:
    span = named(f"fallback:{MODEL},mistral-large-latest", COUNTING)
    context = inside(span)
    first = find(context)
    assert first is not None
    assert (first.adopts, first.recorded) == (False, COUNTS_ITSELF)
    assert first.seat is not None
    first.seat.give_back()
    second = find(context, request("mistral-large-latest"))
    assert second is not None
    assert not second.adopts
    # The framework names the model that answered; a call of the user's asks for the same.
    span.set_attribute(s.REQUEST_MODEL, "mistral-large-latest")
    assert find(context, request("mistral-large-latest")) is None


def test_of_calls_in_many_threads_one_is_adopted() -> None:
    for _ in range(50):
        context, found = inside(named()), list[bool]()
        barrier = threading.Barrier(8)

        def look(context: Context = context, barrier: Any = barrier, found: Any = found) -> None:
            barrier.wait()
            found.append(find(context) is not None)

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [False] * 7 + [True]


def test_a_span_is_not_kept_alive() -> None:
    gc.collect()
    before = len(_hosts._seats)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    span = named()
    assert find(inside(span)) is not None
    assert len(_hosts._seats) == before + 1  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    reference = weakref.ref(span)
    span.end()
    del span
    gc.collect()
    assert reference() is None
    assert len(_hosts._seats) == before  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("sampled", [True, False])
def test_inside_an_inference_of_util_genai_every_call_has_its_data(*, sampled: bool) -> None:
    data = SimpleNamespace()
    span = named("whatever") if sampled else NonRecordingSpan(SpanContext(1, 2, is_remote=False))
    context = inside(span, **{INFERENCE_DATA: data})
    for _ in range(2):
        host = find(context)
        assert host is not None
        assert (host.span, host.data, host.adopts, host.seat) == (span, data, True, None)
        assert host.recorded == OF_UTIL_GENAI


def test_inside_an_embedding_of_util_genai_embeddings_have_its_data() -> None:
    data = SimpleNamespace()
    context = inside(span_of(operation="embeddings"), **{EMBEDDINGS_DATA: data})
    host = find(context, request("mistral-embed", "embeddings", COUNTED))
    assert host is not None
    assert host.data is data


def test_an_inference_that_is_over_is_no_host() -> None:
    span = named()
    span.end()
    assert find(inside(span, **{INFERENCE_DATA: SimpleNamespace()})) is None


def test_the_users_span_inside_an_inference_changes_nothing() -> None:
    data = SimpleNamespace()
    host = find(inside(span_of(operation=None), **{INFERENCE_DATA: data}))
    assert host is not None
    assert host.data is data


class Data:
    """As `InferenceData`, with some of its fields."""

    def __init__(self) -> None:
        self.usage_input_tokens: int | None = None
        self.response_model: str | None = None
        self.attributes: dict[str, Any] = {}


SAID: Final[dict[str, Any]] = {
    s.USAGE_INPUT_TOKENS: 14,
    s.RESPONSE_MODEL: MODEL,
    s.USAGE_TOTAL_TOKENS: 23,
}


def test_its_fields_are_named_after_the_attributes() -> None:
    data = Data()
    Host(span_of(), frozenset(), data=data).tell({s.AGENT_ID: "ag_1"}, SAID)
    assert (data.usage_input_tokens, data.response_model) == (14, MODEL)
    assert data.attributes == {s.AGENT_ID: "ag_1", s.USAGE_TOTAL_TOKENS: 23}


def test_the_tokens_that_a_framework_counts_are_not_published() -> None:
    data, span = Data(), named(scope=COUNTING)
    host = find(inside(span, **{INFERENCE_DATA: data}))
    assert host is not None
    assert host.recorded == OF_UTIL_GENAI
    host.tell({}, SAID)
    assert (data.usage_input_tokens, data.response_model, data.attributes) == (None, MODEL, {})
    told: Any = span
    assert told.attributes[s.USAGE_INPUT_TOKENS] == 14


def test_a_frameworks_span_is_told_of_the_response_and_never_corrected() -> None:
    span: Any = named()
    span.set_attribute(s.USAGE_INPUT_TOKENS, 1)
    Host(span, frozenset()).tell({s.REQUEST_TOP_P: 0.1}, {**SAID, s.INPUT_MESSAGES: "secret"})
    assert dict(span.attributes) == {
        s.OPERATION_NAME: "chat",
        s.REQUEST_MODEL: MODEL,
        s.USAGE_INPUT_TOKENS: 1,
        s.RESPONSE_MODEL: MODEL,
        s.USAGE_TOTAL_TOKENS: 23,
    }


def test_a_span_that_has_ended_is_told_nothing(caplog: pytest.LogCaptureFixture) -> None:
    span: Any = named()
    span.end()
    Host(span, frozenset()).tell({}, SAID)
    assert s.RESPONSE_MODEL not in span.attributes
    assert caplog.records == []
