# SPDX-License-Identifier: Apache-2.0
"""Interrupts a program at every line of the plugin that it runs, one after the other.

``python -m tests.workers.every_line URL SCENARIO KIND SELECTION`` writes one JSON object: how many
lines there were, and each case in which something was lost. A trace function counts the line events
in the plugin's files; at the n-th it raises, or delivers a real signal whose handler raises. What
the API answers is recorded once from the emulator, and replayed without a socket.
"""

from __future__ import annotations

import asyncio
import atexit
import faulthandler
import gc
import importlib
import io
import json
import os
import signal
import sys
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.support import names as s

_exits: Final[list[Callable[..., Any]]] = []
_register: Final = atexit.register


def _registered(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Notes what the plugin registers for the exit, so that the exit can be run by hand."""
    if str(getattr(function, "__module__", "")).startswith(_PLUGIN):
        _exits.append(function)
    return _register(function, *args, **kwargs)


_PLUGIN: Final = "opentelemetry.instrumentation.genai.mistralai"
atexit.register = _registered  # type: ignore[assignment]

from opentelemetry import context as otel_context  # noqa: E402
from opentelemetry import trace  # noqa: E402
from opentelemetry.metrics import NoOpMeter, NoOpMeterProvider  # noqa: E402
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider  # noqa: E402

from opentelemetry.instrumentation.genai import mistralai as plugin  # noqa: E402
from tests.support.agent_runs import add, prepared  # noqa: E402
from tests.support.sdk import ROOT, Mistral, httpx  # noqa: E402
from tests.support.usages import asking  # noqa: E402

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_FILES: Final = str(Path(str(plugin.__file__)).parent) + os.sep
_CHAT: Final[dict[str, Any]] = {
    "model": "mistral-small-latest",
    "messages": [{"role": "user", "content": "Hello?"}],
}


class Interrupted(KeyboardInterrupt):
    """What is raised, unless a signal's handler raises it."""


class TooLate(Exception):  # noqa: N818 -- as Celery's SoftTimeLimitExceeded
    """What the handler of a signal raises: a plain exception."""


# -- What is recorded -----------------------------------------------------------------------------


class Spans(SpanProcessor):
    """Keeps all spans that were started, and how often each was ended."""

    def __init__(self) -> None:
        self.started: list[Any] = []
        self.ended: Counter[int] = Counter()

    def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 -- interface
        """Keeps a span."""
        self.started.append(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Counts an end."""
        context = span.get_span_context()
        self.ended[context.span_id if context else 0] += 1


class Counters(NoOpMeterProvider):
    """Notes what the input tokens' counter is given, for each span."""

    def __init__(self) -> None:
        self.added: dict[int, list[float]] = {}

    def get_meter(self, *_args: Any, **_kwargs: Any) -> Any:
        """A meter whose counter of input tokens is the one that counts here."""
        counters = self

        class _Counter:
            def add(self, amount: float, attributes: Any = None, context: Any = None) -> None:  # noqa: ARG002 -- interface
                span = trace.get_current_span(context).get_span_context()
                counters.added.setdefault(span.span_id, []).append(amount)

        class _Meter(NoOpMeter):
            def create_counter(self, name: str, *args: Any, **kwargs: Any) -> Any:
                if name == s.METRIC_INPUT_TOKENS:
                    return _Counter()
                return super().create_counter(name, *args, **kwargs)

        return _Meter("replay")


# -- What is run ----------------------------------------------------------------------------------


class Replay(httpx.BaseTransport, httpx.AsyncBaseTransport):  # type: ignore[misc] # Any
    """Answers each request with what the emulator answered to the same one, in the same order."""

    def __init__(self, answers: list[tuple[str, bytes]]) -> None:
        self._answers = answers
        self.asked = 0

    def _next(self) -> Any:
        kind, body = self._answers[self.asked % len(self._answers)]
        self.asked += 1
        parts = [part + b"\n\n" for part in body.split(b"\n\n") if part]
        return httpx.Response(
            200, headers={"content-type": kind}, stream=_Parts(parts if "event" in kind else [body])
        )

    def handle_request(self, request: Any) -> Any:  # noqa: ARG002 -- interface
        """Answers."""
        return self._next()

    async def handle_async_request(self, request: Any) -> Any:  # noqa: ARG002 -- interface
        """Answers."""
        return self._next()


class _Parts(httpx.SyncByteStream, httpx.AsyncByteStream):  # type: ignore[misc] # Any
    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


class _Keeping(httpx.BaseTransport):  # type: ignore[misc] # Any
    """Keeps what the emulator answers."""

    def __init__(self) -> None:
        inner: Any = httpx.HTTPTransport
        self._inner: Any = inner(verify=False)
        self.answers: list[tuple[str, bytes]] = []

    def handle_request(self, request: Any) -> Any:
        response: Any = self._inner.handle_request(request)
        body = response.read()
        kind = response.headers["content-type"]
        self.answers.append((kind, body))
        return httpx.Response(200, headers={"content-type": kind}, content=body)


def _converse(client: Any) -> None:
    for _ in client.beta.conversations.start_stream(**_conversation()):
        pass


def _conversation() -> dict[str, Any]:
    asked = asking("handoff_chain", agent_id="ag_1")
    del asked["model"]
    return asked


async def _converse_async(client: Any) -> None:
    async for _ in await client.beta.conversations.start_stream_async(**_conversation()):
        pass


def _complete(client: Any) -> None:
    client.chat.complete(**_CHAT)


async def _complete_async(client: Any) -> None:
    await client.chat.complete_async(**_CHAT)


def _leave(client: Any) -> None:
    with client.chat.stream(**_CHAT) as stream:
        for _ in stream:
            break


async def _leave_async(client: Any) -> None:
    async with await client.chat.stream_async(**_CHAT) as stream:
        async for _ in stream:
            break


def _whole(client: Any) -> None:
    asked = _conversation()
    client.beta.conversations.start(**asked)


async def _loop(client: Any) -> None:
    await client.beta.conversations.run_async(run_ctx=prepared(add), inputs="1 + 2?")


async def _stream_loop(client: Any) -> None:
    conversations = client.beta.conversations
    async for _ in await conversations.run_stream_async(run_ctx=prepared(add), inputs="1 + 2?"):
        pass


def _record_loop(client: Any) -> None:
    headers = {"x-emulator-scenario": "loop_add"}
    for _ in range(2):
        asked = {"model": "mistral-medium-latest", "inputs": "1 + 2?", "http_headers": headers}
        client.beta.conversations.start(**asked)


def _record_stream_loop(client: Any) -> None:
    for _ in range(2):
        list(client.beta.conversations.start_stream(**asking("loop_add")))


class Scenario(NamedTuple):
    """A program, and what is asked of the emulator to have the answers to replay."""

    program: Callable[[Any], Any]
    record: Callable[[Any], None]


def _record_chat(client: Any) -> None:
    list(client.chat.stream(**_CHAT))


SCENARIOS: Final = {
    "conversation": Scenario(_converse, _converse),
    "conversation async": Scenario(_converse_async, _converse),
    "conversation whole": Scenario(_whole, _whole),
    "chat": Scenario(_complete, _complete),
    "chat async": Scenario(_complete_async, _complete),
    "chat left": Scenario(_leave, _record_chat),
    "chat left async": Scenario(_leave_async, _record_chat),
    "loop": Scenario(_loop, _record_loop),
    "loop streamed": Scenario(_stream_loop, _record_stream_loop),
}
KINDS: Final = ("KeyboardInterrupt", "signal")


def client_of(transport: Any, url: str) -> Any:
    """A client whose requests go through a transport."""
    return Mistral(
        api_key="key",
        server_url=url,
        client=httpx.Client(transport=transport),
        async_client=httpx.AsyncClient(transport=transport),
    )


# -- How it is interrupted ------------------------------------------------------------------------


class Tracer:
    """Counts lines of the plugin, and raises at one of them.

    Attributes:
        places: the lines, in the order of their run.
        raised: what was raised at one of them.
        raised_at: that one.
        finalizing: whether a finalizer ran it.
    """

    def __init__(self, at: int, kind: str) -> None:
        self.places: list[str] = []
        self.raised: BaseException | None = None
        self.raised_at: str | None = None
        self.finalizing = False
        self._at = at
        self._kind = kind

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:  # noqa: ARG002 -- interface
        """The global trace function: follows the plugin's frames only."""
        return self._line if frame.f_code.co_filename.startswith(_FILES) else None

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:  # noqa: ARG002 -- interface
        if event == "line":
            place = f"{frame.f_code.co_filename[len(_FILES) :]}:{frame.f_lineno}"
            self.places.append(place)
            if len(self.places) == self._at:
                sys.settrace(None)
                self.raised_at = place
                self.finalizing = _in_finalizer(frame)
                self._raise()
        return self._line

    def _raise(self) -> None:
        if self._kind == "signal":
            signal.raise_signal(signal.SIGUSR2)
        self.raised = Interrupted()
        raise self.raised

    def on_signal(self, _number: int, _frame: object) -> None:
        """The handler of the signal."""
        self.raised = TooLate()
        raise self.raised


def _in_finalizer(frame: FrameType | None) -> bool:
    # What is raised in a finalizer is printed and dropped by the interpreter, whoever wrote it.
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def interrupted(
    program: Callable[[Any], Any], client: Any, replay: Replay, tracer: Tracer
) -> list[str]:
    """Runs a scenario under a trace function, then the exit; tells in words what was lost."""
    spans, counters = Spans(), Counters()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(spans)
    # A new configuration: what a first call does is done by each.
    plugin.instrument(tracer_provider=provider, meter_provider=counters)
    signal.signal(signal.SIGUSR2, tracer.on_signal)
    wrong: list[str] = []
    got: BaseException | None = None
    before = otel_context.get_current()

    async def main() -> None:
        nonlocal got
        inside = otel_context.get_current()
        sys.settrace(tracer)
        try:
            await program(client)
        except BaseException as exc:  # noqa: BLE001 -- what this is about
            got = exc
        finally:
            sys.settrace(None)
        if otel_context.get_current() != inside:
            wrong.append("a context is left attached")

    if asyncio.iscoroutinefunction(program):
        try:
            asyncio.run(main())
        except BaseException as exc:  # noqa: BLE001 -- raised in a task that the SDK made
            got = exc
    else:
        sys.settrace(tracer)
        try:
            program(client)
        except BaseException as exc:  # noqa: BLE001 -- what this is about
            got = exc
        finally:
            sys.settrace(None)
    if otel_context.get_current() != before:
        wrong.append("a context is left attached")
    # What is raised where the SDK calls a tool, the SDK makes another exception of, bare as well.
    caught = got is not None and got.__cause__ is tracer.raised
    passed_on = got is tracer.raised or (caught and type(got).__name__ == "RunException")
    if tracer.raised is not None and not passed_on and not tracer.finalizing:
        wrong.append(f"the caller got {got!r}")
    # It holds the frames in which streams are: now they are dropped.
    got = tracer.raised = None
    # Registered again by each configuration, but run once.
    for function in dict.fromkeys(reversed(_exits)):
        function()
    return [*wrong, *_lost(spans, counters, replay.asked)]


def _lost(spans: Spans, counters: Counters, requests: int) -> Iterator[str]:
    for span in spans.started:
        number = span.get_span_context().span_id
        if spans.ended[number] != 1:
            yield f"{span.name} was ended {spans.ended[number]} times"
    calls = [span for span in spans.started if span.kind is trace.SpanKind.CLIENT]
    for place, span in enumerate(calls):
        added = counters.added.get(span.get_span_context().span_id, [])
        # Before a request is sent no token is spent, so it may be counted or not.
        unsent = place >= requests
        if added != [span.attributes.get(s.USAGE_INPUT_TOKENS, 0)] and not (unsent and not added):
            has = span.attributes.get(s.USAGE_INPUT_TOKENS)
            yield f"{span.name} counted {added}, has {has}"


# -- Each case ------------------------------------------------------------------------------------


def every_line(url: str, scenario: str, kind: str, selection: str) -> dict[str, Any]:
    """Interrupts a scenario at lines of the plugin, one after the other.

    Args:
        url: the emulator's.
        scenario: a key of ``SCENARIOS``.
        kind: one of ``KINDS``.
        selection: ``all`` of them, or ``ends``: the first and the last time that each is run.
    """
    keeping = _Keeping()
    program, record = SCENARIOS[scenario]
    record(client_of(keeping, url))
    replay = Replay(keeping.answers)
    client = client_of(replay, url)

    def case(at: int) -> tuple[list[str], Tracer]:
        tracer, said = Tracer(at, kind), io.StringIO()
        err, sys.stderr = sys.stderr, said
        try:
            replay.asked = 0
            wrong = interrupted(program, client, replay, tracer)
        finally:
            sys.stderr = err
        # A log line about what the interrupt left half made is right.
        words = [line for line in said.getvalue().splitlines() if "telemetry failed" not in line]
        if words and not tracer.finalizing:
            wrong.append(f"it said {words}")
        return wrong, tracer

    # Much is imported when it is first used: the second run is like all others.
    case(0)
    wrong, tracer = case(0)
    lost = [["nowhere", *wrong]] if wrong else []
    places = tracer.places
    # What the program itself left in cycles is looked at below, the SDK's modules never again.
    gc.collect()
    gc.freeze()
    gc.disable()
    chosen = list(range(1, len(places) + 1))
    if selection == "ends":
        first = {place: at for at, place in reversed(list(enumerate(places, 1)))}
        last = {place: at for at, place in enumerate(places, 1)}
        chosen = sorted({*first.values(), *last.values()})
    finalizing = 0
    for number, at in enumerate(chosen):
        wrong, tracer = case(at)
        finalizing += tracer.finalizing
        if tracer.raised_at is None:
            wrong.append("nothing was raised")
        if wrong:
            lost.append([tracer.raised_at or f"line {at}", *wrong])
        if number % 50 == 0:
            gc.collect()
    return {
        "lines": len(places),
        "cases": len(chosen),
        "finalizing": finalizing,
        "lost": lost,
    }


def spare_the_sdk_its_models() -> None:
    """Keeps the pydantic models that the SDK makes for each answer: half of a case's time."""
    serializers: Any = importlib.import_module(f"{ROOT}.utils.serializers")
    make, made = serializers.create_model, dict[str, Any]()

    def kept(*args: Any, **fields: Any) -> Any:
        key = f"{args} {fields}"
        if key not in made:
            made[key] = make(*args, **fields)
        return made[key]

    serializers.create_model = kept


if __name__ == "__main__":
    # A coroutine that is dropped before it is awaited is what an interrupt makes of it, bare too.
    warnings.simplefilter("ignore", RuntimeWarning)
    spare_the_sdk_its_models()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    print(json.dumps(every_line(*sys.argv[1:5])))  # noqa: T201
