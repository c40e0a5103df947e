# SPDX-License-Identifier: Apache-2.0
"""Batches: what is read of a request, a job and a line of results, and what is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from opentelemetry.instrumentation.genai.mistralai._reading.batches import (
    batch_request,
    is_running,
    job_facts,
)
from tests.support import names as s


def test_requests_are_counted_and_a_generator_is_left_alone() -> None:
    once: Any = iter(["a request"])
    assert batch_request({"requests": [{}, {}]}).attributes[s.BATCH_REQUESTS] == 2
    assert s.BATCH_REQUESTS not in batch_request({"requests": once}).attributes
    assert next(once) == "a request"


@pytest.mark.parametrize("status", ["QUEUED", "RUNNING", "CANCELLATION_REQUESTED"])
def test_a_job_without_results_is_running(status: str) -> None:
    assert is_running({"status": status})


@pytest.mark.parametrize("status", ["SUCCESS", "FAILED", "NEW_ONE", None])
def test_any_other_status_is_an_end(status: str | None) -> None:
    assert not is_running({"status": status})


def test_a_job_is_read_without_what_it_lacks() -> None:
    assert job_facts({"id": "", "status": 7, "total_requests": True}) == {}
