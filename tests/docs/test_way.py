# SPDX-License-Identifier: Apache-2.0
"""The way of a call through the plugin does not get longer."""

from __future__ import annotations

import sys
from typing import Final, NamedTuple

import pytest

from benchmarks.way import WAYS, follow, length, measure
from opentelemetry.instrumentation.genai.mistralai._reading import fields


class Limit(NamedTuple):
    """How many files a call may enter, and how many lines they may have together."""

    files: int
    lines: int | None


# A change that shortens the way lowers the numbers here.
LIMITS: Final = {
    "chat": Limit(files=11, lines=1600),
    "conversation": Limit(files=14, lines=None),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_call_is_followed_through_few_files(name: str) -> None:
    way, limit = measure(name), LIMITS[name]
    told = "\n".join(f"{length(file)} {file}" for file in way.files)
    assert len(way.files) <= limit.files, told
    assert limit.lines is None or way.lines <= limit.lines, f"{way.lines} lines:\n{told}"


@pytest.mark.parametrize("name", WAYS)
def test_the_way_leads_from_the_sdk_to_the_span_and_the_metrics(name: str) -> None:
    """A counter that sees nothing keeps every limit."""
    way = measure(name)
    assert {"_sdk/calls.py", "_otel/client_span.py", "_otel/plans.py"} <= set(way.files)
    assert way.entries >= way.functions >= len(way.files)
    assert ("_sdk/streams.py" in way.files) == (name == "conversation")


def test_a_file_counts_once_with_all_its_lines() -> None:
    def use() -> None:
        fields.name_of("a")
        fields.name_of("b")

    before = sys.getprofile()
    way = follow(use)
    assert sys.getprofile() is before
    assert (way.files, way.functions, way.entries) == (("_reading/fields.py",), 1, 2)
    assert way.lines == length("_reading/fields.py") > 50
