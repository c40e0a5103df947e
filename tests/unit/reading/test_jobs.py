# SPDX-License-Identifier: Apache-2.0
"""Requests for work that the server does by itself, as plain keyword arguments."""

from __future__ import annotations

from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._reading.jobs import (
    execution_facts,
    follow_request,
    job_of,
    key_of,
    workflow_request,
)
from tests.support import names as s


def test_a_workflow_is_named_on_span_and_metric() -> None:
    request = workflow_request({"workflow_identifier": "greet", "execution_id": "mine"})
    assert (request.span_name, request.subject) == ("invoke_workflow greet", "greet")
    assert request.attributes[s.WORKFLOW_NAME] == "greet"
    assert request.attributes[s.WORKFLOW_EXECUTION] == "mine"


@pytest.mark.parametrize(
    "identifier",
    ["3f2504e0-4f89-41d3-9a0c-0305e82c3301", "3F2504E04F8941D39A0C0305E82C3301", None, 7, "", [1]],
)
def test_an_id_or_nothing_is_no_name(identifier: Any) -> None:
    request = workflow_request({"workflow_identifier": identifier})
    assert (request.span_name, request.subject) == ("invoke_workflow", None)
    assert s.WORKFLOW_NAME not in request.attributes


def test_a_name_is_cut() -> None:
    request = workflow_request({"workflow_identifier": "x" * 1000})
    assert len(request.subject or "") == 256


@pytest.mark.parametrize(
    ("given", "execution", "name"),
    [
        ({"execution_id": "e"}, "e", None),
        ({"workflow_exec_id": "e", "workflow_name": "greet"}, "e", "greet"),
        ({"workflow_exec_id": "*", "root_workflow_exec_id": "r", "workflow_name": "*"}, "r", None),
        ({"parent_workflow_exec_id": "p"}, "p", None),
        ({}, None, None),
    ],
)
def test_a_stream_of_events_is_about_one_execution(
    given: dict[str, str], execution: str | None, name: str | None
) -> None:
    request = follow_request(given)
    assert request.attributes.get(s.WORKFLOW_EXECUTION) == execution
    assert request.attributes.get(s.WORKFLOW_NAME) == name
    assert job_of(request.continues) == execution


def test_a_job_is_no_conversation() -> None:
    assert key_of("a", "conv_1") != "conv_1"
    assert job_of(key_of("a", "b:c")) == "b:c"


def test_an_answer_is_read_without_what_it_lacks() -> None:
    assert execution_facts({"execution_id": "e", "status": None, "run_id": 7}) == {
        s.WORKFLOW_EXECUTION: "e"
    }
