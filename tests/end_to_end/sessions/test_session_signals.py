# SPDX-License-Identifier: Apache-2.0
"""What a session says beside its span, and in whose context; and what switches that off."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import names as s
from tests.support.completions import place
from tests.support.recording import Recording
from tests.support.sessions import (
    DONE,
    KINDS,
    MODEL,
    OPEN,
    asking,
    connect,
    helper,
    name_of,
    needs_sessions,
)

COUNTED: Final = {
    "realtime": {s.METRIC_INPUT_TOKENS: 4, s.METRIC_OUTPUT_TOKENS: 8, s.METRIC_CACHE_READ: 3},
    "realtime_speech": {s.METRIC_INPUT_TOKENS: 3, s.METRIC_OUTPUT_TOKENS: 10},
}
VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_MISTRALAI_SESSION_SPANS"


@pytest.fixture
def made() -> Iterator[Recording]:
    """A recording that the test itself switches on."""
    yield Recording()
    uninstrument()


async def use(emulator: Emulator, kind: str, scenario: str | None = None) -> list[str]:
    async with asking(emulator) as client:
        return [name_of(event) async for event in helper(client, kind, scenario)]


def assert_metrics(
    made: Recording, emulator: Emulator, kind: str, first: str = s.METRIC_FIRST_CHUNK
) -> None:
    """The usage counters and the time to the first chunk, and nothing else."""
    metrics = made.metrics()
    common = {
        **place(emulator),
        s.OPERATION_NAME: "generate_content",
        s.REQUEST_MODEL: MODEL,
        s.RESPONSE_MODEL: MODEL,
    }
    ((attributes, (count, _)),) = metrics.pop(first)
    assert (attributes, count) == (common, 1)
    counted = {**common, s.TOKEN_MODALITY: "unknown"}
    assert metrics == {name: [(counted, n)] for name, n in COUNTED[kind].items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("names", "first"), [("v1.41", s.METRIC_FIRST_CHUNK), ("latest", s.METRIC_LATEST_FIRST_CHUNK)]
)
async def test_a_session_has_counters_and_no_duration(
    emulator: Emulator, made: Recording, kind: str, names: Any, first: str
) -> None:
    instrument(**made.providers, metric_names=names)
    await use(emulator, kind)
    assert made.exemplars()[first] == {f"generate_content {MODEL}"}
    assert_metrics(made, emulator, kind, first)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["argument", "variable"])
async def test_without_session_spans_there_are_the_same_counters(
    emulator: Emulator, made: Recording, kind: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked: list[Any] = []

    def hook(span: Any, told: Any) -> None:
        hooked.append((span, told))

    if by == "variable":
        monkeypatch.setenv(VARIABLE, "False")
    options: dict[str, Any] = {"session_spans": False} if by == "argument" else {}
    instrument(**made.providers, **options, capture_content="span_and_event",
               request_hook=hook,
               response_hook=hook)  # fmt: skip
    assert (await use(emulator, kind))[-1] in DONE
    assert (made.started, made.logs(), hooked) == (0, [], [])
    assert_metrics(made, emulator, kind)
    # Other calls are spans, and so are sessions once they may be.
    instrument(session_spans=True)
    await use(emulator, kind)
    assert made.span().name == f"generate_content {MODEL}"


@pytest.mark.parametrize("kind", KINDS)
async def test_without_session_spans_a_failed_or_left_session_counts_no_tokens(
    emulator: Emulator, made: Recording, kind: str
) -> None:
    instrument(**made.providers, session_spans=False)
    async with asking(emulator) as client:
        with pytest.raises(Exception, match="401"):
            await connect(client, kind, "refused_401")
        async with await connect(client, kind, OPEN[kind]):
            pass
        del client
    points = made.metrics()[s.METRIC_INPUT_TOKENS]
    assert sorted((s.RESPONSE_MODEL in told, n) for told, n in points) == [
        (False, 0),
        (True, 0),
    ]
    assert made.started == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_session_that_is_sampled_out_is_counted(
    emulator: Emulator, made: Recording, kind: str
) -> None:
    providers: dict[str, Any] = {**made.providers, "tracer_provider": TracerProvider(ALWAYS_OFF)}
    instrument(**providers)
    await use(emulator, kind)
    assert made.finished() == []
    assert_metrics(made, emulator, kind)


@needs_sessions
async def test_chunk_times_are_recorded_when_they_are_wanted(
    emulator: Emulator, made: Recording
) -> None:
    instrument(**made.providers, record_chunk_times=True)
    await use(emulator, "realtime")
    ((_, (count, _)),) = made.metrics()[s.METRIC_CHUNK]
    assert count == 1


class Baggage(SpanProcessor):
    """Copies baggage onto spans, as many applications do."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        span.set_attributes(dict(baggage.get_all(parent_context)))


@needs_sessions
async def test_everything_of_a_session_is_in_the_context_of_its_connect(
    emulator: Emulator, recording: Recording
) -> None:
    """Another user's task reads it, and another closes it."""
    recording.tracer_provider.add_span_processor(Baggage())
    tracer = recording.tracer_provider.get_tracer("application")
    async with asking(emulator) as client:
        with tracer.start_as_current_span("request"):
            token = otel_context.attach(baggage.set_baggage("user", "ada"))
            outer = trace.get_current_span()
            connection = await connect(client, "realtime", "cut")
            # Our span is current during the handshake only.
            assert trace.get_current_span() is outer
            otel_context.detach(token)

        async def read() -> list[trace.Span]:
            otel_context.attach(baggage.set_baggage("user", "eve"))
            seen = [trace.get_current_span()]
            # It is cut.
            with suppress(Exception):
                async for _ in connection:
                    seen += [trace.get_current_span()]
            assert baggage.get_baggage("user") == "eve"
            return seen

        seen = await asyncio.create_task(read())
    assert not any(span.get_span_context().is_valid for span in seen)
    (session, request) = sorted(recording.spans(), key=lambda span: span.name)
    assert request.context is not None
    assert session.context is not None
    assert session.parent is not None
    assert session.parent.span_id == request.context.span_id
    assert (session.attributes or {})["user"] == "ada"
    (log,) = recording.logs()
    assert log.span_id == session.context.span_id


@needs_sessions
async def test_our_span_is_current_during_the_handshake(
    emulator: Emulator, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("mistralai.extra.realtime.transcription")
    real, seen = module.connect, list[trace.Span]()

    def spying(*args: Any, **options: Any) -> Any:
        seen.append(trace.get_current_span())
        return real(*args, **options)

    monkeypatch.setattr(module, "connect", spying)
    await use(emulator, "realtime")
    span = recording.the_span()
    assert [one.get_span_context() for one in seen] == [span.context]


@needs_sessions
async def test_the_applications_conversation_is_the_sessions(
    emulator: Emulator, recording: Recording
) -> None:
    token = otel_context.attach(baggage.set_baggage(s.CONVERSATION_ID, "conv_mine"))
    await use(emulator, "realtime")
    otel_context.detach(token)
    assert recording.span().attributes[s.CONVERSATION_ID] == "conv_mine"


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_is_recorded_of_a_session_that_is_suppressed(
    emulator: Emulator, recording: Recording, kind: str
) -> None:
    async with asking(emulator) as client:
        with suppress_instrumentation():
            connection = await connect(client, kind, OPEN[kind])
        async with connection:
            async for _ in connection:
                break
    assert (recording.started, recording.metrics()) == (0, {})


@pytest.mark.parametrize("kind", KINDS)
async def test_a_session_inside_a_frameworks_inference_has_a_span_of_its_own(
    emulator: Emulator, recording: Recording, kind: str
) -> None:
    """It may outlive that."""
    told = {s.OPERATION_NAME: "chat", s.REQUEST_MODEL: MODEL}
    tracer = recording.tracer_provider.get_tracer("framework")
    with tracer.start_as_current_span("theirs", attributes=told):
        await use(emulator, kind)
    names = [span.name for span in recording.spans()]
    assert names == [f"generate_content {MODEL}", "theirs"]


@needs_sessions
async def test_an_open_session_ends_after_instrumentation_was_switched_off(
    emulator: Emulator, made: Recording
) -> None:
    instrument(**made.providers)
    async with asking(emulator) as client:
        connection = await connect(client, "realtime", "heard")
        uninstrument()
        unrecorded = await connect(client, "realtime", "open")
        await connection.end_audio()
        async for _ in connection:
            pass
        await unrecorded.close()
        await connection.close()
    span = made.span()
    assert span.attributes[s.STREAM_OUTCOME] == "completed"
    assert span.attributes[s.USAGE_INPUT_TOKENS] == 4
    instrument(**made.providers)
    await use(emulator, "realtime")
    assert len(made.spans()) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_modules_that_are_reloaded_are_recorded(
    emulator: Emulator, recording: Recording, kind: str
) -> None:
    async with asking(emulator) as client:
        before = await connect(client, kind, OPEN[kind])
        for name in ("connection", "transcription", "speech"):
            if kind == "realtime_speech" or name != "speech":
                importlib.reload(importlib.import_module(f"mistralai.extra.realtime.{name}"))
        importlib.reload(importlib.import_module("mistralai.extra.realtime"))
        await before.close()
    await use(emulator, kind)
    outcomes = [(span.attributes or {})[s.STREAM_OUTCOME] for span in recording.spans()]
    assert outcomes == ["closed", "completed"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["span_only", "event_only"])
async def test_words_are_recorded_when_they_are_wanted(
    emulator: Emulator, made: Recording, kind: str, mode: str
) -> None:
    instrument(**made.providers, capture_content=mode,
               redact=lambda text: text.replace("Hello", "[name]"))  # fmt: skip
    await use(emulator, kind)
    span, events = made.span(), made.logs()
    told: dict[str, Any]
    if mode == "span_only":
        told = {key: json.loads(value) for key, value in span.attributes.items()
                if key.endswith("put.messages")}  # fmt: skip
        assert events == []
    else:
        told = {key: value for key, value in dict(events[0].attributes or {}).items()
                if key.endswith("put.messages")}  # fmt: skip
        assert not any(key.endswith("put.messages") for key in span.attributes)
    text = json.dumps(told, default=list)
    assert "Hello" not in text
    if kind == "realtime":
        assert '"size": 15' in text
        assert "[name], who is speaking?" in text
        assert '"finish_reason": "stop"' in text
    else:
        assert "[name], you" in text
        assert "AAAA" not in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", ["cut", "rejected", "error_event", "refused_403"])
async def test_no_word_is_recorded_unasked(
    emulator: Emulator, recording: Recording, kind: str, scenario: str
) -> None:
    async with asking(emulator) as client:
        # What is raised is the matter of other tests.
        with suppress(Exception):
            async with await connect(client, kind, scenario) as connection:
                if kind == "realtime_speech":
                    await connection.send_text("Hello")
                async for event in connection:
                    if name_of(event) == "error":
                        break
    (span,), logs = recording.spans(), recording.logs()
    told = repr((span.attributes, [event.attributes for event in span.events], span.status))
    assert "Hello" not in told + repr([(log.attributes, log.body) for log in logs])


@needs_sessions
async def test_hooks_get_the_arguments_by_name_and_the_closing_event(
    emulator: Emulator, made: Recording
) -> None:
    seen: list[Any] = []
    instrument(
        **made.providers,
        request_hook=lambda _, kwargs: seen.append(kwargs["model"]),
        response_hook=lambda _, result: seen.append(result and name_of(result)),
    )
    async with asking(emulator) as client:
        for scenario in ("done_and_open", "error_event", "unfinished"):
            async with await connect(client, "realtime", scenario) as connection:
                async for event in connection:
                    if name_of(event) in {"error", *DONE}:
                        break
    assert seen == [MODEL, "transcription.done", MODEL, "error", MODEL, None]


@needs_sessions
async def test_the_address_is_that_of_the_session(emulator: Emulator, recording: Recording) -> None:
    port = emulator.url.rpartition(":")[2]
    async with asking(emulator) as client:
        for url in (f"ws://localhost:{port}", f"http://localhost:{port}/"):
            connection = await connect(client, "realtime", "open", server_url=url)
            await connection.close()
    for span in recording.spans():
        told = span.attributes or {}
        assert (told[s.SERVER_ADDRESS], told[s.SERVER_PORT]) == ("localhost", int(port))
