# SPDX-License-Identifier: Apache-2.0
"""The endpoints as rows of a table, and the steps that each of them takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from emulator import checks, names
from emulator.respond import Call, respond
from emulator.scenario import COMPLETION, CONVERSATION, DEFAULT, Answer, load_scenarios

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from emulator.state import State

_SCENARIO_HEADER = "x-emulator-scenario"
_CLOCK_HEADER = "x-emulator-clock-offset"
# How many times longer each pause of a scenario takes: people read slower than tests.
_SLOWER_HEADER = "x-emulator-slower"
# What the answer has as the id that the API gave the request; the API says it in either header.
_ID_HEADERS = {
    "x-emulator-correlation-id": "mistral-correlation-id",
    "x-emulator-request-id": "x-request-id",
}


@dataclass(frozen=True)
class Endpoint:
    """A row: its path, who may answer and who does by default, what a body must have.

    ``names`` are what the placeholders of the answer stand for.
    """

    path: str
    api: str
    scenario: str
    problems: Callable[[dict[str, Any]], list[checks.Problem]]
    names: Callable[[State, dict[str, str], dict[str, Any]], dict[str, Any]] = names.of_request
    method: str = "POST"
    streams: bool | None = None
    """Whether it answers with a stream; None: when the body asks for one."""


_need = checks.required
_CONVERSATIONS = "/v1/conversations"
_AGENT = "/v1/agents/{agent_id}"
_INDEX = "/v1/context/search-indexes/{index_name}"
_MANAGED_INDEX = "/v1/rag/managed_indexes/{index_name}"
_VERTEX = "/v1/projects/{project}/locations/{location}/publishers/mistralai/models/{model}"
_WORKFLOWS = "/v1/workflows"
_CHAT = _need("model", "messages")
_VERTEX_BODY = _need("model", "messages|prompt")  # chat and FIM have the same path there
_INPUT = _need("model", "input")
ENDPOINTS = (
    Endpoint(_CONVERSATIONS, CONVERSATION, "answer", checks.start_problems, names.of_start),
    # Newer SDKs send no inputs with tool confirmations.
    Endpoint(
        f"{_CONVERSATIONS}/{{conversation_id}}", CONVERSATION, "answer", _need(), names.of_append
    ),
    Endpoint(
        f"{_CONVERSATIONS}/{{conversation_id}}/restart",
        CONVERSATION,
        "answer",
        _need("from_entry_id"),
        names.of_restart,
    ),
    Endpoint("/v1/chat/completions", COMPLETION, "chat", _CHAT),
    Endpoint("/v1/agents/completions", COMPLETION, "chat", _need("agent_id", "messages")),
    Endpoint("/v1/fim/completions", COMPLETION, "fim", _need("model", "prompt")),
    Endpoint("/v1/embeddings", "embedding", "embeddings", _INPUT, names.of_inputs),
    Endpoint("/v1/moderations", "moderation", "moderation", _INPUT, names.of_inputs),
    Endpoint("/v1/chat/moderations", "moderation", "moderation", _INPUT, names.of_chats),
    Endpoint("/v1/classifications", "classification", "classification", _INPUT, names.of_inputs),
    Endpoint(
        "/v1/chat/classifications", "classification", "classification", _INPUT, names.of_chats
    ),
    Endpoint("/v1/ocr", "ocr", "ocr", _need("document")),
    Endpoint(
        "/v1/audio/transcriptions",
        "transcription",
        "transcription",
        _need("model", "file|file_url|file_id"),
    ),
    Endpoint("/v1/audio/speech", "speech", "speech", _need("input")),
    Endpoint("/v1/responses", "response", "response", _INPUT),
    Endpoint("/v1/agents", "agent", "agent_created", _need("model", "name")),
    Endpoint(_AGENT, "agent", "agent_created", _need(), method="GET"),
    Endpoint(_AGENT, "agent", "agent_created", _need(), method="PATCH"),
    Endpoint(f"{_INDEX}/search", "search", "search", _need("retriever")),
    Endpoint(f"{_INDEX}/grep", "grep", "grep", _need("source_id", "pattern")),
    # SDK 2.10.1 to 3.2.
    Endpoint(f"{_MANAGED_INDEX}/search", "search", "search", _need("retriever")),
    Endpoint(f"{_MANAGED_INDEX}/grep", "grep", "grep", _need("source_id", "pattern")),
    Endpoint(
        f"{_WORKFLOWS}/{{workflow_identifier}}/execute",
        "workflow",
        "workflow_started",
        _need(),
        names.of_workflow,
    ),
    Endpoint(
        f"{_WORKFLOWS}/registrations/{{registration}}/execute",
        "workflow",
        "workflow_started",
        _need(),
        names.of_workflow,
    ),
    Endpoint(
        f"{_WORKFLOWS}/executions/{{execution_id}}",
        "workflow",
        "workflow_done",
        _need(),
        names.of_workflow,
        method="GET",
    ),
    *(
        Endpoint(
            f"{_WORKFLOWS}/{path}",
            "workflow_event",
            "workflow_events",
            _need(),
            names.of_workflow,
            method="GET",
            streams=True,
        )
        for path in ("executions/{execution_id}/stream", "events/stream")
    ),
    *(
        Endpoint(
            f"/v1/observability/{path}/{{id}}/live-judging", "judgement", "judgement", problems
        )
        for path, problems in (
            ("judges", _need("messages")),
            ("dataset-records", _need("judge_definition")),
        )
    ),
    Endpoint(
        "/v1/context/search-indexes/{index}/summary_field/{language}",
        "index_summary",
        "index_summary",
        checks.none,
        streams=True,
    ),
    Endpoint("/v1/connectors/{connector}/tools/{tool}/call", "tool", "connector_tool", _need()),
    Endpoint("/v1/batch/jobs", "batch", "batch_queued", _need("endpoint"), names.of_batch),
    Endpoint(
        "/v1/batch/jobs/{job_id}",
        "batch",
        "batch_done",
        checks.none,
        names.of_batch,
        method="GET",
    ),
    Endpoint("/v1/files/{file_id}/content", "file", "batch_results", checks.none, method="GET"),
    # Azure and Google Cloud; the Azure client of SDK 1.x has the paths of the API itself.
    Endpoint("/models/chat/completions", COMPLETION, "chat", _CHAT),
    Endpoint("/providers/mistral/azure/ocr", "ocr", "ocr", _need("document")),
    # The Azure client of SDK 2.0.0, too early to have either.
    Endpoint("/chat/completions", COMPLETION, "chat", _CHAT),
    Endpoint("/ocr", "ocr", "ocr", _need("document")),
    Endpoint(f"{_VERTEX}:rawPredict", COMPLETION, "chat", _VERTEX_BODY),
    Endpoint(f"{_VERTEX}:streamRawPredict", COMPLETION, "chat", _VERTEX_BODY),
)


class _Handler:
    """A row as an ASGI application: it needs `send` itself, not a response to return."""

    def __init__(self, endpoint: Endpoint, state: State) -> None:
        self._endpoint = endpoint
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        row, headers = self._endpoint, scope["emulator.headers"]
        authorization = checks.authorization(headers)
        bodiless = row.method == "GET" or row.problems is checks.none
        body = checks.json_object({} if bodiless else scope["emulator.body"])
        problems = row.problems(body)
        if problems:
            raise checks.invalid(*problems)
        offset = checks.number(headers, _CLOCK_HEADER, 0)
        name = _scenario_name(row, headers, body)
        own = row.names(self._state, scope["path_params"], body)

        def now() -> float:
            return self._state.now() + offset

        call = Call(
            api=row.api,
            answer=_identified(_answer(self._state, authorization, name, row.scenario), headers),
            names={**own, **names.of_time(now())},
            stream=body.get("stream") is True if row.streams is None else row.streams,
            now=now,
            slower=checks.number(headers, _SLOWER_HEADER, 1),
            transport=scope["emulator.transport"],
        )
        await respond(call, scope, receive, send)


def _scenario_name(row: Endpoint, headers: dict[str, str], body: dict[str, Any]) -> str:
    """Return the scenario which the header names, else the one of the endpoint or its tools."""
    name = headers.get(_SCENARIO_HEADER)
    if name is None:
        searches = row.api == CONVERSATION and "web_search" in checks.tool_types(body)
        return "web_search" if searches else row.scenario
    known = load_scenarios()
    if name not in known:
        message = f"Unknown scenario {name!r}; known: {', '.join(known)}"
        raise checks.invalid(checks.problem(["header", _SCENARIO_HEADER], message))
    if known[name].api not in (None, row.api):
        message = f"Scenario {name!r} answers {known[name].api}, this endpoint is {row.api}"
        raise checks.invalid(checks.problem(["header", _SCENARIO_HEADER], message))
    return name


def _answer(state: State, authorization: str, name: str, default: str) -> Answer:
    scenarios = load_scenarios()
    answer = scenarios[name].answer(state.count_attempt(authorization, name))
    if answer.scenario is None:
        return answer
    other = default if answer.scenario == DEFAULT else answer.scenario
    return scenarios[other].answer(0)


def _identified(answer: Answer, headers: dict[str, str]) -> Answer:
    ids = {own: headers[asked] for asked, own in _ID_HEADERS.items() if asked in headers}
    return replace(answer, headers={**answer.headers, **ids}) if ids else answer


def routes(state: State) -> list[Route]:
    """Return the table as routes."""
    return [Route(row.path, _Handler(row, state), methods=[row.method]) for row in ENDPOINTS]
