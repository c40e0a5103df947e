# SPDX-License-Identifier: Apache-2.0
"""Reads batches: the request for one, and the job that is collected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .. import _names as s
from .conversions import count
from .fields import AttributeValue, Fields, fields_of, items_of, name_of
from .jobs import key_of, plain_request
from .requests import TIMED, Request

_RUNNING: Final = frozenset({"QUEUED", "RUNNING", "CANCELLATION_REQUESTED"})


def batch_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads the request for a batch; its own requests are counted, and not looked at."""
    request = _request(s.CREATE_BATCH, kwargs)
    # A one-shot generator is left alone: the answer tells how many there were.
    if number := len(items_of(kwargs.get("requests"))):
        request.attributes[s.BATCH_REQUESTS] = number
    return request


def collect_request(kwargs: Mapping[str, Any]) -> Request:
    """Reads the job whose results are collected."""
    job = fields_of(kwargs.get("job"))
    request = _request(s.COLLECT_BATCH, job)
    request.attributes.update(job_facts(job))
    if (job_id := name_of(job.get("id"))) is not None:
        request.continues = key_of(s.CREATE_BATCH, job_id)
    return request


def is_running(job: Fields) -> bool:
    """Returns whether a job has no results yet; a status that nobody knows is an end."""
    return job.get("status") in _RUNNING


def job_facts(job: Fields) -> dict[str, AttributeValue]:
    """Reads what an answer tells of a job, by span attribute."""
    named = ((s.BATCH_JOB, "id"), (s.BATCH_STATUS, "status"))
    facts: dict[str, AttributeValue] = {
        attribute: name for attribute, field in named if (name := name_of(job.get(field)))
    }
    if total := count(job.get("total_requests")):
        facts[s.BATCH_REQUESTS] = total
    return facts


def _request(operation: str, asked: Mapping[str, Any]) -> Request:
    request = plain_request(operation, TIMED)
    if (model := name_of(asked.get("model"))) is not None:
        request.model = request.attributes[s.REQUEST_MODEL] = model
        request.span_name = f"{operation} {model}"
    if (agent_id := name_of(asked.get("agent_id"))) is not None:
        request.attributes[s.AGENT_ID] = agent_id
    if (endpoint := name_of(asked.get("endpoint"))) is not None:
        request.attributes[s.BATCH_ENDPOINT] = endpoint
    return request
