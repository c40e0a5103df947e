# SPDX-License-Identifier: Apache-2.0
"""The instruments, and what each call adds to them.

Two sets of names exist: those of today's dashboards (GenAI conventions v1.41) and, after
``OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental``, the newest ones. The usage counters
are the same in both. No id is ever a metric attribute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import _semconv as s
from ._errors import is_word

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram, Meter

    from ._recording import Ending
    from ._spans import Call
    from ._usage import Usage

    Attributes = dict[str, "str | int"]

_DURATIONS: Final = [0.01 * 2**n for n in range(14)]
_TOKENS: Final = [4**n for n in range(14)]
_MAX_NAMES: Final = 100
# Of connectors, for the whole process: each is a time series more in everybody's database.
_names: Final[set[str]] = set()


class Instruments:
    """All instruments of one meter."""

    def __init__(self, meter: Meter, *, latest: bool) -> None:
        def seconds(name: str, latest_name: str, description: str) -> Histogram:
            return meter.create_histogram(
                latest_name if latest else name,
                "s",
                description,
                explicit_bucket_boundaries_advisory=_DURATIONS,
            )

        def tokens(name: str, description: str) -> Histogram:
            return meter.create_histogram(
                name, "{token}", description, explicit_bucket_boundaries_advisory=_TOKENS
            )

        self._input = meter.create_counter(
            s.METRIC_INPUT_TOKENS, "{token}", "Tokens that were sent to the model."
        )
        self._output = meter.create_counter(
            s.METRIC_OUTPUT_TOKENS, "{token}", "Tokens that the model answered with."
        )
        self._connector_tokens = meter.create_counter(
            s.METRIC_CONNECTOR_TOKENS, "{token}", "Tokens that connectors used, beside the input."
        )
        self._connector_calls = meter.create_counter(
            s.METRIC_CONNECTOR_CALLS, "{call}", "Calls of connectors."
        )
        self._duration = seconds(
            s.METRIC_DURATION, s.METRIC_LATEST_DURATION, "Duration of the operation."
        )
        self._first_chunk = seconds(
            s.METRIC_FIRST_CHUNK, s.METRIC_LATEST_FIRST_CHUNK, "Time to the first output chunk."
        )
        self._chunk = seconds(s.METRIC_CHUNK, s.METRIC_LATEST_CHUNK, "Time between output chunks.")
        if latest:
            self._tokens_in = tokens(s.METRIC_LATEST_INPUT_TOKENS, "Input tokens of a call.")
            self._tokens_out = tokens(s.METRIC_LATEST_OUTPUT_TOKENS, "Output tokens of a call.")
        else:
            both = tokens(s.METRIC_TOKEN_USAGE, "Input and output tokens of a call.")
            self._tokens_in = self._tokens_out = both
        self._latest = latest

    def record_end(self, call: Call, ending: Ending, duration: float, context: Context) -> None:
        """Records a call that ends, in the context of its span, whose duration (s) it shares."""
        common = self.count_usage(call, ending, context)
        usage = ending.usage
        if usage.input_tokens:
            self._tokens_in.record(usage.input_tokens, self._typed(common, "input"), context)
        if usage.output_tokens:
            self._tokens_out.record(usage.output_tokens, self._typed(common, "output"), context)
        if ending.first_chunk is not None:
            self._first_chunk.record(ending.first_chunk, common, context)
        # A copy: the SDK keeps the mapping of the first measurement with these attributes.
        attributes = common.copy()
        if ending.failure is not None:
            attributes[s.ERROR_TYPE] = ending.failure.type
        if ending.outcome is not None:
            attributes[s.STREAM_OUTCOME] = ending.outcome
        self._duration.record(duration, attributes, context)

    def count_usage(self, call: Call, ending: Ending, context: Context) -> Attributes:
        """Adds a call's usage to the counters; what was not reported counts as 0 tokens.

        Returns the attributes that all metrics of this call share; they are not to be changed.
        """
        usage = ending.usage
        common = _common(call, ending)
        counted: Attributes = {**common, s.TOKEN_MODALITY: "unknown"}
        self._input.add(usage.input_tokens or 0, counted, context)
        self._output.add(usage.output_tokens or 0, counted, context)
        if usage.connector_tokens is not None:
            self._connector_tokens.add(usage.connector_tokens, common, context)
        for name, calls in _by_metric_name(usage).items() if usage.connectors else ():
            self._connector_calls.add(calls, {**common, s.CONNECTOR_NAME: name}, context)
        return common

    def record_chunk(self, call: Call, ending: Ending, seconds: float, context: Context) -> None:
        """Records the time between two output chunks."""
        self._chunk.record(seconds, _common(call, ending), context)

    def _typed(self, common: Attributes, kind: str) -> Attributes:
        return common if self._latest else {**common, s.TOKEN_TYPE: kind}


def _by_metric_name(usage: Usage) -> dict[str, int]:
    calls: dict[str, int] = {}
    for name, n in usage.connectors.items():
        key = name if _may_name(name) else s.OTHER
        calls[key] = calls.get(key, 0) + n
    return calls


def _may_name(name: str) -> bool:
    if name in _names:
        return True
    if len(_names) >= _MAX_NAMES or not is_word(name):
        return False
    _names.add(name)
    return True


def _common(call: Call, ending: Ending) -> Attributes:
    request = call.request
    common: Attributes = {
        s.OPERATION_NAME: call.final_operation,
        s.PROVIDER_NAME: s.PROVIDER,
    }
    if request.model is not None:
        common[s.REQUEST_MODEL] = request.model
    if request.address is not None:
        common[s.SERVER_ADDRESS] = request.address
    if request.port is not None:
        common[s.SERVER_PORT] = request.port
    if ending.response_model is not None:
        common[s.RESPONSE_MODEL] = ending.response_model
    return common
