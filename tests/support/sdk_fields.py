# SPDX-License-Identifier: Apache-2.0
"""Every field of what the API answers, as mistralai 3.7.0 has it, and what becomes of it.

A field's word is the name of an attribute in `tests.support.names`, ``inside`` for a field whose
own fields are here, ``content`` for what is recorded only while content is, or a word of `WHY`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any, Final, get_args

from pydantic import BaseModel

from tests.support import sdk

# What methods of the table answer with; an agent answers as a chat does.
ROOTS: Final = (
    "ConversationResponse", "ConversationEvents", "ChatCompletionResponse", "CompletionEvent",
    "FIMCompletionResponse", "EmbeddingResponse", "OCRResponse", "TranscriptionResponse",
    "TranscriptionStreamEvents", "SpeechResponse", "SpeechStreamEvents", "CreateResponseResponse",
    "ResponsesStreamFrame",
)  # fmt: skip
INSIDE: Final = "inside"
CONTENT: Final = "content"
# Why a field has no attribute and is no content. The first ones are read all the same.
READ: Final = {
    "time": "it says when a step began and ended, which its span has as times",
    "joins": "it joins pieces, or the two ends of a step",
    "tells": "it tells one kind of event, entry or chunk from another",
    "raw": "it is read in place of what the SDK's model could not read",
    "media": "it is read as a sign that output came; sound, pages and vectors are never recorded",
}
LEFT: Final = {
    "repeats": "it repeats what deltas brought, or what the whole response brings",
    "kind": "it is the same in every object of its class",
    "place": "it is an order that the order of the events tells",
    "echo": "it repeats the request, whose settings the span has",
    "person": "it stands for a person",
    "clock": "it is in seconds of the server's clock, and the span has times of its own",
    "numbers": "it has numbers for each token",
    "document": "it is the document that was read, and not a message",
    "opaque": "it means something to the API alone",
    "detail": "it says more of a thing that is told already",
    "free": "it has whatever fields somebody chose",
    "flag": "it says that the SDK does not know the rest",
}
WHY: Final = READ | LEFT

_USED: Final = (
    "prompt_tokens=USAGE_INPUT_TOKENS completion_tokens=USAGE_OUTPUT_TOKENS"
    " total_tokens=USAGE_TOTAL_TOKENS"
)
_ENTRY: Final = "object=kind type=tells created_at=time completed_at=time"
_WHO: Final = "agent_id=AGENT_ID model=RESPONSE_MODEL"
_EVENT: Final = "type=tells created_at=time output_index=place"
_UNKNOWN: Final = "type=flag raw=raw is_unknown=flag"
_COMPLETION: Final = (
    "id=RESPONSE_ID object=kind model=RESPONSE_MODEL usage=inside created=clock choices=inside"
)
_CALLED: Final = (
    "tool_call_id=content name=content arguments=content id=RESPONSE_ID"
    " confirmation_status=RESPONSE_FINISH_REASONS"
)
_PART: Final = "item_id=joins output_index=place sequence_number=place type=kind"
_HEARD: Final = "model=RESPONSE_MODEL text=content usage=inside language=detail segments=repeats"
_STATUS: Final = "response=inside sequence_number=place type=kind"
_ODDS: Final = "logprobs=numbers prompt_logprobs=numbers"

ROWS: Final = {
    # Conversations
    "ConversationResponse": "conversation_id=CONVERSATION_ID outputs=inside usage=inside"
    " object=kind guardrails=GUARDRAILS",
    "ConversationEvents": "event=tells data=inside",
    "ResponseStartedEvent": "conversation_id=CONVERSATION_ID type=tells created_at=time",
    "ResponseDoneEvent": "usage=inside type=tells created_at=RESPONSE_CREATED_AT",
    "ResponseErrorEvent": "message=content code=ERROR_TYPE type=tells created_at=time",
    "MessageOutputEvent": f"id=RESPONSE_ID content=content content_index=place role=kind {_WHO}"
    f" {_EVENT}",
    "FunctionCallEvent": f"{_CALLED} {_WHO} {_EVENT}",
    "ToolExecutionStartedEvent": f"id=TOOL_CALL_ID name=TOOL_NAME arguments=content {_WHO}"
    f" {_EVENT}",
    "ToolExecutionDeltaEvent": f"id=joins name=TOOL_NAME arguments=content {_EVENT}",
    "ToolExecutionDoneEvent": f"id=TOOL_CALL_ID name=TOOL_NAME info=content {_EVENT}",
    "AgentHandoffStartedEvent": "id=joins previous_agent_id=AGENT_ID previous_agent_name=AGENT_NAME"
    f" {_EVENT}",
    "AgentHandoffDoneEvent": "id=joins next_agent_id=HANDOFF_TARGET_ID"
    f" next_agent_name=TRANSFER_TARGET_NAME {_EVENT}",
    "UnknownConversationEventsData": _UNKNOWN,
    "MessageOutputEntry": f"content=content id=RESPONSE_ID role=kind {_WHO} {_ENTRY}",
    "FunctionCallEntry": f"{_CALLED} {_WHO} {_ENTRY}",
    "ToolExecutionEntry": f"id=TOOL_CALL_ID name=TOOL_NAME arguments=content info=content {_WHO}"
    f" {_ENTRY}",
    "AgentHandoffEntry": "id=joins previous_agent_id=AGENT_ID previous_agent_name=AGENT_NAME"
    f" next_agent_id=HANDOFF_TARGET_ID next_agent_name=TRANSFER_TARGET_NAME {_ENTRY}",
    "ConversationUsageInfo": f"{_USED} connector_tokens=USAGE_CONNECTOR_TOKENS"
    " connectors=USAGE_CONNECTORS",
    # Chunks of content
    "TextChunk": "text=content type=tells",
    "ThinkChunk": "thinking=content type=tells signature=opaque closed=detail",
    "ImageURLChunk": "image_url=content type=tells",
    "ImageURL": "url=content detail=detail",
    "DocumentURLChunk": "document_url=content type=tells document_name=content",
    "AudioChunk": "input_audio=content type=tells",
    "FileChunk": "file_id=content type=tells",
    "ToolFileChunk": "tool=content file_id=content type=tells file_name=content file_type=content",
    "ToolReferenceChunk": "tool=content title=content type=tells url=content favicon=detail"
    " description=detail",
    "ReferenceChunk": "reference_ids=content type=tells",
    "ResourceChunk": "uri=content content=content type=tells",
    "ResourceLinkChunk": "uri=content type=tells metadata=content",
    "UnknownContentChunk": _UNKNOWN,
    "UnknownResourceChunkContent": _UNKNOWN,
    # Chats, agents, fim, embeddings
    "ChatCompletionResponse": _COMPLETION,
    "FIMCompletionResponse": _COMPLETION,
    "CompletionEvent": "data=inside",
    "CompletionChunk": _COMPLETION,
    "ChatCompletionChoice": "index=joins finish_reason=RESPONSE_FINISH_REASONS message=inside"
    f" messages=inside {_ODDS}",
    "CompletionResponseStreamChoice": "index=joins finish_reason=RESPONSE_FINISH_REASONS"
    f" delta=inside {_ODDS}",
    "AssistantMessage": "role=tells content=content tool_calls=inside prefix=echo",
    "DeltaMessage": "role=tells content=content tool_calls=inside tool_call_id=content index=joins"
    " metadata=free",
    "ToolCall": "function=inside id=content type=kind index=joins",
    "FunctionCall": "name=content arguments=content",
    "EmbeddingResponse": "id=RESPONSE_ID object=kind model=RESPONSE_MODEL usage=inside data=media",
    "UsageInfo": f"{_USED} prompt_audio_seconds=USAGE_AUDIO_SECONDS"
    " service_tier=RESPONSE_SERVICE_TIER",
    # OCR and audio
    "OCRResponse": "pages=document model=RESPONSE_MODEL usage_info=inside"
    " document_annotation=document",
    "OCRUsageInfo": "pages_processed=USAGE_PAGES doc_size_bytes=USAGE_DOCUMENT_BYTES",
    "TranscriptionResponse": _HEARD,
    "TranscriptionStreamEvents": "event=tells data=inside",
    "TranscriptionStreamDone": f"{_HEARD} type=kind",
    "TranscriptionStreamLanguage": "audio_language=detail type=kind",
    "TranscriptionStreamSegmentDelta": "text=repeats start=detail end=detail type=kind"
    " speaker_id=person",
    "TranscriptionStreamTextDelta": "text=content type=kind",
    "UnknownTranscriptionStreamEventsData": _UNKNOWN,
    "SpeechResponse": "audio_data=media",
    "SpeechStreamEvents": "event=tells data=inside",
    "SpeechStreamAudioDelta": "audio_data=media type=kind",
    "SpeechStreamDone": "usage=inside type=kind",
    "UnknownSpeechV1AudioSpeechPostData": _UNKNOWN,
    # Responses
    "CreateResponseResponse": "id=RESPONSE_ID created_at=clock model=RESPONSE_MODEL output=inside"
    " parallel_tool_calls=echo tool_choice=echo tools=echo error=inside incomplete_details=inside"
    " instructions=echo metadata=echo object=kind temperature=echo top_p=echo background=echo"
    " completed_at=clock max_output_tokens=echo max_tool_calls=echo previous_response_id=echo"
    " prompt_cache_key=echo prompt_cache_retention=echo reasoning=echo safety_identifier=person"
    " service_tier=RESPONSE_SERVICE_TIER status=RESPONSE_FINISH_REASONS text=echo"
    " top_logprobs=echo truncation=echo usage=inside user=person",
    "ResponsesStreamFrame": "event=tells data=inside",
    "ResponsesOutputMessage": "id=detail content=content status=detail role=kind type=tells"
    " phase=detail",
    "ResponsesFunctionToolCall": "arguments=content call_id=content name=content type=tells"
    " id=detail caller=detail namespace=detail status=detail",
    "ResponsesReasoningItem": "id=detail summary=content type=tells content=content"
    " encrypted_content=opaque status=detail",
    "ResponsesOutputText": "annotations=detail text=content type=tells logprobs=numbers",
    "ResponsesOutputRefusal": "refusal=content type=tells",
    "ResponsesSummary": "text=content type=kind",
    "ResponsesContent": "text=content type=kind",
    "ResponsesError": "code=ERROR_TYPE message=content",
    "ResponsesIncompleteDetails": "reason=RESPONSE_FINISH_REASONS",
    "ResponsesUsage": "input_tokens=USAGE_INPUT_TOKENS output_tokens=USAGE_OUTPUT_TOKENS"
    " total_tokens=USAGE_TOTAL_TOKENS input_tokens_details=inside output_tokens_details=inside",
    "ResponsesInputTokensDetails": "cached_tokens=USAGE_CACHE_READ"
    " cache_write_tokens=USAGE_CACHE_WRITE",
    "ResponsesOutputTokensDetails": "reasoning_tokens=USAGE_REASONING",
    "ResponsesCreatedEvent": _STATUS,
    "ResponsesInProgressEvent": _STATUS,
    "ResponsesCompletedEvent": _STATUS,
    "ResponsesIncompleteEvent": _STATUS,
    "ResponsesFailedEvent": _STATUS,
    "ResponsesErrorEvent": "message=content sequence_number=place code=ERROR_TYPE param=detail"
    " type=kind",
    "ResponsesOutputItemAddedEvent": "item=repeats output_index=place sequence_number=place"
    " type=kind",
    "ResponsesOutputItemDoneEvent": "item=repeats output_index=place sequence_number=place"
    " type=kind",
    "ResponsesContentPartAddedEvent": f"content_index=place part=repeats {_PART}",
    "ResponsesContentPartDoneEvent": f"content_index=place part=repeats {_PART}",
    "ResponsesTextDeltaEvent": f"content_index=place delta=content logprobs=numbers {_PART}",
    "ResponsesTextDoneEvent": f"content_index=place text=repeats logprobs=numbers {_PART}",
    "ResponsesReasoningTextDeltaEvent": f"content_index=place delta=content {_PART}",
    "ResponsesReasoningTextDoneEvent": f"content_index=place text=repeats {_PART}",
    "ResponsesFunctionCallArgumentsDeltaEvent": f"delta=repeats {_PART}",
    "ResponsesFunctionCallArgumentsDoneEvent": f"arguments=repeats name=repeats {_PART}",
}  # fmt: skip
TABLE: Final = {
    f"{model}.{field}": word
    for model, row in ROWS.items()
    for field, _, word in (each.partition("=") for each in row.split())
}


def model(name: str) -> type[BaseModel]:
    """One of the SDK's models, by its name."""
    found: type[BaseModel] = getattr(importlib.import_module(f"{sdk.ROOT}.models"), name)
    return found


def fields_of_answers(table: dict[str, str], roots: tuple[str, ...] = ROOTS) -> set[str]:
    """All fields that the answers have, ``Model.field``; it looks into a field as the table does.

    Args:
        table: what is in it as ``inside`` or ``content``, or not at all, is looked into.
        roots: the models to begin with.
    """
    found: set[str] = set()
    left = [model(name) for name in roots]
    seen: set[str] = set()
    while left:
        cls = left.pop()
        if cls.__name__ in seen:
            continue
        seen.add(cls.__name__)
        for name, field in cls.model_fields.items():
            found.add(own := f"{cls.__name__}.{name}")
            if table.get(own, INSIDE) in (INSIDE, CONTENT):
                left.extend(_models_in(field.annotation))
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    # A `type` of Python 3.12, and what a union, a list or `Annotated` has in it.
    inner = (getattr(annotation, "__value__", None), *get_args(annotation))
    for each in inner:
        if each is not None:
            yield from _models_in(each)
