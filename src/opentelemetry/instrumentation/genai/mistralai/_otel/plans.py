# SPDX-License-Identifier: Apache-2.0
"""Makes the plan that ends a call: attributes, content, hooks, metrics, the span's end.

Each action is a function of its own. An exception in one, from a provider, a hook or a redactor,
stops no other; after an interrupt in one, the others still run. `adopted` uses the metrics, too.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.trace import StatusCode

from .. import _log
from .. import _names as s
from .._reading.requests import INFERENCE, TIMED, TOOL, WORKFLOW
from .._recording.ending import Ending
from .ends_once import Plan
from .job_metrics import of_job
from .metric_attributes import known, made
from .opt_in import hook_action, record_content

if TYPE_CHECKING:
    from .._reading.requests import Request
    from .metrics import Instruments
    from .opt_in import Ended

_JOBS: Final = frozenset({WORKFLOW, TOOL})
# Nearly every call reports these counts and no others.
_PLAIN: Final = frozenset({s.USAGE_INPUT_TOKENS, s.USAGE_OUTPUT_TOKENS, s.USAGE_TOTAL_TOKENS})


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
        plan.append(partial(record_content, call, span, ending, ended, context))
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
    common = with_error = shared.common
    ended = shared.ended.get(ending.outcome)
    if ended is None or ending.failure is not None:
        with_error, ended = shared.ended_otherwise(ending)
    plan: Plan = []
    name, record = instruments.durations[measured]
    if name not in elsewhere:
        plan.append(partial(record, duration, ended, context))
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
