# SPDX-License-Identifier: Apache-2.0
"""Lists every SDK method that is instrumented, one row each; async twins are derived."""

from __future__ import annotations

from functools import partial
from typing import Final

from .. import _names as s
from .._content.messages import completion_content, conversation_content, no_content
from .._reading.agents import create_agent_request
from .._reading.requests import (
    COUNTED,
    TIMED,
    append_request,
    model_request,
    restart_request,
    start_request,
)
from .._recording.completions import CompletionRecorder
from .._recording.conversation import ConversationRecorder
from .._recording.responses import ResponseRecorder
from .calls import Method
from .loops import Loop
from .realtime import Session

# These packages contain the SDK's modules: in 1.x directly, later one level down. The last four
# belong to its other clients.
ROOTS: Final = (
    "mistralai",
    "mistralai.client",
    "mistralai_azure",
    "mistralai_gcp",
    "mistralai.azure.client",
    "mistralai.gcp.client",
)


_CONVERSATIONS: Final = ("conversations", "Conversations")
_TRANSCRIPTIONS: Final = ("transcriptions", "Transcriptions")
_TURN: Final = (conversation_content, ConversationRecorder)
_ANSWER: Final = (completion_content, CompletionRecorder)
_RESULT: Final = (no_content, CompletionRecorder)
_EVENTS: Final = (completion_content, ResponseRecorder)
_TRANSCRIPT: Final = (no_content, ResponseRecorder)

_chat: Final = partial(model_request, s.CHAT)
_ask_agent: Final = partial(model_request, s.INVOKE_AGENT)
_fim: Final = partial(model_request, s.TEXT_COMPLETION)
_embed: Final = partial(model_request, s.EMBEDDINGS, measured=COUNTED)
_moderate: Final = partial(model_request, s.MODERATION, measured=TIMED)
_classify: Final = partial(model_request, s.CLASSIFICATION, measured=TIMED)
_ocr: Final = partial(model_request, s.GENERATE_CONTENT, measured=TIMED)
_transcribe: Final = partial(model_request, s.GENERATE_CONTENT)
_speak: Final = partial(model_request, s.GENERATE_CONTENT, output_type="speech")

METHODS: Final = (
    Method(*_CONVERSATIONS, "start", start_request, *_TURN, streamed=False),
    Method(*_CONVERSATIONS, "append", append_request, *_TURN, streamed=False),
    Method(*_CONVERSATIONS, "restart", restart_request, *_TURN, streamed=False),
    Method(*_CONVERSATIONS, "start_stream", start_request, *_TURN, streamed=True),
    Method(*_CONVERSATIONS, "append_stream", append_request, *_TURN, streamed=True),
    Method(*_CONVERSATIONS, "restart_stream", restart_request, *_TURN, streamed=True),
    Method("chat", "Chat", "complete", _chat, *_ANSWER, streamed=False),
    Method("chat", "Chat", "stream", _chat, *_ANSWER, streamed=True),
    Method("agents", "Agents", "complete", _ask_agent, *_ANSWER, streamed=False),
    Method("agents", "Agents", "stream", _ask_agent, *_ANSWER, streamed=True),
    Method("fim", "Fim", "complete", _fim, *_ANSWER, streamed=False),
    Method("fim", "Fim", "stream", _fim, *_ANSWER, streamed=True),
    Method("responses", "Responses", "create", _chat, *_EVENTS, streamed=None),
    Method("embeddings", "Embeddings", "create", _embed, *_RESULT, streamed=False),
    Method("classifiers", "Classifiers", "moderate", _moderate, *_RESULT, streamed=False),
    Method("classifiers", "Classifiers", "moderate_chat", _moderate, *_RESULT, streamed=False),
    Method("classifiers", "Classifiers", "classify", _classify, *_RESULT, streamed=False),
    Method("classifiers", "Classifiers", "classify_chat", _classify, *_RESULT, streamed=False),
    Method("ocr", "Ocr", "process", _ocr, *_RESULT, streamed=False),
    Method(*_TRANSCRIPTIONS, "complete", _transcribe, *_TRANSCRIPT, streamed=False),
    Method(*_TRANSCRIPTIONS, "stream", _transcribe, *_TRANSCRIPT, streamed=True),
    Method("speech", "Speech", "complete", _speak, *_EVENTS, streamed=None),
    Method("beta_agents", "BetaAgents", "create", create_agent_request, *_RESULT, streamed=False),
    # This is the name of `BetaAgents.create` until 2.0.
    Method(
        "mistral_agents", "MistralAgents", "create", create_agent_request, *_RESULT, streamed=False
    ),
)

LOOPS: Final = (
    Loop(*_CONVERSATIONS, "run_async", streamed=False),
    Loop(*_CONVERSATIONS, "run_stream_async", streamed=True),
)

SESSIONS: Final = (
    Session("extra.realtime.transcription", "RealtimeTranscription", "connect"),
    Session("extra.realtime.speech", "RealtimeSpeech", "connect", output_type="speech"),
)
