# SPDX-License-Identifier: Apache-2.0
"""Lists every SDK method that is instrumented, one row each; async twins are derived."""

from __future__ import annotations

from functools import partial
from typing import Final

from .. import _names as s
from .._content.messages import (
    completion_content,
    conversation_content,
    no_content,
    tool_content,
    workflow_content,
)
from .._reading.batches import batch_request, collect_request
from .._reading.jobs import (
    follow_request,
    judge_request,
    summary_request,
    tool_request,
    workflow_request,
)
from .._reading.requests import (
    COUNTED,
    TIMED,
    append_request,
    create_agent_request,
    model_request,
    restart_request,
    start_request,
)
from .._recording.completions import CompletionRecorder
from .._recording.conversation import ConversationRecorder
from .._recording.followed import FollowRecorder, SummaryRecorder
from .._recording.responses import ResponseRecorder
from .._recording.results import (
    ResultRecorder,
    ToolRecorder,
    read_awaited,
    read_collected,
    read_created,
    read_execution,
    read_judgement,
)
from .batches import CollectingMethod
from .loops import Loop
from .methods import Method
from .workflows import ExecutingMethod, WaitingMethod

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
_WORKFLOWS: Final = ("workflows", "Workflows")
_EXECUTED: Final = (workflow_content, partial(ResultRecorder, read=read_execution))
_AWAITED: Final = (workflow_content, partial(ResultRecorder, read=read_awaited))
_FOLLOWED: Final = (follow_request, no_content, FollowRecorder)
_JUDGED: Final = (judge_request, completion_content, partial(ResultRecorder, read=read_judgement))
_SUMMARY: Final = ("generate_index_summary", summary_request, no_content, SummaryRecorder)
_BATCH: Final = ("create", batch_request, no_content, partial(ResultRecorder, read=read_created))
_COLLECTED: Final = (no_content, partial(ResultRecorder, read=read_collected))
_BATCH_CLIENT: Final = ("extra.batch.client", "BatchClient")
_TOOL: Final = (tool_request, tool_content, ToolRecorder)

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
    ExecutingMethod(*_WORKFLOWS, "execute_workflow", workflow_request, *_EXECUTED, streamed=False),
    ExecutingMethod(
        *_WORKFLOWS, "execute_workflow_registration", workflow_request, *_EXECUTED, streamed=False
    ),
    WaitingMethod(
        *_WORKFLOWS, "execute_workflow_and_wait", workflow_request, *_AWAITED, streamed=False
    ),
    Method("executions", "Executions", "stream", *_FOLLOWED, streamed=True),
    Method("workflows_events", "WorkflowsEvents", "get_stream_events", *_FOLLOWED, streamed=True),
    Method("events", "Events", "get_stream_events", *_FOLLOWED, streamed=True),
    Method("judges", "Judges", "judge_conversation", *_JUDGED, streamed=False),
    Method("datasets_records", "DatasetsRecords", "judge", *_JUDGED, streamed=False),
    # This is the name of `DatasetsRecords` until 3.1, and a place that is no more since 2.10.
    Method("records", "Records", "judge", *_JUDGED, streamed=False),
    Method("chat_completion_events", "ChatCompletionEvents", "judge", *_JUDGED, streamed=False),
    Method("context_search_indexes", "ContextSearchIndexes", *_SUMMARY, streamed=True),
    # These are the names of `ContextSearchIndexes` until 3.7.
    Method("managed_indexes", "ManagedIndexes", *_SUMMARY, streamed=True),
    Method("search_indexes", "SearchIndexes", *_SUMMARY, streamed=True),
    Method("connectors", "Connectors", "call_tool", *_TOOL, streamed=False),
    # In 1.x, `Jobs` are those of fine-tuning.
    Method("jobs", "Jobs", *_BATCH, streamed=False, takes="endpoint"),
    # These are the names of `Jobs` until 2.5.2 and until 2.0.
    Method("batch_jobs", "BatchJobs", *_BATCH, streamed=False),
    Method("mistral_jobs", "MistralJobs", *_BATCH, streamed=False),
    # This is the name of `BetaAgents.create` until 2.0.
    Method(
        "mistral_agents", "MistralAgents", "create", create_agent_request, *_RESULT, streamed=False
    ),
)

LOOPS: Final = (
    Loop(*_CONVERSATIONS, "run_async", streamed=False),
    Loop(*_CONVERSATIONS, "run_stream_async", streamed=True),
)

# These are async without a twin, and belong to no client.
BATCHES: Final = (
    CollectingMethod(*_BATCH_CLIENT, "output", collect_request, *_COLLECTED, streamed=False),
    CollectingMethod(*_BATCH_CLIENT, "error_output", collect_request, *_COLLECTED, streamed=False),
)
