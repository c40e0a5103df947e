# SPDX-License-Identifier: Apache-2.0
"""Measures the calls that are no inference and no tokens: workflows, and tools of connectors."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .. import _names as s
from .._reading.requests import TOOL
from .metric_names import ERRORS, WORKFLOWS

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from .._reading.requests import Request
    from .._recording.ending import Ending
    from .ends_once import Plan
    from .metric_attributes import Attributes
    from .metrics import Instruments


def of_job(
    instruments: Instruments, request: Request, ending: Ending, seconds: float, context: Context
) -> Plan:
    """Returns the step that records the duration of a workflow or of a tool."""
    subject = getattr(request, "subject", None)
    failure = ending.failure
    if request.measured == TOOL:
        tool: Attributes = {s.TOOL_TYPE: "extension"}
        if isinstance(subject, str):
            tool[s.TOOL_NAME] = subject
        error_type = None if failure is None else failure.type
        return [instruments.of_tool(tool, error_type, seconds, context)]
    name = ending.attributes.get(s.WORKFLOW_NAME) or subject
    named: Attributes = {}
    if isinstance(name, str):
        named[s.WORKFLOW_NAME] = WORKFLOWS.bounded(name)
    if ending.outcome is not None:
        named[s.STREAM_OUTCOME] = ending.outcome
    if failure is not None:
        named[s.ERROR_TYPE] = ERRORS.bounded(failure.type)
    return [partial(instruments.workflow.record, seconds, named, context)]
