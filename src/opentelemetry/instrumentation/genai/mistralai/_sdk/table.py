# SPDX-License-Identifier: Apache-2.0
"""Lists every SDK method that gets a span, one row each; async twins are derived.

It names the modules of the SDK in which anything is wrapped, too: `targets` says what that is.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any, Final

from .. import _names as s
from .._content.messages import (
    completion_content,
    conversation_content,
    no_content,
    tool_content,
    workflow_content,
)
from .._content.searches import search_content
from .._reading.batches import batch_request, collect_request
from .._reading.create_agent import create_agent_request
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
    model_request,
    start_request,
)
from .._reading.searches import search_request
from .._reading.turns import append_request, restart_request
from .._recording.completions import CompletionRecorder
from .._recording.conversation import ConversationRecorder
from .._recording.followed import FollowRecorder, SummaryRecorder
from .._recording.responses import ResponseRecorder
from .._recording.results import (
    ResultRecorder,
    read_awaited,
    read_collected,
    read_created,
    read_execution,
    read_judgement,
    read_tool_result,
)
from .._recording.searches import SearchRecorder
from .batches import CollectingMethod
from .calls import Method
from .connections import CONNECTIONS
from .loops import Loop
from .realtime import Session
from .workflows import ExecutingMethod, WaitingMethod

# These packages contain the SDK's modules: in 1.x directly, later one level down. The last four
# belong to the clients for Azure and Google Cloud.
ROOTS: Final = (
    "mistralai",
    "mistralai.client",
    "mistralai_azure",
    "mistralai_gcp",
    "mistralai.azure.client",
    "mistralai.gcp.client",
)


# A row is the module, the class and the method, then what reads the request, then one of these
# pairs, and whether the result is a stream. A pair is what reads the request's content, and what
# records the result. With ``_ONLY`` the request's content is never recorded: something to embed or
# to classify, a document, sound, a new agent's instructions.
_TURN: Final = (conversation_content, ConversationRecorder)
_COMPLETION: Final = (completion_content, CompletionRecorder)
_COMPLETION_ONLY: Final = (no_content, CompletionRecorder)
_RESPONSE: Final = (completion_content, ResponseRecorder)
_RESPONSE_ONLY: Final = (no_content, ResponseRecorder)
_SEARCH: Final = (search_content, SearchRecorder)
_EXECUTION: Final = (workflow_content, partial(ResultRecorder, read=read_execution))
_AWAITED: Final = (workflow_content, partial(ResultRecorder, read=read_awaited))
_EVENTS: Final = (no_content, FollowRecorder)
_JUDGEMENT: Final = (completion_content, partial(ResultRecorder, read=read_judgement))
_SUMMARY: Final = (no_content, SummaryRecorder)
_TOOL: Final = (
    tool_content,
    partial(ResultRecorder, read=read_tool_result, as_text=s.TOOL_CALL_RESULT),
)
_JOB: Final = (no_content, partial(ResultRecorder, read=read_created))
_COLLECTED: Final = (no_content, partial(ResultRecorder, read=read_collected))
# The result is a stream if the caller passes ``stream=True``.
_IF_ASKED: Final = None

# These are modules and the classes in them.
_CONVERSATIONS: Final = ("conversations", "Conversations")
_CLASSIFIERS: Final = ("classifiers", "Classifiers")
_TRANSCRIPTIONS: Final = ("transcriptions", "Transcriptions")
_AGENTS: Final = ("beta_agents", "BetaAgents")
_AGENTS_BEFORE_2_0: Final = ("mistral_agents", "MistralAgents")
_INDEXES: Final = ("context_search_indexes", "ContextSearchIndexes")
_INDEXES_BEFORE_3_7: Final = ("managed_indexes", "ManagedIndexes")
_INDEXES_BEFORE_2_9: Final = ("search_indexes", "SearchIndexes")
_WORKFLOWS: Final = ("workflows", "Workflows")
_WORKFLOW_EVENTS: Final = ("workflows_events", "WorkflowsEvents")
_RECORDS: Final = ("datasets_records", "DatasetsRecords")
_RECORDS_BEFORE_3_1: Final = ("records", "Records")
_COMPLETION_EVENTS: Final = ("chat_completion_events", "ChatCompletionEvents")
_JOBS: Final = ("jobs", "Jobs")
_JOBS_BEFORE_2_5_2: Final = ("batch_jobs", "BatchJobs")
_JOBS_BEFORE_2_0: Final = ("mistral_jobs", "MistralJobs")
_BATCH_CLIENT: Final = ("extra.batch.client", "BatchClient")

# ``measured`` says which metrics a call has, by default those of an inference. The API reports
# tokens for transcription and streamed speech, but only pages for OCR, which has a duration only.
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
    Method("chat", "Chat", "complete", _chat, *_COMPLETION, streamed=False),
    Method("chat", "Chat", "stream", _chat, *_COMPLETION, streamed=True),
    Method("agents", "Agents", "complete", _ask_agent, *_COMPLETION, streamed=False),
    Method("agents", "Agents", "stream", _ask_agent, *_COMPLETION, streamed=True),
    Method("fim", "Fim", "complete", _fim, *_COMPLETION, streamed=False),
    Method("fim", "Fim", "stream", _fim, *_COMPLETION, streamed=True),
    Method("responses", "Responses", "create", _chat, *_RESPONSE, streamed=_IF_ASKED),
    Method("embeddings", "Embeddings", "create", _embed, *_COMPLETION_ONLY, streamed=False),
    Method(*_CLASSIFIERS, "moderate", _moderate, *_COMPLETION_ONLY, streamed=False),
    Method(*_CLASSIFIERS, "moderate_chat", _moderate, *_COMPLETION_ONLY, streamed=False),
    Method(*_CLASSIFIERS, "classify", _classify, *_COMPLETION_ONLY, streamed=False),
    Method(*_CLASSIFIERS, "classify_chat", _classify, *_COMPLETION_ONLY, streamed=False),
    Method("ocr", "Ocr", "process", _ocr, *_COMPLETION_ONLY, streamed=False),
    Method(*_TRANSCRIPTIONS, "complete", _transcribe, *_RESPONSE_ONLY, streamed=False),
    Method(*_TRANSCRIPTIONS, "stream", _transcribe, *_RESPONSE_ONLY, streamed=True),
    Method("speech", "Speech", "complete", _speak, *_RESPONSE, streamed=_IF_ASKED),
    Method(*_AGENTS, "create", create_agent_request, *_COMPLETION_ONLY, streamed=False),
    Method(*_AGENTS_BEFORE_2_0, "create", create_agent_request, *_COMPLETION_ONLY, streamed=False),
    Method(*_INDEXES, "search", search_request, *_SEARCH, streamed=False),
    Method(*_INDEXES, "grep", search_request, *_SEARCH, streamed=False),
    Method(*_INDEXES_BEFORE_3_7, "search", search_request, *_SEARCH, streamed=False),
    Method(*_INDEXES_BEFORE_3_7, "grep", search_request, *_SEARCH, streamed=False),
    ExecutingMethod(*_WORKFLOWS, "execute_workflow", workflow_request, *_EXECUTION, streamed=False),
    ExecutingMethod(
        *_WORKFLOWS, "execute_workflow_registration", workflow_request, *_EXECUTION, streamed=False
    ),
    WaitingMethod(
        *_WORKFLOWS, "execute_workflow_and_wait", workflow_request, *_AWAITED, streamed=False
    ),
    Method("executions", "Executions", "stream", follow_request, *_EVENTS, streamed=True),
    Method(*_WORKFLOW_EVENTS, "get_stream_events", follow_request, *_EVENTS, streamed=True),
    Method("events", "Events", "get_stream_events", follow_request, *_EVENTS, streamed=True),
    Method("judges", "Judges", "judge_conversation", judge_request, *_JUDGEMENT, streamed=False),
    Method(*_RECORDS, "judge", judge_request, *_JUDGEMENT, streamed=False),
    Method(*_RECORDS_BEFORE_3_1, "judge", judge_request, *_JUDGEMENT, streamed=False),
    # This place is no more since 2.10.
    Method(*_COMPLETION_EVENTS, "judge", judge_request, *_JUDGEMENT, streamed=False),
    Method(*_INDEXES, "generate_index_summary", summary_request, *_SUMMARY, streamed=True),
    Method(
        *_INDEXES_BEFORE_3_7, "generate_index_summary", summary_request, *_SUMMARY, streamed=True
    ),
    Method(
        *_INDEXES_BEFORE_2_9, "generate_index_summary", summary_request, *_SUMMARY, streamed=True
    ),
    Method("connectors", "Connectors", "call_tool", tool_request, *_TOOL, streamed=False),
    # In 1.x, `Jobs` are those of fine-tuning.
    Method(*_JOBS, "create", batch_request, *_JOB, streamed=False, takes="endpoint"),
    Method(*_JOBS_BEFORE_2_5_2, "create", batch_request, *_JOB, streamed=False),
    Method(*_JOBS_BEFORE_2_0, "create", batch_request, *_JOB, streamed=False),
)

LOOPS: Final = (
    Loop(*_CONVERSATIONS, "run_async", streamed=False),
    Loop(*_CONVERSATIONS, "run_stream_async", streamed=True),
)

# Where `get` may bring a batch's results: these have no span, but are counted.
JOBS: Final = (_JOBS, _JOBS_BEFORE_2_5_2, _JOBS_BEFORE_2_0)

# These are async without a twin, and belong to no client.
BATCHES: Final = (
    CollectingMethod(*_BATCH_CLIENT, "output", collect_request, *_COLLECTED, streamed=False),
    CollectingMethod(*_BATCH_CLIENT, "error_output", collect_request, *_COLLECTED, streamed=False),
)

SESSIONS: Final = (
    Session("extra.realtime.transcription", "RealtimeTranscription", "connect"),
    Session("extra.realtime.speech", "RealtimeSpeech", "connect", output_type="speech"),
)

AnyRow = Method | Loop | Session

# What is wrapped besides: the SDK's inner functions, in these modules.
STREAMS: Final = {
    "utils.eventstreaming": ("EventStream", "EventStreamAsync"),
    "utils.jsonl": ("JsonLStream", "JsonLStreamAsync"),
}
TRACING: Final = "_hooks.tracing"
CONVERSATIONS: Final = _CONVERSATIONS[0]
BATCH_CLIENT: Final = _BATCH_CLIENT[0]
RUNS: Final = "extra.run.context"
TOOLS: Final = "extra.run.tools"
MODULES: Final = tuple(dict.fromkeys([
    *STREAMS, *(row.module for row in METHODS), TRACING, RUNS, TOOLS, BATCH_CLIENT,
    *CONNECTIONS, *(row.module for row in SESSIONS),
]))  # fmt: skip


def is_meant(cls: Any, method: Method) -> bool:
    """Returns whether a class has the row's method, and no other one of that name.

    Args:
        cls: the class, or None if this SDK has none.
        method: the row, whose ``takes`` is an argument that the other one lacks.
    """
    return method.takes is None or takes(cls, method.takes, method.method)


def takes(cls: Any, argument: str, method: str = "get") -> bool:
    """Returns whether a class has a method that takes this argument."""
    function: Any = getattr(cls, method, None)
    code: Any = getattr(inspect.unwrap(function), "__code__", None)
    return code is not None and argument in code.co_varnames
