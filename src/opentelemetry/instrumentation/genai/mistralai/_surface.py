# SPDX-License-Identifier: Apache-2.0
"""The table: every SDK method that is instrumented, one row each; async twins are derived."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.context import Context

from . import _semconv as s
from ._agent_runs import Run
from ._client_calls import begin_call, call_returned
from ._completions import CompletionRecorder
from ._messages import ReadContent, completion_content, conversation_content, no_content
from ._recording import OpenCall, StreamRecorder
from ._requests import (
    COUNTED,
    TIMED,
    ReadRequest,
    agent_request,
    append_request,
    create_agent_request,
    model_request,
    restart_request,
    start_request,
)
from ._transcript import conversation_recorder

if TYPE_CHECKING:
    from ._spans import Call
    from ._telemetry import Telemetry

# Where the SDK's modules are: in 1.x directly, later one level down; so for its other clients.
ROOTS: Final = (
    "mistralai",
    "mistralai.client",
    "mistralai_azure",
    "mistralai_gcp",
    "mistralai.azure.client",
    "mistralai.gcp.client",
)


class Surface(NamedTuple):
    """One method of the SDK.

    Attributes:
        module: below one of ``ROOTS``.
        cls: the class in it.
        method: the sync method; ``{method}_async`` is its twin.
        request: reads the arguments.
        content: reads what the user says, if that is to be recorded.
        recorder: takes charge of the stream, or the response.
        streamed: whether it answers with a stream; None: if its argument ``stream`` says so.
    """

    module: str
    cls: str
    method: str
    request: ReadRequest
    content: ReadContent
    recorder: Callable[[OpenCall], StreamRecorder]
    streamed: bool | None

    def begin(
        self,
        telemetry: Telemetry,
        owner: object,
        _args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        context: Context,
    ) -> Call:
        """Starts the span of a call, whose arguments all have names, and makes it current."""
        return begin_call(self, telemetry, owner, kwargs, context)

    def returned(self, call: Call, result: Any) -> Any:
        """Hands the result of a call to its recorder."""
        return call_returned(self, call, result)


class Loop(NamedTuple):
    """A method that runs an agent loop in the caller's process; all are async.

    Attributes:
        module: below one of ``ROOTS``.
        cls: the class in it.
        method: the method.
        streamed: whether it answers with an async generator.
    """

    module: str
    cls: str
    method: str
    streamed: bool

    def begin(
        self,
        telemetry: Telemetry,
        _owner: object,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        context: Context,
    ) -> Run:
        """Starts the span of a loop and makes it current."""
        run_context = args[0] if args else kwargs.get("run_ctx")
        run = Run(telemetry, run_context, context, streamed=self.streamed)
        run.enter()
        return run

    def returned(self, run: Run, result: Any) -> Any:
        """Ends the loop, or gives a generator that will."""
        return run.returned(result)


_CONVERSATIONS: Final = ("conversations", "Conversations")
_TRANSCRIPTIONS: Final = ("transcriptions", "Transcriptions")
_TURN: Final = (conversation_content, conversation_recorder)
_ANSWER: Final = (completion_content, CompletionRecorder)
_RESULT: Final = (no_content, CompletionRecorder)

_chat: Final = model_request(s.CHAT)
_fim: Final = model_request(s.TEXT_COMPLETION)
_embed: Final = model_request(s.EMBEDDINGS, COUNTED)
_moderate: Final = model_request(s.MODERATION, TIMED)
_classify: Final = model_request(s.CLASSIFICATION, TIMED)
_ocr: Final = model_request(s.GENERATE_CONTENT, TIMED)
_transcribe: Final = model_request(s.GENERATE_CONTENT)
_speak: Final = model_request(s.GENERATE_CONTENT, output_type="speech")

SURFACES: Final = (
    Surface(*_CONVERSATIONS, "start", start_request, *_TURN, streamed=False),
    Surface(*_CONVERSATIONS, "append", append_request, *_TURN, streamed=False),
    Surface(*_CONVERSATIONS, "restart", restart_request, *_TURN, streamed=False),
    Surface(*_CONVERSATIONS, "start_stream", start_request, *_TURN, streamed=True),
    Surface(*_CONVERSATIONS, "append_stream", append_request, *_TURN, streamed=True),
    Surface(*_CONVERSATIONS, "restart_stream", restart_request, *_TURN, streamed=True),
    Surface("chat", "Chat", "complete", _chat, *_ANSWER, streamed=False),
    Surface("chat", "Chat", "stream", _chat, *_ANSWER, streamed=True),
    Surface("agents", "Agents", "complete", agent_request, *_ANSWER, streamed=False),
    Surface("agents", "Agents", "stream", agent_request, *_ANSWER, streamed=True),
    Surface("fim", "Fim", "complete", _fim, *_ANSWER, streamed=False),
    Surface("fim", "Fim", "stream", _fim, *_ANSWER, streamed=True),
    Surface("responses", "Responses", "create", _chat, *_ANSWER, streamed=None),
    Surface("embeddings", "Embeddings", "create", _embed, *_RESULT, streamed=False),
    Surface("classifiers", "Classifiers", "moderate", _moderate, *_RESULT, streamed=False),
    Surface("classifiers", "Classifiers", "moderate_chat", _moderate, *_RESULT, streamed=False),
    Surface("classifiers", "Classifiers", "classify", _classify, *_RESULT, streamed=False),
    Surface("classifiers", "Classifiers", "classify_chat", _classify, *_RESULT, streamed=False),
    Surface("ocr", "Ocr", "process", _ocr, *_RESULT, streamed=False),
    Surface(*_TRANSCRIPTIONS, "complete", _transcribe, *_RESULT, streamed=False),
    Surface(*_TRANSCRIPTIONS, "stream", _transcribe, *_RESULT, streamed=True),
    Surface("speech", "Speech", "complete", _speak, *_ANSWER, streamed=None),
    Surface("beta_agents", "BetaAgents", "create", create_agent_request, *_RESULT, streamed=False),
    # Its name until 2.0.
    Surface(
        "mistral_agents", "MistralAgents", "create", create_agent_request, *_RESULT, streamed=False
    ),
)

LOOPS: Final = (
    Loop(*_CONVERSATIONS, "run_async", streamed=False),
    Loop(*_CONVERSATIONS, "run_stream_async", streamed=True),
)
