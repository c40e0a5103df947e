# SPDX-License-Identifier: Apache-2.0
"""Spells the names of attributes, metrics and events, and the few values that are fixed.

``gen_ai.*``, ``server.*``, ``error.*``, ``exception.*`` and ``http.*`` are OpenTelemetry's
(https://github.com/open-telemetry/semantic-conventions-genai). They are not imported from
``opentelemetry-semantic-conventions``, because some SDK versions pin a release of that package
which lacks half of them. ``mistral_ai.*`` is ours, for what the conventions lack.
"""

from __future__ import annotations

from typing import Final

SCOPE: Final = "opentelemetry.instrumentation.genai.mistralai"
PROVIDER: Final = "mistral_ai"
# The last published schema with names of GenAI: since then these have a repository of their own.
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.41.0"

# Operations
CHAT: Final = "chat"
INVOKE_AGENT: Final = "invoke_agent"
EXECUTE_TOOL: Final = "execute_tool"
TEXT_COMPLETION: Final = "text_completion"
EMBEDDINGS: Final = "embeddings"
GENERATE_CONTENT: Final = "generate_content"
MODERATION: Final = "moderation"
CLASSIFICATION: Final = "classification"
CREATE_AGENT: Final = "create_agent"
RETRIEVAL: Final = "retrieval"
INVOKE_WORKFLOW: Final = "invoke_workflow"
# The conventions have no name for these.
FOLLOW_WORKFLOW: Final = "follow_workflow"
EVALUATE: Final = "evaluate"
CREATE_BATCH: Final = "create_batch"
COLLECT_BATCH: Final = "collect_batch"

# Attributes: the request
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_TOP_K: Final = "gen_ai.request.top_k"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
REQUEST_PREVIOUS_RESPONSE: Final = "gen_ai.request.previous_response.id"
REQUEST_TOOL_CHOICE: Final = "mistral_ai.request.tool_choice"
REQUEST_PARALLEL_TOOL_CALLS: Final = "mistral_ai.request.parallel_tool_calls"
REQUEST_PROMPT_MODE: Final = "mistral_ai.request.prompt_mode"
REQUEST_PROMPT_CACHE_KEY: Final = "mistral_ai.request.prompt_cache_key"
REQUEST_SAFE_PROMPT: Final = "mistral_ai.request.safe_prompt"
REQUEST_SERVICE_TIER: Final = "mistral_ai.request.service_tier"
REQUEST_GUARDRAILS: Final = "mistral_ai.request.guardrails"
CONFIRMED: Final = "mistral_ai.tool_confirmations."
EMBEDDINGS_DIMENSIONS: Final = "gen_ai.embeddings.dimension.count"
DATA_SOURCE_ID: Final = "gen_ai.data_source.id"
RETRIEVAL_TOP_K: Final = "gen_ai.retrieval.top_k"
OUTPUT_TYPE: Final = "gen_ai.output.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

# Attributes: who answers, and in which conversation
AGENT_ID: Final = "gen_ai.agent.id"
AGENT_NAME: Final = "gen_ai.agent.name"
AGENT_VERSION: Final = "gen_ai.agent.version"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
RESTARTED_FROM: Final = "mistral_ai.conversation.restarted_from"

# Attributes: workflows
WORKFLOW_NAME: Final = "gen_ai.workflow.name"
WORKFLOW_EXECUTION: Final = "mistral_ai.workflow.execution.id"
WORKFLOW_RUN: Final = "mistral_ai.workflow.run.id"
WORKFLOW_REGISTRATION: Final = "mistral_ai.workflow.registration.id"
WORKFLOW_DEPLOYMENT: Final = "mistral_ai.workflow.deployment.name"
WORKFLOW_STATUS: Final = "mistral_ai.workflow.status"

# Attributes: judges and indexes
JUDGE_ID: Final = "mistral_ai.judge.id"
EVALUATION_NAME: Final = "gen_ai.evaluation.name"
EVALUATION_SCORE: Final = "gen_ai.evaluation.score.value"
EVALUATION_LABEL: Final = "gen_ai.evaluation.score.label"

# Attributes: batches
BATCH_JOB: Final = "mistral_ai.batch.job.id"
BATCH_ENDPOINT: Final = "mistral_ai.batch.endpoint"
BATCH_STATUS: Final = "mistral_ai.batch.status"
BATCH_REQUESTS: Final = "mistral_ai.batch.requests"
BATCH_RESPONSES: Final = "mistral_ai.batch.responses"
BATCH_ERRORS: Final = "mistral_ai.batch.errors"

# Attributes: the response
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
REQUEST_ID: Final = "mistral_ai.request.id"
CORRELATION_ID: Final = "mistral-correlation-id"
REQUEST_ID_HEADER: Final = "x-request-id"
RESEND_COUNT: Final = "http.request.resend_count"
RETRY_AFTER: Final = "http.response.header.retry-after"
RESPONSE_CREATED_AT: Final = "mistral_ai.response.created_at"
RESPONSE_SERVICE_TIER: Final = "mistral_ai.response.service_tier"
GUARDRAILS: Final = "mistral_ai.guardrails."
STREAM_OUTCOME: Final = "mistral_ai.stream.outcome"
CLOCK_SHIFT: Final = "mistral_ai.clock.shift_ms"
RETRIEVAL_COUNT: Final = "mistral_ai.retrieval.document.count"
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_CACHE_CREATION: Final = "gen_ai.usage.cache_creation.input_tokens"
USAGE_REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
USAGE_PAGES: Final = "mistral_ai.usage.pages"
USAGE_DOCUMENT_BYTES: Final = "mistral_ai.usage.document_bytes"
USAGE_AUDIO_SECONDS: Final = "mistral_ai.usage.audio_seconds"
USAGE_INPUT_AUDIO: Final = "mistral_ai.usage.input_audio_tokens"
USAGE_OUTPUT_AUDIO: Final = "mistral_ai.usage.output_audio_tokens"
USAGE_TOTAL_TOKENS: Final = "mistral_ai.usage.total_tokens"
USAGE_CONNECTOR_TOKENS: Final = "mistral_ai.usage.connector_tokens"
USAGE_CONNECTORS: Final = "mistral_ai.usage.connectors."

# Attributes: tools and handoffs
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_CONFIRMATION: Final = "mistral_ai.tool.confirmation"
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"
TRANSFER_TARGET_NAME: Final = "gen_ai.transfer.target.name"
TRANSFER_MODE: Final = "gen_ai.transfer.mode"
HANDOFF_TARGET_ID: Final = "mistral_ai.handoff.target.id"

# Attributes: content
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
RETRIEVAL_QUERY: Final = "gen_ai.retrieval.query.text"
RETRIEVAL_DOCUMENTS: Final = "gen_ai.retrieval.documents"

# Attributes: errors
ERROR_TYPE: Final = "error.type"
ERROR_CODE: Final = "mistral_ai.error.code"
HTTP_STATUS_CODE: Final = "http.response.status_code"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"

# Attributes: metrics
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 -- this is no secret
TOKEN_MODALITY: Final = "gen_ai.token.modality"  # noqa: S105 -- this is no secret
CONNECTOR_NAME: Final = "mistral_ai.connector.name"
OTHER: Final = "_OTHER"

# Values of error.type that no exception has
INCOMPLETE_STREAM: Final = "incomplete_stream"
TOOL_ERROR: Final = "tool_error"

# Log events
EXCEPTION_EVENT: Final = "gen_ai.client.operation.exception"
DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"

# Metrics, in both modes
METRIC_INPUT_TOKENS: Final = "gen_ai.client.inference.usage.input_tokens"
METRIC_OUTPUT_TOKENS: Final = "gen_ai.client.inference.usage.output_tokens"
METRIC_CACHE_READ: Final = "gen_ai.client.inference.usage.cache_read.input_tokens"
METRIC_CACHE_WRITE: Final = "gen_ai.client.inference.usage.cache_write.input_tokens"
METRIC_REASONING: Final = "gen_ai.client.inference.usage.reasoning.output_tokens"
METRIC_CONNECTOR_TOKENS: Final = "mistral_ai.client.connector.tokens"
METRIC_CONNECTOR_CALLS: Final = "mistral_ai.client.connector.calls"
METRIC_BATCH_TOKENS: Final = "mistral_ai.client.batch.tokens"
METRIC_BATCH_ERRORS: Final = "mistral_ai.client.batch.errors"
METRIC_TOOL_DURATION: Final = "gen_ai.execute_tool.duration"
METRIC_WORKFLOW_DURATION: Final = "gen_ai.invoke_workflow.duration"
METRIC_RUN_DURATION: Final = "gen_ai.invoke_agent.duration"
METRIC_RUN_REQUESTS: Final = "gen_ai.invoke_agent.inference_calls"
METRIC_RUN_TOOLS: Final = "gen_ai.invoke_agent.tool_calls"
# Metrics, default mode
METRIC_TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105 -- this is no secret
METRIC_DURATION: Final = "gen_ai.client.operation.duration"
METRIC_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
METRIC_CHUNK: Final = "gen_ai.client.operation.time_per_output_chunk"
# Metrics, latest mode
METRIC_LATEST_DURATION: Final = "gen_ai.client.inference.duration"
METRIC_LATEST_FIRST_CHUNK: Final = "gen_ai.client.inference.time_to_first_chunk"
METRIC_LATEST_CHUNK: Final = "gen_ai.client.inference.time_per_output_chunk"
METRIC_LATEST_INPUT_TOKENS: Final = "gen_ai.client.inference.operation.input_tokens"
METRIC_LATEST_OUTPUT_TOKENS: Final = "gen_ai.client.inference.operation.output_tokens"
METRIC_EMBEDDINGS_DURATION: Final = "gen_ai.client.embeddings.duration"
METRIC_EMBEDDINGS_TOKENS: Final = "gen_ai.client.embeddings.operation.input_tokens"
