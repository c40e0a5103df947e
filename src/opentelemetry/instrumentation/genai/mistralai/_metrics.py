# SPDX-License-Identifier: Apache-2.0
"""The instruments, and what each call adds to them.

Two sets of names exist: those of today's dashboards (GenAI conventions v1.41) and, after
``OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental``, the newest ones. The usage counters
are the same in both. No id is ever a metric attribute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import _semconv as s
from ._metric_names import (
    ADDRESSES,
    AGENTS,
    CONNECTORS,
    ERRORS,
    REQUEST_MODELS,
    RESPONSE_MODELS,
    TOOLS,
)
from ._requests import COUNTED, INFERENCE, TIMED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.metrics import Counter, Histogram, Meter

    from ._recording import Ending
    from ._settings import AttributeValue
    from ._spans import Call
    from ._usage import Usage

    Attributes = dict[str, "str | int"]

_DURATIONS: Final = [0.01 * 2**n for n in range(14)]
_RUN_DURATIONS: Final = [0.1 * 2**n for n in range(13)]
_TOKENS: Final = [4**n for n in range(14)]
_COUNTS: Final = [2**n for n in range(8)]
_OF_TOOLS: Final = (s.TOOL_NAME, s.TOOL_TYPE, s.AGENT_NAME)


class Instruments:
    """All instruments of one meter."""

    def __init__(self, meter: Meter, *, latest: bool) -> None:
        def counter(name: str, unit: str, description: str) -> Counter:
            return meter.create_counter(name, unit, description)

        def histogram(
            name: str, unit: str, description: str, buckets: Sequence[float] = _DURATIONS
        ) -> Histogram:
            return meter.create_histogram(
                name, unit, description, explicit_bucket_boundaries_advisory=buckets
            )

        self._latest = latest
        self._input = counter(s.METRIC_INPUT_TOKENS, "{token}", "Tokens sent to the model.")
        self._output = counter(s.METRIC_OUTPUT_TOKENS, "{token}", "Tokens that it answered with.")
        cached = counter(s.METRIC_CACHE_READ, "{token}", "Input tokens read from a cache.")
        written = counter(s.METRIC_CACHE_WRITE, "{token}", "Input tokens written to a cache.")
        reasoned = counter(s.METRIC_REASONING, "{token}", "Output tokens spent on reasoning.")
        self._details = (
            (s.USAGE_CACHE_READ, cached),
            (s.USAGE_CACHE_WRITE, written),
            (s.USAGE_REASONING, reasoned),
        )
        self._connector_tokens = counter(
            s.METRIC_CONNECTOR_TOKENS, "{token}", "Tokens that connectors used, beside the input."
        )
        self._connector_calls = counter(s.METRIC_CONNECTOR_CALLS, "{call}", "Calls of connectors.")
        self._operation = histogram(s.METRIC_DURATION, "s", "Duration of the operation.")
        self._duration = self._operation
        first, between = s.METRIC_FIRST_CHUNK, s.METRIC_CHUNK
        if latest:
            first, between = s.METRIC_LATEST_FIRST_CHUNK, s.METRIC_LATEST_CHUNK
            self._duration = histogram(s.METRIC_LATEST_DURATION, "s", "Duration of the inference.")
            self._tokens_in = histogram(
                s.METRIC_LATEST_INPUT_TOKENS, "{token}", "Input tokens of a call.", _TOKENS
            )
            self._tokens_out = histogram(
                s.METRIC_LATEST_OUTPUT_TOKENS, "{token}", "Output tokens of a call.", _TOKENS
            )
        else:
            self._tokens_in = self._tokens_out = histogram(
                s.METRIC_TOKEN_USAGE, "{token}", "Input and output tokens of a call.", _TOKENS
            )
        self._first_chunk = histogram(first, "s", "Time to the first output chunk.")
        self._chunk = histogram(between, "s", "Time between output chunks.")
        self._tool = histogram(s.METRIC_TOOL_DURATION, "s", "Duration of a tool's execution.")
        self._run = histogram(
            s.METRIC_RUN_DURATION, "s", "Duration of an agent loop.", _RUN_DURATIONS
        )
        self._run_requests = histogram(
            s.METRIC_RUN_REQUESTS, "{inference_call}", "Requests in an agent loop.", _COUNTS
        )
        self._run_tools = histogram(
            s.METRIC_RUN_TOOLS, "{tool_call}", "Calls of local tools in an agent loop.", _COUNTS
        )

    def record_end(self, call: Call, ending: Ending, duration: float, context: Context) -> None:
        """Records a call that ends, in the context of its span, whose duration (s) it shares."""
        measured = call.request.measured
        common = self.count_usage(call, ending, context)
        if measured == INFERENCE or (measured == COUNTED and not self._latest):
            counts, latest = ending.usage.counts, self._latest
            if sent := counts.get(s.USAGE_INPUT_TOKENS):
                attributes = common if latest else {**common, s.TOKEN_TYPE: "input"}
                self._tokens_in.record(sent, attributes, context)
            if answered := counts.get(s.USAGE_OUTPUT_TOKENS):
                attributes = common if latest else {**common, s.TOKEN_TYPE: "output"}
                self._tokens_out.record(answered, attributes, context)
        if ending.first_chunk is not None:
            self._first_chunk.record(ending.first_chunk, common, context)
        # A copy: the SDK keeps the mapping of the first measurement with these attributes.
        attributes = common.copy()
        if ending.failure is not None:
            attributes[s.ERROR_TYPE] = ERRORS.bounded(ending.failure.type)
        if ending.outcome is not None:
            attributes[s.STREAM_OUTCOME] = ending.outcome
        histogram = self._duration if measured == INFERENCE else self._operation
        histogram.record(duration, attributes, context)

    def count_usage(self, call: Call, ending: Ending, context: Context) -> Attributes:
        """Adds a call's usage to the counters; what was not reported counts as 0 tokens.

        Returns the attributes that all metrics of this call share; they are not to be changed.
        """
        usage = ending.usage
        common = _common(call, ending)
        if call.request.measured == TIMED:
            return common
        counted: Attributes = {**common, s.TOKEN_MODALITY: "unknown"}
        counts = usage.counts
        self._input.add(counts.get(s.USAGE_INPUT_TOKENS, 0), counted, context)
        self._output.add(counts.get(s.USAGE_OUTPUT_TOKENS, 0), counted, context)
        for attribute, counter in self._details:
            if attribute in counts:
                counter.add(counts[attribute], counted, context)
        if s.USAGE_CONNECTOR_TOKENS in counts:
            self._connector_tokens.add(counts[s.USAGE_CONNECTOR_TOKENS], common, context)
        for name, calls in _by_metric_name(usage).items() if usage.connectors else ():
            self._connector_calls.add(calls, {**common, s.CONNECTOR_NAME: name}, context)
        return common

    def record_chunk(self, call: Call, ending: Ending, seconds: float, context: Context) -> None:
        """Records the time between two output chunks."""
        self._chunk.record(seconds, _common(call, ending), context)

    def record_tool(
        self,
        attributes: Mapping[str, AttributeValue],
        error_type: str | None,
        seconds: float,
        context: Context,
    ) -> None:
        """Records the duration of a tool, of whose span these are the attributes."""
        measured = {key: attributes[key] for key in _OF_TOOLS if key in attributes}
        for key, names in ((s.TOOL_NAME, TOOLS), (s.AGENT_NAME, AGENTS)):
            if isinstance(name := measured.get(key), str):
                measured[key] = names.bounded(name)
        if error_type is not None:
            measured[s.ERROR_TYPE] = ERRORS.bounded(error_type)
        self._tool.record(seconds, measured, context)

    def record_run(
        self,
        model: str | None,
        error_type: str | None,
        seconds: float,
        calls: tuple[int, int],
        context: Context,
    ) -> None:
        """Records an agent loop: its duration, and its ``calls`` of models and of tools."""
        attributes: Attributes = {}
        if model is not None:
            attributes[s.REQUEST_MODEL] = REQUEST_MODELS.bounded(model)
        if error_type is not None:
            attributes[s.ERROR_TYPE] = ERRORS.bounded(error_type)
        self._run.record(seconds, attributes, context)
        self._run_requests.record(calls[0], {}, context)
        self._run_tools.record(calls[1], {}, context)


def _by_metric_name(usage: Usage) -> dict[str, int]:
    calls: dict[str, int] = {}
    for name, n in usage.connectors.items():
        key = CONNECTORS.bounded(name)
        calls[key] = calls.get(key, 0) + n
    return calls


def _common(call: Call, ending: Ending) -> Attributes:
    request = call.request
    common: Attributes = {
        s.OPERATION_NAME: call.final_operation,
        s.PROVIDER_NAME: s.PROVIDER,
    }
    if request.model is not None:
        common[s.REQUEST_MODEL] = REQUEST_MODELS.bounded(request.model)
    if request.address is not None:
        common[s.SERVER_ADDRESS] = address = ADDRESSES.bounded(request.address, request.port)
        if request.port is not None and address != s.OTHER:
            common[s.SERVER_PORT] = request.port
    if ending.response_model is not None:
        common[s.RESPONSE_MODEL] = RESPONSE_MODELS.bounded(ending.response_model)
    return common
