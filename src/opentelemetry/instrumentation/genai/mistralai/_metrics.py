# SPDX-License-Identifier: Apache-2.0
"""The instruments, and what each call adds to them.

Two sets of names exist: those of today's dashboards (GenAI conventions v1.41) and, with
``instrument(metric_names="latest")``, the newest ones. The usage counters are the same in both. No
id is ever a metric attribute.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from . import _semconv as s
from ._metric_names import (
    ADDRESSES,
    AGENTS,
    ERRORS,
    REQUEST_MODELS,
    RESPONSE_MODELS,
    TOOLS,
    by_metric_name,
)
from ._requests import COUNTED, INFERENCE, TIMED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.metrics import Counter, Histogram, Meter

    from ._ending import Ending
    from ._requests import Request
    from ._settings import AttributeValue
    from ._usage import Usage

    Attributes = dict[str, "str | int"]

Measurement = Callable[[], object]

_DURATIONS: Final = [0.01 * 2**n for n in range(14)]
_RUN_DURATIONS: Final = [0.1 * 2**n for n in range(13)]
_TOKENS: Final = [4**n for n in range(14)]
_COUNTS: Final = [2**n for n in range(8)]
_OF_TOOLS: Final = (s.TOOL_NAME, s.TOOL_TYPE, s.AGENT_NAME)


class Measured(Protocol):
    """A call as its metrics see it."""

    request: Request
    final_operation: str

    @property
    def context(self) -> Context:
        """In which its metrics are recorded."""
        ...


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
        self._duration_name, self._tokens_name = s.METRIC_DURATION, s.METRIC_TOKEN_USAGE
        if latest:
            first, between = s.METRIC_LATEST_FIRST_CHUNK, s.METRIC_LATEST_CHUNK
            self._duration_name = s.METRIC_LATEST_DURATION
            self._tokens_name = s.METRIC_LATEST_INPUT_TOKENS
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
        self._first_name, self._between_name = first, between
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

    def of_call(
        self, call: Measured, ending: Ending, duration: float, context: Context
    ) -> list[Measurement]:
        """The measurements of a call that ends; none is recorded yet.

        Each is a thing of its own, because each must happen once at most, and must not keep the
        others from happening.

        Args:
            call: whose they are.
            ending: what is known of it.
            duration: its span's, s.
            context: the call's.
        """
        measured = call.request.measured
        elsewhere = call.request.recorded_elsewhere
        # Shared by several instruments, of which the SDK keeps the first mapping: never changed.
        common = _common(call, ending)
        found: list[Measurement] = []
        if measured != TIMED:
            self._add_usage(found, common, ending.usage, context)
        counted = measured == INFERENCE or (measured == COUNTED and not self._latest)
        if counted and self._tokens_name not in elsewhere:
            counts, latest = ending.usage.counts, self._latest
            if sent := counts.get(s.USAGE_INPUT_TOKENS):
                attributes = common if latest else {**common, s.TOKEN_TYPE: "input"}
                found.append(partial(self._tokens_in.record, sent, attributes, context))
            if answered := counts.get(s.USAGE_OUTPUT_TOKENS):
                attributes = common if latest else {**common, s.TOKEN_TYPE: "output"}
                found.append(partial(self._tokens_out.record, answered, attributes, context))
        if ending.first_chunk is not None and self._first_name not in elsewhere:
            found.append(partial(self._first_chunk.record, ending.first_chunk, common, context))
        inference = measured == INFERENCE
        if (self._duration_name if inference else s.METRIC_DURATION) in elsewhere:
            return found
        attributes = common.copy()
        if ending.failure is not None:
            attributes[s.ERROR_TYPE] = ERRORS.bounded(ending.failure.type)
        if ending.outcome is not None:
            attributes[s.STREAM_OUTCOME] = ending.outcome
        histogram = self._duration if inference else self._operation
        found.append(partial(histogram.record, duration, attributes, context))
        return found

    def _add_usage(
        self, found: list[Measurement], common: Attributes, usage: Usage, context: Context
    ) -> None:
        """Adds the counters; what was not reported counts as 0 tokens."""
        counted: Attributes = {**common, s.TOKEN_MODALITY: "unknown"}
        counts = usage.counts
        sent, answered = counts.get(s.USAGE_INPUT_TOKENS, 0), counts.get(s.USAGE_OUTPUT_TOKENS, 0)
        found.append(partial(self._input.add, sent, counted, context))
        found.append(partial(self._output.add, answered, counted, context))
        for attribute, counter in self._details:
            if attribute in counts:
                found.append(partial(counter.add, counts[attribute], counted, context))
        if s.USAGE_CONNECTOR_TOKENS in counts:
            sent = counts[s.USAGE_CONNECTOR_TOKENS]
            found.append(partial(self._connector_tokens.add, sent, common, context))
        for name, calls in by_metric_name(usage.connectors).items() if usage.connectors else ():
            attributes = {**common, s.CONNECTOR_NAME: name}
            found.append(partial(self._connector_calls.add, calls, attributes, context))

    def record_chunk(self, call: Measured, ending: Ending, seconds: float) -> None:
        """Records the time between two output chunks."""
        if self._between_name not in call.request.recorded_elsewhere:
            self._chunk.record(seconds, _common(call, ending), call.context)

    def of_tool(
        self,
        attributes: Mapping[str, AttributeValue],
        error_type: str | None,
        seconds: float,
        context: Context,
    ) -> Measurement:
        """The duration of a tool, of whose span these are the attributes; not recorded yet."""
        measured = {key: attributes[key] for key in _OF_TOOLS if key in attributes}
        for key, names in ((s.TOOL_NAME, TOOLS), (s.AGENT_NAME, AGENTS)):
            name = measured.get(key)
            if isinstance(name, str) and name not in names.known:
                measured[key] = names.bounded(name)
        if error_type is not None:
            measured[s.ERROR_TYPE] = ERRORS.bounded(error_type)
        return partial(self._tool.record, seconds, measured, context)

    def of_run(
        self,
        model: str | None,
        error_type: str | None,
        seconds: float,
        calls: tuple[int, int],
        context: Context,
    ) -> list[Measurement]:
        """An agent loop: its duration, and its ``calls`` of models and of tools; not recorded."""
        attributes: Attributes = {}
        if model is not None:
            attributes[s.REQUEST_MODEL] = REQUEST_MODELS.bounded(model)
        if error_type is not None:
            attributes[s.ERROR_TYPE] = ERRORS.bounded(error_type)
        return [
            partial(self._run.record, seconds, attributes, context),
            partial(self._run_requests.record, calls[0], {}, context),
            partial(self._run_tools.record, calls[1], {}, context),
        ]


def _common(call: Measured, ending: Ending) -> Attributes:
    request = call.request
    common: Attributes = {
        s.OPERATION_NAME: call.final_operation,
        s.PROVIDER_NAME: s.PROVIDER,
    }
    if request.model is not None:
        # Looked up here, since a call of a function costs ten times as much.
        known = (model := request.model) in REQUEST_MODELS.known
        common[s.REQUEST_MODEL] = model if known else REQUEST_MODELS.bounded(model)
    if request.address is not None:
        address = request.address
        if (address, request.port) not in ADDRESSES.known:
            address = ADDRESSES.bounded(address, request.port)
        common[s.SERVER_ADDRESS] = address
        if request.port is not None and address != s.OTHER:
            common[s.SERVER_PORT] = request.port
    if ending.response_model is not None:
        known = (model := ending.response_model) in RESPONSE_MODELS.known
        common[s.RESPONSE_MODEL] = model if known else RESPONSE_MODELS.bounded(model)
    return common
