# SPDX-License-Identifier: Apache-2.0
"""Makes the plan that ends a call: attributes, content, hooks, metrics, the span's end.

Each action is a function of its own. An exception in one, from a provider, a hook or a redactor,
stops no other; after an interrupt in one, the others still run. `adopted` uses the metrics and the
hook, too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode

from .. import _log
from .. import _names as s
from .._reading.requests import INFERENCE, TIMED, TOOL, WORKFLOW
from .._recording.ending import Ending
from .ends_once import Plan
from .job_metrics import of_job
from .metric_attributes import known, made
from .metric_names import ERRORS

if TYPE_CHECKING:
    from .._content.mode import Content
    from .._reading.requests import Request
    from .child_spans import ChildSpan
    from .metrics import Instruments
    from .telemetry import Telemetry

_JOBS: Final = frozenset({WORKFLOW, TOOL})
# Nearly every call reports these counts and no others.
_PLAIN: Final = frozenset({s.USAGE_INPUT_TOKENS, s.USAGE_OUTPUT_TOKENS, s.USAGE_TOTAL_TOKENS})


class Ended(Protocol):
    """Describes a call that ends, as its plan sees it."""

    telemetry: Telemetry
    request: Request
    span: Span | None
    recording: bool
    started: int
    content: Content | None
    children: list[ChildSpan] | None

    @property
    def context(self) -> Context:
        """Returns the caller's context at the call's start, with the span in it."""
        ...


def plan_of(call: Ended, ending: Ending, ended: int, context: Context) -> Plan:
    """Returns the actions that end a call; the last item runs first.

    Args:
        call: the call, whose span is open.
        ending: what is known of the call.
        ended: the span's end, ns since the epoch.
        context: the call's context.
    """
    span, failure, telemetry = call.span, ending.failure, call.telemetry
    if span is None:
        return []
    plan: Plan = [partial(span.end, ended)]
    try:
        seconds = (ended - call.started) / 1e9
        measure = of_job if call.request.measured in _JOBS else measurements
        plan += measure(telemetry.instruments, call.request, ending, seconds, context)
    except Exception as exc:  # noqa: BLE001 -- the span must end even if a meter fails
        _log.report("measure a call", exc)
    attributes = ending.attributes
    if call.recording and telemetry.response_hook is not None:
        plan += hook_action(telemetry, span, ending)
    if failure is not None:
        attributes[s.ERROR_TYPE] = failure.type
        attributes.update(failure.attributes)
        # Viewers hide an event that lies past the span's end, even by part of a microsecond.
        inside = max(call.started, ended - 1000)
        plan.append(partial(telemetry.record_exception, span, failure, inside, context))
    if call.content is not None or telemetry.emits_details:
        plan.append(partial(_record_content, call, span, ending, ended, context))
    if call.recording:
        if ending.span_name is not None:
            plan.append(partial(span.update_name, ending.span_name))
        plan.append(partial(span.set_attributes, attributes))
        if failure is not None:
            plan.append(partial(span.set_status, StatusCode.ERROR, failure.type))
    # An interrupt may have left the span of a step open: it ends with the call's.
    if call.children:
        plan += [partial(child.end, ended) for child in call.children]
    return plan


def measurements(
    instruments: Instruments, request: Request, ending: Ending, duration: float, context: Context
) -> Plan:
    """Returns the actions that record a call's metrics; the last item runs first.

    Args:
        instruments: where to record them.
        request: the call's request.
        ending: what is known of the call.
        duration: the span's duration, s.
        context: the call's context.
    """
    usage = ending.usage
    measured, elsewhere, counts = request.measured, request.recorded_elsewhere, usage.counts
    operation, inference = ending.operation or request.operation, measured == INFERENCE
    key = operation, request.model, request.server, ending.response_model
    # The look-up is inline, because a function call costs as much as making an action.
    shared = known.get(key) or made(key)
    common = shared.common
    plan: Plan = []
    with_error = common
    if ending.failure is not None:
        with_error = {**common, s.ERROR_TYPE: ERRORS.bounded(ending.failure.type)}
    name, record = instruments.durations[measured]
    if name not in elsewhere:
        attributes = with_error
        if ending.outcome is not None:
            attributes = {**with_error, s.STREAM_OUTCOME: ending.outcome}
        plan.append(partial(record, duration, attributes, context))
    if ending.first_chunk is not None and instruments.first_name not in elsewhere:
        first_chunk = ending.first_chunk
        plan.append(partial(instruments.first_chunk.record, first_chunk, common, context))
    sent, answered = counts.get(s.USAGE_INPUT_TOKENS, 0), counts.get(s.USAGE_OUTPUT_TOKENS, 0)
    if measured != TIMED and instruments.tokens_name not in elsewhere:
        # Embeddings have no output: where it has a histogram of its own, they have no point in it.
        if answered and (inference or not instruments.latest):
            attributes = with_error if instruments.latest else shared.answered
            plan.append(partial(instruments.record_output, answered, attributes, context))
        if sent:
            attributes = with_error if instruments.latest else shared.sent
            record_input = instruments.record_input if inference else instruments.record_embedded
            plan.append(partial(record_input, sent, attributes, context))
    if measured != TIMED:
        if usage.connectors or not _PLAIN.issuperset(counts):
            plan += instruments.of_details(usage, shared, context)
        # A count that was not reported adds 0: without it there would be no series.
        plan.append(partial(instruments.add_output, answered, shared.counted, context))
        plan.append(partial(instruments.add_input, sent, shared.counted, context))
    return plan


def hook_action(telemetry: Telemetry, span: Span, ending: Ending) -> Plan:
    """Returns the action that calls the user's ``response_hook``, if there is one."""
    hook = telemetry.response_hook
    if hook is None:
        return []
    return [partial(run_hook, "response_hook(span, result)", hook, span, ending.closing)]


def _record_content(call: Ended, span: Span, ending: Ending, ended: int, context: Context) -> None:
    telemetry, content, request = call.telemetry, call.content, call.request
    known = ending.attributes
    said = {} if content is None else content.whole(ending.output or [], known)
    details = {**request.attributes, **known} if telemetry.emits_details else {}
    telemetry.record_content(span, request.operation, said, details, ended, context)
    if content is not None and content.texts and telemetry.content_on_spans and call.recording:
        span.set_attributes(content.texts)


def run_hook(
    name: str, hook: Callable[[Any, Any], None], span: Span | None, argument: object
) -> None:
    """Calls the user's hook, and logs what it raises once."""
    try:
        hook(span, argument)
    except Exception as exc:  # noqa: BLE001 -- a hook must not fail the user's call
        _log.report(name, exc)
