# SPDX-License-Identifier: Apache-2.0
"""The recorder of a workflow's events, with plain events."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._reading.jobs import follow_request
from opentelemetry.instrumentation.genai.mistralai._recording.followed import FollowRecorder
from tests.support import names as s
from tests.support.fakes import FakeCall, FakeClock


def event(kind: str, execution: str = "e", name: str = "greet") -> Any:
    return SimpleNamespace(
        event="workflow",
        data={
            "workflow_context": {"workflow_exec_id": execution, "workflow_name": name},
            "data": {"event_type": kind},
        },
    )


def recorder(**given: str) -> tuple[FollowRecorder, FakeCall]:
    call = FakeCall(FakeClock(), follow_request(given))
    return FollowRecorder(call), call


@pytest.mark.parametrize(
    ("kinds", "status", "complete"),
    [
        (["WORKFLOW_EXECUTION_STARTED"], "RUNNING", False),
        (["WORKFLOW_EXECUTION_STARTED", "WORKFLOW_EXECUTION_FAILED"], "FAILED", True),
        (["ACTIVITY_TASK_COMPLETED"], None, False),
    ],
)
def test_the_executions_own_events_tell_its_status(
    kinds: list[str], status: str | None, complete: bool
) -> None:
    following, call = recorder(execution_id="e")
    for kind in kinds:
        following.see(event(kind))
    assert following.is_complete() is complete
    following.left("closed")
    (ending,) = call.endings
    assert ending.attributes.get(s.WORKFLOW_STATUS) == status
    assert ending.outcome == ("completed" if complete else "closed")


def test_a_childs_end_is_not_its_parents() -> None:
    following, call = recorder()
    following.see(event("WORKFLOW_EXECUTION_STARTED"))
    following.see(event("WORKFLOW_EXECUTION_COMPLETED", "child", "other"))
    following.exhausted()
    (ending,) = call.endings
    assert ending.attributes[s.WORKFLOW_STATUS] == "RUNNING"
    assert ending.corrected == (None, "follow_workflow greet")


@pytest.mark.parametrize(
    "data", [None, {}, {"data": 7}, {"workflow_context": {"workflow_exec_id": 1}}]
)
def test_an_event_of_another_shape_changes_nothing(data: Any) -> None:
    following, call = recorder(execution_id="e")
    following.see(SimpleNamespace(event="workflow", data=data))
    following.exhausted()
    (ending,) = call.endings
    assert s.WORKFLOW_STATUS not in ending.attributes
    assert ending.outcome == "completed"


def test_an_error_event_ends_it_once() -> None:
    following, call = recorder(execution_id="e")
    following.see(SimpleNamespace(event="error", data={"reason": "read_error", "error": "words"}))
    following.see(event("WORKFLOW_EXECUTION_COMPLETED"))
    following.exhausted()
    (ending,) = call.endings
    assert ending.failure is not None
    assert (ending.failure[0], ending.outcome) == ("read_error", "failed")
