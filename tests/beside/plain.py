# SPDX-License-Identifier: Apache-2.0
"""Spans and metrics as values that equal those of another run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from tests.beside.other import OTHER
from tests.support import names as s
from tests.support.completion_usages import stable as without_times
from tests.support.observing import OURS as OUR_FILES
from tests.support.observing import stable as without_addresses

# What only the run can tell; that it was told at all is compared.
_MEASURED: Final = (s.RESPONSE_TIME_TO_FIRST_CHUNK, s.RESPONSE_CREATED_AT)
_FRAME: Final = re.compile(r'  File "(?P<file>[^"]+)".*\n(?:    .*\n)*')


def plain_span(span: ReadableSpan) -> dict[str, Any]:
    """All of a span but its ids, its times and its parent."""
    return {
        "name": span.name,
        "kind": span.kind.name,
        "status": span.status.status_code.name,
        "description": _text(span.status.description),
        "attributes": _attributes(span.attributes),
        "events": [(event.name, _attributes(event.attributes)) for event in span.events],
        "links": len(span.links),
        "ended": span.end_time is not None,
    }


def plain_metrics(metrics: Mapping[str, Sequence[tuple[dict[str, Any], Any]]]) -> Any:
    """All points; of a histogram of seconds only how many there were."""
    return {
        name: sorted((sorted(attributes.items()), _counted(value)) for attributes, value in points)
        for name, points in metrics.items()
    }


def _counted(value: Any) -> Any:
    try:
        count, total = value
    except TypeError:
        return value
    return count if isinstance(total, float) else (count, total)


def _attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    told = (attributes or {}).items()
    return {key: type(value) if key in _MEASURED else _text(value) for key, value in told}


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return without_times(without_addresses(_FRAME.sub(_of_others, value)))


def _of_others(frame: re.Match[str]) -> str:
    """A frame of a traceback in text; nothing of one in either library's files, or wrapt's."""
    return "" if frame["file"].startswith((*OUR_FILES, OTHER.folder)) else frame[0]
