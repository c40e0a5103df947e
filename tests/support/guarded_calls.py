# SPDX-License-Identifier: Apache-2.0
"""The calls behind whose guards failures are forced, and what was seen of each."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import re
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, cast

import pytest
from opentelemetry.context import attach, detach, set_value

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from opentelemetry.instrumentation.genai.mistralai._otel import dropped as _dropped
from opentelemetry.instrumentation.genai.mistralai._otel.open_calls import open_calls
from opentelemetry.instrumentation.genai.mistralai._recording.conversation import HANDLERS
from opentelemetry.instrumentation.genai.mistralai._sdk import imports as _imports
from tests.support import names as s
from tests.support import sdk
from tests.support.agent_runs import add, asking, prepared, run
from tests.support.batches import batch, output
from tests.support.conversations import with_defaults
from tests.support.guards import Tracer
from tests.support.recording import Recording, wait_until

NAN: Final = float("nan")
_PACKAGE: Final = "opentelemetry.instrumentation.genai.mistralai"
# What differs from run to run.
_ID: Final = re.compile(r"conv_[0-9a-f]+")
# Neither the failure's text nor anything else that a user wrote is in it.
_LINE: Final = re.compile(r"^telemetry failed \((.*)\): [A-Za-z]+ at \S+\.py:\d+$")
_TIMES: Final = frozenset({"created_at", "completed_at", "created"})
_OF_THE_RUN: Final = re.compile(r"time_to_first_chunk|created_at|clock|chunk_times|stacktrace")


@dataclass
class Stage:
    """What a call is made with."""

    emulator: Emulator
    client: Any
    recording: Recording


Scene = Callable[[Stage], Any]


class Broken(Exception):  # noqa: N818 -- of the user's, who may name it so
    """What the user's HTTP client raises."""

    status_code = 418


def chat_arguments(scenario: str = "chat") -> dict[str, Any]:
    """The arguments of a chat."""
    return {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello?"}],
        "temperature": 0.5,
        "max_tokens": 9,
        "http_headers": {"x-emulator-scenario": scenario},
    }


def conversation(stage: Stage, scenario: str = "web_search") -> Any:
    """A streamed conversation, with a tool of the server's."""
    return list(stage.client.beta.conversations.start_stream(**with_defaults(scenario, {})))


def handoff(stage: Stage) -> Any:
    """A conversation that another agent takes over."""
    return conversation(stage, "handoff")


def typed_settings(stage: Stage) -> Any:
    """A conversation whose settings are an object of the SDK's."""
    arguments = with_defaults("answer", {})
    models: Any = importlib.import_module(f"{sdk.ROOT}.models")
    arguments["completion_args"] = models.CompletionArgs(temperature=0.5, max_tokens=9)
    return list(stage.client.beta.conversations.start_stream(**arguments))


def chat(stage: Stage) -> Any:
    """A chat."""
    return stage.client.chat.complete(**chat_arguments())


def chat_awaited(stage: Stage) -> Any:
    """A chat that is awaited."""

    async def go() -> Any:
        async with sdk.Mistral(api_key="key", server_url=stage.emulator.url) as client:
            return await client.chat.complete_async(**chat_arguments())

    return asyncio.run(go())


def chat_that_stops(stage: Stage) -> Any:
    """A chat with a setting that has to be converted."""
    return stage.client.chat.complete(**chat_arguments(), stop="end")


def chat_inside(stage: Stage) -> Any:
    """A chat inside something of the caller's."""
    token = attach(set_value("of the caller", 1))
    try:
        return chat(stage)
    finally:
        detach(token)


def chat_of_a_framework(stage: Stage) -> Any:
    """A chat inside an inference span of somebody else's."""
    tracer = stage.recording.tracer_provider.get_tracer("framework")
    told = {s.OPERATION_NAME: "chat", s.REQUEST_MODEL: "m"}
    with tracer.start_as_current_span("theirs", attributes=told):
        return chat(stage)


def strange_tool(stage: Stage) -> Any:
    """A chat that tells what JSON has no word for in the arguments of an earlier call."""
    messages = [
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"x": NAN}}}],
        },
        {"role": "tool", "content": "1", "tool_call_id": "1"},
    ]
    try:
        return stage.client.chat.complete(**{**chat_arguments(), "messages": messages})
    except ValueError:
        return "refused by the HTTP client"


def refused(stage: Stage) -> Any:
    """A chat that the server refuses."""
    return stage.client.chat.complete(**chat_arguments("http_429"))


def unreachable(stage: Stage) -> Any:
    """A chat whose HTTP client raises an exception of the user's."""

    def refuse(_request: Any) -> Any:
        raise Broken

    with sdk.httpx.Client(transport=sdk.httpx.MockTransport(refuse)) as http:
        client = sdk.Mistral(api_key="key", server_url=stage.emulator.url, client=http)
        return client.chat.complete(**chat_arguments())


def chat_stream(stage: Stage) -> Any:
    """A chat's stream, read to its end."""
    return list(stage.client.chat.stream(**chat_arguments()))


def session(stage: Stage, kind: str = "realtime") -> Any:
    """A realtime session, read to its end."""

    async def go() -> list[Any]:
        async with sdk.Mistral(api_key="key", server_url=stage.emulator.url) as client:
            connection = await getattr(client.audio, kind).connect("m")
            async with connection:
                if kind == "realtime":
                    await connection.end_audio()
                else:
                    await connection.send_text("Hello")
                    await connection.end()
                return [event async for event in connection]

    return asyncio.run(go())


def session_of_words(stage: Stage) -> Any:
    """The same, with words that are sent."""
    return session(stage, "realtime_speech")


def transcription(stage: Stage) -> Any:
    """A transcription's stream, read to its end."""
    heard = {"file_name": "hello.mp3", "content": b"\x00"}
    return list(stage.client.audio.transcriptions.stream(model="m", file=heard))


def workflow_events(stage: Stage) -> Any:
    """The events of a workflow's execution, read to their end."""
    return list(stage.client.workflows.executions.stream(execution_id="exec_1"))


def index_summary(stage: Stage) -> Any:
    """The summary of an index, read to its end."""
    indexes = stage.client.beta.context.search_indexes
    return list(indexes.generate_index_summary(language="en", index_name="books"))


def batch_results(stage: Stage) -> Any:
    """The results of a batch that is done."""
    return str(batch(stage.emulator, output))


def cut_stream(stage: Stage) -> Any:
    """A conversation whose stream breaks off."""
    return conversation(stage, "dropped_connection")


def interrupted(stage: Stage) -> Any:
    """A conversation whose last word an interrupt keeps from being understood, and is dropped."""
    done = "conversation.response.done"
    handler, told = HANDLERS[done], list[Any]()

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    stream = stage.client.beta.conversations.start_stream(**with_defaults("web_search", {}))
    with pytest.MonkeyPatch.context() as patcher, suppress(KeyboardInterrupt):
        patcher.setitem(HANDLERS, done, interrupt)
        told.extend(stream)
    assert HANDLERS[done] is handler
    del stream
    gc.collect()
    open_calls.end_dropped()
    settled(stage)
    return told


def left_early(stage: Stage) -> Any:
    """A chat's stream, left early and kept."""
    with stage.client.chat.stream(**chat_arguments()) as stream:
        first = next(stream)
    # Dropped spans are ended by a thread, or by the next call; the stream is kept meanwhile.
    settled(stage)
    return first, type(stream).__name__


def left_at_exit(stage: Stage) -> Any:
    """A chat's stream that is open at exit."""
    stream = stage.client.chat.stream(**chat_arguments())
    first = next(stream)
    try:
        open_calls.end_all()
    finally:
        vars(open_calls)["_waker"].start()
    stream.response.close()
    return first


def dropped(stage: Stage, *, alone: bool = False) -> Any:
    """A chat's stream that was dropped, and the thread that ends it; unless alone, we help."""
    stream = stage.client.chat.stream(**chat_arguments())
    first = next(stream)
    stream.response.close()
    waker, name = vars(open_calls)["_waker"], vars(_dropped)["_FLAG"]
    flag = cast("dict[str, object]", vars(waker)["_flag"])
    wait_until(lambda: not flag)
    # What starts the thread is called here, where it is seen: nobody else starts one.
    flag[name] = 1
    del stream
    gc.collect()
    getattr(waker, "_bootstrap")()  # noqa: B009 -- a private name
    if not alone:
        open_calls.end_dropped()
    settled(stage)
    wait_until(lambda: not flag)
    return first, flag.get(name)


def dropped_alone(stage: Stage) -> Any:
    """The same, of which nobody but the thread takes care."""
    return dropped(stage, alone=True)


def loop(stage: Stage, *, streamed: bool = False) -> Any:
    """An agent loop with a local function."""

    async def go() -> Any:
        async with asking(stage.emulator.url, "loop_add") as conversations:
            return await run(conversations, prepared(add), streamed=streamed)

    return str(asyncio.run(go()).output_entries[-1].content)


def loop_streamed(stage: Stage) -> Any:
    """The same, as a stream."""
    return loop(stage, streamed=True)


def switching(stage: Stage) -> Any:
    """A call, then one after instrumentation was switched off."""
    told = [chat(stage)]
    uninstrument()
    return [*told, chat(stage)]


def an_import(_stage: Stage) -> Any:
    """A module that is imported while somebody waits for it."""
    imported: list[str] = []

    def told(module: Any) -> None:
        imported.append(module.__name__)

    watch = _imports.ImportWatch(["colorsys"], told)
    kept = sys.modules.pop("colorsys", None)
    watch.begin()
    try:
        module = importlib.import_module("colorsys")
        return module.__name__, module.rgb_to_hsv(1, 1, 1), type(module.__loader__).__name__
    finally:
        watch.end()
        if kept is not None:
            sys.modules["colorsys"] = kept


def traced_by_the_sdk(stage: Stage) -> Any:
    """A chat while the SDK's own tracing is asked for; also what the request's header says."""
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("MISTRAL_SDK_TELEMETRY", "global")
        patcher.setattr("opentelemetry.trace._TRACER_PROVIDER", stage.recording.tracer_provider)
        with sdk.Mistral(api_key="key", server_url=stage.emulator.url) as client:
            return client.chat.complete(**chat_arguments())


def settled(stage: Stage) -> None:
    """Waits for spans that a thread of ours ends."""
    wait_until(lambda: len(stage.recording.finished()) >= stage.recording.started)


def fail(*_args: Any, **_options: Any) -> Any:
    """What a hook of the user's may do."""
    raise LookupError


@contextmanager
def broken(owner: object, name: str, failure: type[BaseException] = LookupError) -> Generator[None]:
    """A part of ours that fails the first time, so that what is behind it is come to."""
    real, failed = getattr(owner, name), list[bool]()

    def once(*args: Any, **options: Any) -> Any:
        if not failed:
            failed.append(True)
            raise failure
        return real(*args, **options)

    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr(owner, name, once)
        yield


@contextmanager
def named_hook() -> Generator[None]:
    """The environment names a completion hook, of which there is none of that name."""
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK", "nobody")
        yield


@dataclass
class Seen:
    """What was seen of one call.

    Attributes:
        result: what the caller got, or the class and body of the exception.
        facts: each thing that telemetry tells, as a line.
        failed: what our log lines name as having failed.
        open: how many spans were left open.
        ran: the plugin's lines that were run.
        raised: whether the failure was raised.
    """

    result: Any
    facts: Counter[str]
    failed: list[str]
    open: int
    ran: set[tuple[str, int]]
    raised: bool


def perform(
    scene: Scene,
    stage: Stage,
    options: dict[str, Any],
    records: list[logging.LogRecord],
    tracer: Tracer,
) -> Seen:
    """Makes a call from `instrument` to `uninstrument`; returns what was seen of it."""
    stage.emulator.clear()
    with tracer.tracing():
        instrument(**stage.recording.providers, **options)
        try:
            result = _plain(scene(stage))
        except Exception as exc:  # noqa: BLE001 -- the scene may be one of a call that fails
            result = type(exc), getattr(exc, "body", None), isinstance(exc, RuntimeError)
        uninstrument()
    with suppress(AssertionError):
        settled(stage)
    recording = stage.recording
    failed = [_LINE.sub(r"\1", one.getMessage()) for one in records if one.name == _PACKAGE]
    records.clear()
    return Seen(
        result,
        Counter([*_of_spans(recording), *_of_logs(recording), *_of_metrics(recording)]),
        failed,
        recording.started - len(recording.finished()),
        tracer.seen,
        tracer.raised,
    )


def _of_spans(recording: Recording) -> Iterator[str]:
    names = recording.names()
    for span in recording.finished():
        parent = names.get(span.parent.span_id, "of the caller") if span.parent else None
        yield f"{span.name}: {span.kind.name} in {parent}"
        yield f"{span.name}: {span.status.status_code.name} {span.status.description}"
        yield from _pairs(span.name, span.attributes)
        for event in span.events:
            yield f"{span.name}: event {event.name} {sorted(event.attributes or {})}"
        for link in span.links:
            yield f"{span.name}: link {sorted(link.attributes or {})}"


def _of_logs(recording: Recording) -> Iterator[str]:
    names = recording.names()
    for log in recording.logs():
        name = f"log {log.event_name} of {names.get(log.span_id or 0)}"
        yield name
        yield from _pairs(name, log.attributes)


def _of_metrics(recording: Recording) -> Iterator[str]:
    for name, points in recording.metrics().items():
        for attributes, value in points:
            # Of a duration only how often; how long differs.
            timed = "duration" in name or "time_to" in name
            shown: object = value[0] if timed else value
            yield f"metric {name}: {sorted(attributes.items())} {shown}"


def _pairs(name: str, attributes: Mapping[str, object] | None) -> Iterator[str]:
    for key, value in (attributes or {}).items():
        told = "of the run" if _OF_THE_RUN.search(key) else _ID.sub("conv", str(value))
        yield f"{name}: {key}={told}"


def _plain(value: Any) -> Any:
    """A result without the times and ids that differ from run to run."""
    if hasattr(value, "model_dump"):
        # An unknown chunk is a model, too.
        return _plain(value.model_dump())
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {key: _plain(item) for key, item in fields.items() if key not in _TIMES}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, str):
        return _ID.sub("conv", value)
    return value if isinstance(value, (int, float, bool, type(None))) else repr(value)
