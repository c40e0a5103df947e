# SPDX-License-Identifier: Apache-2.0
"""Plays every scenario of the emulator through the real SDK, and keeps what was recorded of it."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, cast

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from emulator import Emulator, serve
from emulator.scenario import load_scenarios
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import sdk, sessions
from tests.support.agent_runs import add, asking, prepared, run, whoami
from tests.support.completions import ARGUMENTS, arguments, is_stream, named
from tests.support.conversations import with_defaults
from tests.support.methods import GIVEN, calls, methods
from tests.support.recording import Recording

_CONVERSATION: Final = "conversation"
# Where agents hand over, it is an agent that is asked.
_OF_AGENTS: Final = ("agent", "handoff", "foreign_agent")
_LOOPS: Final = ("loop_", "run_")
# The server is silent from some point on: the caller loses patience.
_PATIENCE: Final = {"timeout_ms": 80}
_MOST_EVENTS: Final = 40
# These stream whatever they are asked.
_STREAMS: Final = ("stream", "stream_events", "generate_index_summary")
_SETTINGS: Final[dict[str, Any]] = {
    "temperature": 0.3, "top_p": 0.9, "max_tokens": 9, "stop": ["END"], "random_seed": 1,
    "presence_penalty": 0.1, "frequency_penalty": 0.1, "reasoning_effort": "high",
    "response_format": {"type": "text"},
}  # fmt: skip
_OF_API: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "response": ("responses.create", {"stream": True}),
    "speech": ("audio.speech.complete", {"stream": True}),
    "transcription": ("audio.transcriptions.stream", {}),
}


KINDS: Final = ("realtime", "realtime_speech")

# Makes a call; yields the events that come, or the one response.
Make = Callable[[], Iterator[Any]]


@dataclass(frozen=True)
class Seen:
    """A span, and what is known of its call from elsewhere.

    Attributes:
        span: the span.
        method: what was called, such as ``ocr.process``, or ``loop``.
        at_start: the names of the attributes that it started with.
        streamed: whether the call asked for a stream.
        asked: what the call was given, the settings in it.
        told: whether the caller has been told the id of a conversation.
    """

    span: ReadableSpan
    method: str
    at_start: frozenset[str]
    streamed: bool
    asked: dict[str, Any]
    told: bool


@dataclass
class Played:
    """What all scenarios made the plugin record."""

    spans: list[Seen] = field(default_factory=list[Seen])
    metrics: list[Any] = field(default_factory=list[Any])
    logs: list[Any] = field(default_factory=list[Any])
    scopes: dict[str, Any] = field(default_factory=dict[str, Any])


class _Starts(SpanProcessor):
    def __init__(self) -> None:
        self.names: dict[int, frozenset[str]] = {}

    def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 -- interface
        self.names[span.context.span_id] = frozenset(span.attributes or ())


class _Player:
    """Makes one call after the other, and notes which spans each of them left."""

    def __init__(self, *, latest: bool, content: bool) -> None:
        self.played = Played()
        self.recording = Recording()
        self._starts = _Starts()
        self._asked: dict[int, dict[str, Any]] = {}
        self._known: set[int] = set()
        self.recording.tracer_provider.add_span_processor(self._starts)
        instrument(
            **self.recording.providers,
            capture_content="span_and_event" if content else "no_content",
            metric_names="latest" if latest else "v1.41",
            record_chunk_times=True,
            request_hook=self._note,
        )

    def _note(self, span: Any, given: Any) -> None:
        settings = given.get("completion_args")
        more = cast("dict[str, Any]", settings) if isinstance(settings, dict) else {}
        self._asked[span.context.span_id] = {**given, **more}

    def step(self, method: str, make: Make, *, streamed: bool) -> None:
        """Makes a call, whatever becomes of it; then its spans have ended."""
        results: list[Any] = []
        with contextlib.suppress(Exception):
            # One by one: what came before an error counts.
            for result in make():
                results += [result]
        told = any(_tells_an_id(result) for result in results)
        for span in self.recording.spans():
            assert span.context is not None
            key = span.context.span_id
            if key not in self._known:
                self._known.add(key)
                asked = self._asked.get(key, {})
                self.played.spans.append(
                    Seen(span, method, self._starts.names[key], streamed, asked, told)
                )

    def end(self) -> Played:
        """Switches the plugin off, and returns what it recorded."""
        uninstrument()
        data: Any = self.recording.reader.get_metrics_data()
        (scoped,) = data.resource_metrics[0].scope_metrics
        self.played.metrics = list(scoped.metrics)
        self.played.logs = self.recording.logs()
        span = self.played.spans[0].span
        self.played.scopes = {"spans": span.instrumentation_scope, "metrics": scoped.scope}
        self.played.scopes["events"] = self.recording.scopes_of_logs()[0]
        return self.played


def _tells_an_id(result: Any) -> bool:
    return isinstance(getattr(getattr(result, "data", result), "conversation_id", None), str)


def play(*, latest: bool, content: bool) -> Played:
    """Plays everything.

    Args:
        latest: whether metrics have the newest names.
        content: whether content is captured.
    """
    with warnings.catch_warnings(), serve() as emulator:
        # Of what the API calls deprecated; a test elsewhere looks at it.
        warnings.simplefilter("ignore")
        player = _Player(latest=latest, content=content)
        try:
            with sdk.Mistral(api_key="key", server_url=emulator.url) as client:
                for method, make, streamed in _all_calls(client):
                    player.step(method, make, streamed=streamed)
            for method, make, streamed in (*_all_loops(emulator.url), *_all_sessions(emulator)):
                player.step(method, make, streamed=streamed)
        finally:
            played = player.end()
    return played


# What is called, how, and whether it streams.
Step = tuple[str, Make, bool]


def _named_by(api: str) -> Iterator[str]:
    for name, scenario in load_scenarios().items():
        if scenario.api in (None, api):
            yield name


def _all_calls(client: Any) -> Iterator[Step]:
    yield from _conversations(client)
    for scenario in _named_by("completion"):
        for method in _ways(scenario, "chat.complete", "chat.stream"):
            yield _call(client, method, arguments(method, scenario, **_patience(scenario)))
    for api in ARGUMENTS:
        for kind in ("complete", "stream"):
            yield _call(client, f"{api}.{kind}", arguments(f"{api}.{kind}"))
            yield _call(client, f"{api}.{kind}", arguments(f"{api}.{kind}", "http_429"))
    for method, least in calls():
        # A model of its own, by which each method's points on metrics are known.
        given = {**least, "model": f"m-{method}"} if "model" in least else least
        if method in methods():
            yield _call(client, method, given)
            yield _call(client, method, arguments(method, "http_500", **given))
    for api, (method, more) in _OF_API.items():
        least = GIVEN[method]
        for scenario in _named_by(api) if method in methods() else ():
            if load_scenarios()[scenario].api == api:
                yield _call(client, method, arguments(method, scenario, **{**least, **more}))
                yield _call(client, method, arguments(method, scenario, **least))
    yield from _with_settings(client)


def _conversations(client: Any) -> Iterator[Step]:
    for scenario in _named_by(_CONVERSATION):
        who: dict[str, Any] = {"agent_id": "ag_1"} if scenario.startswith(_OF_AGENTS) else {}
        given = with_defaults(scenario, {**who, **_patience(scenario)})
        for method in _ways(scenario, "start", "start_stream"):
            yield _call(client, f"beta.conversations.{method}", given)
    for method in ("append", "append_stream", "restart", "restart_stream"):
        entry = {"from_entry_id": "entry"} if method.startswith("restart") else {}
        for scenario in ("answer", "web_search", "http_500"):
            given = with_defaults(scenario, {"conversation_id": "conv", **entry})
            yield _call(client, f"beta.conversations.{method}", given)


def _ways(scenario: str, whole: str, streamed: str) -> tuple[str, ...]:
    """The methods that get a scenario; what is long is streamed, and left in the middle."""
    return (streamed,) if scenario in ("long", "tools_200", "chat_long") else (whole, streamed)


def _with_settings(client: Any) -> Iterator[Step]:
    start = with_defaults("web_search", {"completion_args": _SETTINGS, "instructions": "Be brief!"})
    agent = with_defaults("handoff", {"agent_id": "ag_1", "agent_version": 1})
    shifted = with_defaults("answer", {"http_headers": {"x-emulator-clock-offset": "3600"}})
    for given in (start, agent, shifted):
        yield _call(client, "beta.conversations.start_stream", given)
    # Left after the event which only says that the server listens.
    yield _call(client, "beta.conversations.start_stream", with_defaults("answer", {}), most=1)
    for method in ("chat.complete", "chat.stream", "agents.complete"):
        yield _call(client, method, arguments(method, "chat_choices", **_SETTINGS_OF_CHAT, n=2))
    more: tuple[tuple[str, dict[str, Any]], ...] = (
        ("embeddings.create", {"model": "m", "inputs": "Hello?", "output_dimension": 4,
                               "encoding_format": "float"}),
        ("responses.create", {"model": "m", "input": "Hello?", "previous_response_id": "resp_0"}),
        ("beta.agents.create", {"model": "m", "name": "writer", "description": "Writes.",
                                "instructions": "Write!"}),
    )  # fmt: skip
    for method, given in more:
        if method in methods():
            yield _call(client, method, given)


_SETTINGS_OF_CHAT: Final = {
    key: value for key, value in _SETTINGS.items() if key != "reasoning_effort"
}


def _patience(scenario: str) -> dict[str, Any]:
    return _PATIENCE if scenario.endswith(("hang", "no_answer")) else {}


def _call(client: Any, method: str, given: dict[str, Any], most: int = _MOST_EVENTS) -> Step:
    def make() -> Iterator[Any]:
        result = named(client, method)(**given)
        if not is_stream(result):
            yield result
            return
        with result:
            yield from islice(result, most)

    return method, make, method.endswith(_STREAMS) or given.get("stream") is True


def _all_loops(url: str) -> Iterator[Step]:
    if "beta.conversations.run_async" not in methods():
        return
    for scenario in _named_by(_CONVERSATION):
        if scenario.startswith(_LOOPS):
            for streamed in (False, True):
                yield "loop", _loop(url, scenario, streamed=streamed), streamed
    yield "loop", _loop(url, "loop_add", streamed=False, agent_id="ag_1"), False


def _all_sessions(emulator: Emulator) -> Iterator[Step]:
    for kind in KINDS:
        if hasattr(sdk.Mistral(api_key="key").audio, kind):
            for scenario in (None, "error_event", "refused_401"):
                yield f"audio.{kind}", _session(emulator, kind, scenario), True


def _session(emulator: Emulator, kind: str, scenario: str | None) -> Make:
    async def session() -> None:
        async with sessions.asking(emulator) as client:
            async for _ in sessions.helper(client, kind, scenario):
                pass

    def make() -> Iterator[Any]:
        asyncio.run(session())
        yield from ()

    return make


def _loop(url: str, scenario: str, *, streamed: bool, **who: Any) -> Make:
    def fail() -> str:
        """Fails."""
        raise ValueError

    async def loop() -> None:
        async with asking(url, scenario) as conversations:
            context = prepared(add, whoami, fail, **who)
            # The one that hangs is left; the others end by themselves.
            seconds = 0.2 if scenario.endswith("hang") else 30
            await asyncio.wait_for(run(conversations, context, streamed=streamed), seconds)

    def make() -> Iterator[Any]:
        asyncio.run(loop())
        yield from ()

    return make
