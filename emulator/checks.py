# SPDX-License-Identifier: Apache-2.0
"""What the API refuses, and the bodies it refuses with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Callable

Problem = dict[str, Any]


class Refused(HTTPException):
    """An answer other than 200, with its JSON body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        """Keep the body for the handler."""
        super().__init__(status)
        self.body = body


def api_error(status: int, message: str, kind: str, code: str) -> Refused:
    """Make an error in the shape the API gives to its own errors."""
    body = {"object": "error", "message": message, "type": kind, "param": None, "code": code}
    return Refused(status, body)


def problem(location: list[str], message: str, kind: str = "value_error") -> Problem:
    """Make one item of the detail of a 422."""
    return {"loc": location, "msg": message, "type": kind}


def invalid(*problems: Problem) -> Refused:
    """Make the 422 that lists what is wrong."""
    return Refused(422, {"detail": list(problems)})


def required(*names: str) -> Callable[[dict[str, Any]], list[Problem]]:
    """Make the check of a body that must have these fields; ``a|b`` is one of the two."""

    def problems(body: dict[str, Any]) -> list[Problem]:
        return [
            problem(["body", name], "Field required", "missing")
            for name in names
            if all(body.get(one) is None for one in name.split("|"))
        ]

    return problems


def none(_body: dict[str, Any]) -> list[Problem]:
    """Check nothing: the request has no body."""
    return []


def start_problems(body: dict[str, Any]) -> list[Problem]:
    """Check the body of a start: inputs, and one of model and agent_id."""
    problems = required("inputs")(body)
    given = [name for name in ("model", "agent_id") if body.get(name) is not None]
    if len(given) != 1:
        problems.append(problem(["body"], f"Exactly one of model and agent_id is needed: {given}"))
    return problems


def authorization(headers: dict[str, str]) -> str:
    """Return the Authorization header; refuse a request without a bearer token."""
    value = headers.get("authorization", "")
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise api_error(401, "Unauthorized", "unauthorized", "1001")
    return value


def json_object(body: Any) -> dict[str, Any]:
    """Return the body; refuse one which is not a JSON object."""
    if not isinstance(body, dict):
        raise invalid(problem(["body"], "The body is not a JSON object", "json_invalid"))
    return cast("dict[str, Any]", body)


def tool_types(body: dict[str, Any]) -> list[Any]:
    """Return the types of the tools; refuse tools which are not a list of objects."""
    tools: object = body.get("tools") or []
    if not isinstance(tools, list):
        raise invalid(problem(["body", "tools"], "The tools are not a list", "list_type"))
    types: list[Any] = []
    for tool in cast("list[object]", tools):
        if not isinstance(tool, dict):
            raise invalid(problem(["body", "tools"], "A tool is not an object", "dict_type"))
        types.append(cast("dict[str, Any]", tool).get("type"))
    return types


def number(headers: dict[str, str], name: str, default: float) -> float:
    """Return a header as a number."""
    try:
        value = float(headers.get(name, default))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise invalid(problem(["header", name], "Not a number"))
    return value


def refusal(error: Refused) -> JSONResponse:
    """Return the response to a refused request."""
    return JSONResponse(error.body, status_code=error.status_code)
