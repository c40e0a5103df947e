# SPDX-License-Identifier: Apache-2.0
"""Counts the tokens and the errors of a batch's results, apart from those of calls.

A batch has another price, and its results may be read more than once: adding its tokens to the
usage counters would make both wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _names as s
from .metric_names import ERRORS, RESPONSE_MODELS

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

    from .._recording.batch_lines import Line
    from .metric_attributes import Attributes


class BatchInstruments:
    """Holds the counters of batches."""

    def __init__(self, meter: Meter) -> None:
        self._tokens = meter.create_counter(
            s.METRIC_BATCH_TOKENS,
            "{token}",
            "Tokens in the results of batches, each time they are read.",
        )
        self._errors = meter.create_counter(
            s.METRIC_BATCH_ERRORS, "{error}", "Failed requests in the results of batches."
        )

    def add(self, line: Line) -> None:
        """Counts one line of results, in the current context."""
        shared: Attributes = {s.PROVIDER_NAME: s.PROVIDER}
        if line.model is not None:
            shared[s.RESPONSE_MODEL] = RESPONSE_MODELS.bounded(line.model)
        counts = line.usage.counts
        for kind, key in (("input", s.USAGE_INPUT_TOKENS), ("output", s.USAGE_OUTPUT_TOKENS)):
            if counts.get(key):
                self._tokens.add(counts[key], {**shared, s.TOKEN_TYPE: kind})
        if line.error_type is not None:
            self._errors.add(1, {**shared, s.ERROR_TYPE: ERRORS.bounded(line.error_type)})
