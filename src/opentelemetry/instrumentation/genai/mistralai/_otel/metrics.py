# SPDX-License-Identifier: Apache-2.0
"""Creates the instruments; measures chunks, tools, agent loops and rare counts of tokens.

`plans` measures what each call has. Two sets of names exist: those of today's dashboards (GenAI
conventions v1.41) and, with ``instrument(metric_names="latest")``, the newest ones. The usage
counters are the same in both. No id is ever a metric attribute.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from .. import _names as s
from .._reading.requests import COUNTED, INFERENCE, TIMED
from .metric_attributes import known, made
from .metric_names import AGENTS, ERRORS, REQUEST_MODELS, TOOLS, by_metric_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.metrics import Counter, Histogram, Meter

    from .._reading.fields import AttributeValue
    from .._reading.requests import Request
    from .._recording.ending import Ending, Usage
    from .metric_attributes import Attributes, CallAttributes

Measurement = Callable[[], object]

_DURATIONS: Final = [0.01 * 2**n for n in range(14)]
_RUN_DURATIONS: Final = [0.1 * 2**n for n in range(13)]
_WORKFLOW_DURATIONS: Final = [1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200]
_TOKENS: Final = [4**n for n in range(14)]
_COUNTS: Final = [2**n for n in range(8)]
_OF_TOOLS: Final = (s.TOOL_NAME, s.TOOL_TYPE, s.AGENT_NAME)


class Instruments:
    """Holds all instruments of one meter.

    `plans` uses the public attributes. A ``…_name`` is the name of a metric: by it a host says that
    it records the metric itself.
    """

    def __init__(self, meter: Meter, *, latest: bool) -> None:
        def counter(name: str, unit: str, description: str) -> Counter:
            return meter.create_counter(name, unit, description)

        def histogram(
            name: str, unit: str, description: str, buckets: Sequence[float] = _DURATIONS
        ) -> Histogram:
            return meter.create_histogram(
                name, unit, description, explicit_bucket_boundaries_advisory=buckets
            )

        self.latest = latest
        sent = counter(s.METRIC_INPUT_TOKENS, "{token}", "Tokens sent to the model.")
        answered = counter(s.METRIC_OUTPUT_TOKENS, "{token}", "Tokens that it answered with.")
        # Each call uses these methods: they are bound once.
        self.add_input, self.add_output = sent.add, answered.add
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
        # The latest names have another duration for inferences; all other calls keep this one.
        self.operation = histogram(s.METRIC_DURATION, "s", "Duration of the operation.")
        duration = embedded = self.operation
        first, between = s.METRIC_FIRST_CHUNK, s.METRIC_CHUNK
        self.duration_name = embedded_name = s.METRIC_DURATION
        self.tokens_name = s.METRIC_TOKEN_USAGE
        if latest:
            first, between = s.METRIC_LATEST_FIRST_CHUNK, s.METRIC_LATEST_CHUNK
            self.duration_name = s.METRIC_LATEST_DURATION
            self.tokens_name = s.METRIC_LATEST_INPUT_TOKENS
            duration = histogram(s.METRIC_LATEST_DURATION, "s", "Duration of the inference.")
            tokens_in = histogram(
                s.METRIC_LATEST_INPUT_TOKENS, "{token}", "Input tokens of a call.", _TOKENS
            )
            tokens_out = histogram(
                s.METRIC_LATEST_OUTPUT_TOKENS, "{token}", "Output tokens of a call.", _TOKENS
            )
            embedded_name = s.METRIC_EMBEDDINGS_DURATION
            embedded = histogram(embedded_name, "s", "Duration of an embeddings call.")
            embedded_in = histogram(
                s.METRIC_EMBEDDINGS_TOKENS, "{token}", "Input tokens of embeddings.", _TOKENS
            )
        else:
            tokens_in = tokens_out = embedded_in = histogram(
                s.METRIC_TOKEN_USAGE, "{token}", "Input and output tokens of a call.", _TOKENS
            )
        self.record_input, self.record_output = tokens_in.record, tokens_out.record
        self.record_embedded = embedded_in.record
        # The name and the instrument of a duration, by what is measured of a call.
        self.durations = {
            INFERENCE: (self.duration_name, duration.record),
            COUNTED: (embedded_name, embedded.record),
            TIMED: (s.METRIC_DURATION, self.operation.record),
        }
        self.first_name, self._between_name = first, between
        self.first_chunk = histogram(first, "s", "Time to the first output chunk.")
        self._chunk = histogram(between, "s", "Time between output chunks.")
        self._tool = histogram(s.METRIC_TOOL_DURATION, "s", "Duration of a tool's execution.")
        self.workflow = histogram(
            s.METRIC_WORKFLOW_DURATION, "s", "Duration of a workflow.", _WORKFLOW_DURATIONS
        )
        self._run = histogram(
            s.METRIC_RUN_DURATION, "s", "Duration of an agent loop.", _RUN_DURATIONS
        )
        self._run_requests = histogram(
            s.METRIC_RUN_REQUESTS, "{inference_call}", "Requests in an agent loop.", _COUNTS
        )
        self._run_tools = histogram(
            s.METRIC_RUN_TOOLS, "{tool_call}", "Calls of local tools in an agent loop.", _COUNTS
        )

    def of_details(
        self, usage: Usage, shared: CallAttributes, context: Context
    ) -> list[Measurement]:
        """Returns the measurements of cached tokens, reasoning and connectors."""
        found: list[Measurement] = []
        counts = usage.counts
        for attribute, counter in self._details:
            if attribute in counts:
                found.append(partial(counter.add, counts[attribute], shared.counted, context))
        if s.USAGE_CONNECTOR_TOKENS in counts:
            sent = counts[s.USAGE_CONNECTOR_TOKENS]
            found.append(partial(self._connector_tokens.add, sent, shared.common, context))
        for name, calls in by_metric_name(usage.connectors).items() if usage.connectors else ():
            attributes = {**shared.common, s.CONNECTOR_NAME: name}
            found.append(partial(self._connector_calls.add, calls, attributes, context))
        return found

    def record_chunk(
        self, request: Request, ending: Ending, seconds: float, context: Context
    ) -> None:
        """Records the time between two output chunks; ``ending`` holds what is known so far."""
        if self._between_name not in request.recorded_elsewhere:
            operation = ending.operation or request.operation
            key = operation, request.model, request.server, ending.response_model
            self._chunk.record(seconds, (known.get(key) or made(key)).common, context)

    def of_tool(
        self,
        attributes: Mapping[str, AttributeValue],
        error_type: str | None,
        seconds: float,
        context: Context,
    ) -> Measurement:
        """Returns the measurement of a tool's duration, from its span's attributes."""
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
        """Returns the measurements of an agent loop; ``calls`` counts requests and tool calls."""
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
