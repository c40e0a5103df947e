# SPDX-License-Identifier: Apache-2.0
"""The endpoints as rows of a table, and the steps that each of them takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from emulator import checks
from emulator.respond import Call, respond
from emulator.scenario import Answer, load_scenarios

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from emulator.state import Conversation, State

_SCENARIO_HEADER = "x-emulator-scenario"
_CLOCK_HEADER = "x-emulator-clock-offset"


@dataclass(frozen=True)
class Endpoint:
    """A row: its path, what is wrong with a body, and the conversation that answers."""

    path: str
    problems: Callable[[dict[str, Any]], list[checks.Problem]]
    conversation: Callable[[State, str, dict[str, Any]], Conversation]


def _start(state: State, _conversation_id: str, body: dict[str, Any]) -> Conversation:
    return state.create(body.get("model"), body.get("agent_id"))


def _append(state: State, conversation_id: str, _body: dict[str, Any]) -> Conversation:
    return state.find(conversation_id)


def _restart(state: State, conversation_id: str, _body: dict[str, Any]) -> Conversation:
    parent = state.find(conversation_id)
    return state.create(parent.model, parent.agent_id)


ENDPOINTS = (
    Endpoint("/v1/conversations", checks.start_problems, _start),
    Endpoint("/v1/conversations/{conversation_id}", checks.append_problems, _append),
    Endpoint("/v1/conversations/{conversation_id}/restart", checks.restart_problems, _restart),
)


class _Handler:
    """A row as an ASGI application: it needs `send` itself, not a response to return."""

    def __init__(self, endpoint: Endpoint, state: State) -> None:
        self._endpoint = endpoint
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[str, str] = scope["emulator.headers"]
        authorization = checks.authorization(headers)
        body = checks.json_object(scope["emulator.body"])
        problems = self._endpoint.problems(body)
        if problems:
            raise checks.invalid(*problems)
        offset = checks.seconds(headers, _CLOCK_HEADER)
        name = _scenario_name(headers, body)
        conversation = self._endpoint.conversation(
            self._state, scope["path_params"].get("conversation_id", ""), body
        )
        inputs = body.get("inputs")
        call = Call(
            answer=_answer(self._state, authorization, name),
            names={
                "conversation_id": conversation.id,
                "model": conversation.model,
                "agent_id": conversation.agent_id,
                "text": inputs if isinstance(inputs, str) else json.dumps(inputs),
            },
            stream=body.get("stream") is True,
            now=lambda: self._state.now() + offset,
            transport=scope["emulator.transport"],
        )
        await respond(call, scope, receive, send)


def _scenario_name(headers: dict[str, str], body: dict[str, Any]) -> str:
    """Return the scenario which the header names, else the one for the tools."""
    name = headers.get(_SCENARIO_HEADER)
    if name is None:
        return "web_search" if "web_search" in checks.tool_types(body) else "answer"
    known = load_scenarios()
    if name not in known:
        message = f"Unknown scenario {name!r}; known: {', '.join(known)}"
        raise checks.invalid(checks.problem(["header", _SCENARIO_HEADER], message))
    return name


def _answer(state: State, authorization: str, name: str) -> Answer:
    scenarios = load_scenarios()
    answer = scenarios[name].answer(state.count_attempt(authorization, name))
    return scenarios[answer.scenario].answer(0) if answer.scenario else answer


def routes(state: State) -> list[Route]:
    """Return the table as routes."""
    return [Route(row.path, _Handler(row, state), methods=["POST"]) for row in ENDPOINTS]
