# SPDX-License-Identifier: Apache-2.0
"""What became of each span."""

from __future__ import annotations

from typing import Any

from tests.support import names as s
from tests.support.recording import Recording, wait_until


def outcomes(made: Recording) -> list[str]:
    """What became of each span, once all have ended."""
    wait_until(lambda: len(made.finished()) >= made.started)
    spans = made.finished()
    assert len(spans) == made.started
    return [_outcome(span) for span in spans]


def _outcome(span: Any) -> str:
    status = span.status.status_code.name
    outcome = span.attributes.get(s.STREAM_OUTCOME)
    if outcome is None:
        return "error" if status == "ERROR" else "none"
    assert status == ("ERROR" if outcome == "failed" else "UNSET")
    return str(outcome)
