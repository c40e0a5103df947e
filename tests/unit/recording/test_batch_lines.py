# SPDX-License-Identifier: Apache-2.0
"""Lines of a batch's results: why a request failed, and what it used."""

from __future__ import annotations

from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._recording.batch_lines import read_line


@pytest.mark.parametrize(
    ("line", "error_type"),
    [
        ({"response": {"status_code": 200, "body": {}}}, None),
        ({"response": {"status_code": 429}, "error": {"code": "slow"}}, "429"),
        ({"response": None, "error": {"code": "too_long"}}, "too_long"),
        ({"error": "a sentence about the user"}, "_OTHER"),
        ({"error": {"code": "a sentence about the user"}}, "_OTHER"),
        ([], None),
        (None, None),
    ],
)
def test_a_failed_line_has_a_short_name(line: Any, error_type: str | None) -> None:
    assert read_line(line).error_type == error_type


@pytest.mark.parametrize("usage", [None, 7, {"prompt_tokens": -1}, {"prompt_tokens": 10**13}])
def test_an_unusable_count_is_no_count(usage: Any) -> None:
    assert not read_line({"response": {"body": {"usage": usage}}}).usage.counts
