# SPDX-License-Identifier: Apache-2.0
"""Reads requests that no model is asked by name for: workflows, judges, tools, indexes.

What such a request names on its span, and what links a later call to it, is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from .. import _names as s
from .fields import AttributeValue, Fields, fields_of, name_of
from .requests import TIMED, TOOL, WORKFLOW, Request

# A workflow may be asked for by its id. No id is ever on a metric, nor in a span's name.
_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
_ANY: Final = "*"


class JobRequest(Request):
    """Holds what is known of a workflow, a tool or another job when its span starts.

    Attributes:
        subject: names a workflow or a tool on metrics, where others have a model.
        begun: the status that the SDK's first request was answered with, where it makes more.
    """

    __slots__ = ("begun", "subject")

    def __init__(self, operation: str, attributes: dict[str, AttributeValue]) -> None:
        super().__init__(operation, attributes)
        self.subject: str | None = None
        self.begun: str | None = None


def key_of(kind: str, job_id: str) -> str:
    """Returns what a job is remembered by beside conversations, whose ids have no such prefix."""
    return f"{kind}:{job_id}"


def job_of(key: str | None) -> str | None:
    """Returns the job's id of a key."""
    return key.partition(":")[2] if key is not None else None


def plain_request(operation: str, measured: str) -> JobRequest:
    """Makes a request that names neither a model nor an agent."""
    attributes: dict[str, AttributeValue] = {
        s.OPERATION_NAME: operation,
        s.PROVIDER_NAME: s.PROVIDER,
    }
    request = JobRequest(operation, attributes)
    request.measured = measured
    return request


def workflow_request(kwargs: Mapping[str, Any]) -> JobRequest:
    """Reads the request to execute a workflow, asked for by name, id or registration."""
    request = plain_request(s.INVOKE_WORKFLOW, WORKFLOW)
    name = name_of(kwargs.get("workflow_identifier"))
    if name is not None and _ID.fullmatch(name) is None:
        name_workflow(request, name)
    _add(request, s.WORKFLOW_REGISTRATION, kwargs.get("workflow_registration_id"))
    _add(request, s.WORKFLOW_EXECUTION, kwargs.get("execution_id"))
    _add(request, s.WORKFLOW_DEPLOYMENT, kwargs.get("deployment_name"))
    return request


def follow_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads the request for the events of a workflow's execution, which may run already."""
    request = plain_request(s.FOLLOW_WORKFLOW, TIMED)
    if (name := name_of(kwargs.get("workflow_name"))) not in (None, _ANY):
        name_workflow(request, name)
    names = ("execution_id", "workflow_exec_id", "root_workflow_exec_id", "parent_workflow_exec_id")
    known = (name_of(kwargs.get(key)) for key in names)
    execution = next((value for value in known if value not in (None, _ANY)), None)
    if execution is not None:
        request.attributes[s.WORKFLOW_EXECUTION] = execution
        request.continues = key_of(s.INVOKE_WORKFLOW, execution)
    return request


def judge_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads the request to judge a conversation or a record, by a saved judge or by this one."""
    request = plain_request(s.EVALUATE, TIMED)
    judge = fields_of(kwargs.get("judge_definition"))
    _add(request, s.JUDGE_ID, kwargs.get("judge_id"))
    if (name := name_of(judge.get("name"))) is not None:
        request.attributes[s.EVALUATION_NAME] = name
        request.span_name = f"{s.EVALUATE} {name}"
    if (model := name_of(judge.get("model_name"))) is not None:
        request.model = request.attributes[s.REQUEST_MODEL] = model
    return request


def summary_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads the request for a summary of an index; which model writes it, nobody says."""
    request = plain_request(s.GENERATE_CONTENT, TIMED)
    request.attributes[s.OUTPUT_TYPE] = "text"
    _add(request, s.DATA_SOURCE_ID, kwargs.get("index_name"))
    return request


def tool_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads the request to call a tool of a connector."""
    request = plain_request(s.EXECUTE_TOOL, TOOL)
    request.attributes[s.TOOL_TYPE] = "extension"
    if (name := name_of(kwargs.get("tool_name"))) is not None:
        request.subject = request.attributes[s.TOOL_NAME] = name
        request.span_name = f"{s.EXECUTE_TOOL} {name}"
    _add(request, s.CONNECTOR_NAME, kwargs.get("connector_id_or_name"))
    return request


def name_workflow(request: JobRequest, name: str) -> None:
    """Sets the workflow's name, before the span has started."""
    request.subject = request.attributes[s.WORKFLOW_NAME] = name
    request.span_name = f"{request.operation} {name}"


def execution_facts(answer: Fields) -> dict[str, AttributeValue]:
    """Reads what an answer tells of an execution, by span attribute."""
    told = (
        (s.WORKFLOW_NAME, "workflow_name"),
        (s.WORKFLOW_EXECUTION, "execution_id"),
        (s.WORKFLOW_RUN, "run_id"),
        (s.WORKFLOW_DEPLOYMENT, "deployment_name"),
        (s.WORKFLOW_STATUS, "status"),
    )
    named = ((attribute, name_of(answer.get(field))) for attribute, field in told)
    return {attribute: name for attribute, name in named if name is not None}


def _add(request: Request, attribute: str, value: object) -> None:
    if (name := name_of(value)) is not None:
        request.attributes[attribute] = name
