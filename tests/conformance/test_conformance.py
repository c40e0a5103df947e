# SPDX-License-Identifier: Apache-2.0
"""Each span and metric of every scenario is as the conventions say, but for what is listed."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance import checking
from tests.conformance import registry as r
from tests.conformance.checking import CUSTOM, findings, names_of_ours
from tests.conformance.deviations import DEVIATIONS, listed
from tests.conformance.playing import Played, Seen, play
from tests.support import sdk

DOCS: Final = Path(__file__).parents[2] / "docs"
# What tells of deviations, of spans and metrics, and of content.
CONVENTIONS, TELEMETRY, CONTENT = (
    (DOCS / f"{name}.md").read_text() for name in ("conventions", "telemetry", "content")
)
# Older lines of the SDK lack methods, and with them some deviations.
pytestmark = pytest.mark.skipif(sdk.VERSION < (3, 4), reason="the list is of the newest SDK")
# With content and the newest names, without and with today's.
MODES: Final = (False, True)


@cache
def played(*, full: bool) -> Played:
    return play(latest=full, content=full)


@cache
def found_in(*, full: bool) -> set[str]:
    return findings(played(full=full), latest=full)


@pytest.mark.parametrize("full", MODES, ids=["v1.41", "latest_with_content"])
def test_what_deviates_is_listed(*, full: bool) -> None:
    known = {finding for one in DEVIATIONS for finding in one.findings}
    assert found_in(full=full) - known == set()


def test_what_is_listed_deviates() -> None:
    found = found_in(full=False) | found_in(full=True)
    gone = {one.id: one.findings - found for one in DEVIATIONS if one.findings - found}
    assert gone == {}


def test_each_deviation_is_listed_once() -> None:
    counted = Counter(finding for one in DEVIATIONS for finding in one.findings)
    assert [finding for finding, times in counted.items() if times > 1] == []
    assert len({one.id for one in DEVIATIONS}) == len(DEVIATIONS)


def test_every_type_of_span_and_every_metric_is_there() -> None:
    types = {checking.type_of(seen.span) for full in MODES for seen in played(full=full).spans}
    assert types == r.SPANS.keys() | r.OF_OURS.keys()
    names = {metric.name for full in MODES for metric in played(full=full).metrics}
    # An agent's calls are inference on metrics.
    known = r.METRICS.keys() | r.OLD_METRICS.keys()
    assert known - names == {"gen_ai.client.invoke_agent.duration"}


def test_content_is_where_it_was_asked_for() -> None:
    opt_in = {key for spec in r.SPANS.values() for key, level in spec.levels.items()
              if level == r.OPT_IN}  # fmt: skip
    for full in MODES:
        spans = played(full=full).spans
        found = {key for seen in spans for key in opt_in & (seen.span.attributes or {}).keys()}
        assert found == (opt_in if full else set())


def test_the_page_has_this_list_and_the_version() -> None:
    rows = [line for line in CONVENTIONS.splitlines() if line.startswith("|")]
    assert rows == listed().splitlines()
    assert r.URL in CONVENTIONS


def test_the_pages_tell_each_name_of_ours_and_each_value() -> None:
    ours = {name for full in MODES for name in names_of_ours(played(full=full))}
    pages = CONVENTIONS + TELEMETRY + CONTENT
    told = set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", pages, flags=re.DOTALL)))
    assert ours - told == set()
    values = {value for values in CUSTOM.values() for value in values}
    used = {
        str((seen.span.attributes or {})[key])
        for key in CUSTOM
        for full in MODES
        for seen in played(full=full).spans
    }
    assert values == used - {value for key in CUSTOM for value in r.VALUES[key]}
    assert all(value in pages for value in values)


class _Status:
    status_code = type("Code", (), {"name": "UNSET"})


class _Span:
    """A chat's span that conforms, but for what a test changes."""

    parent = None
    status = _Status()

    def __init__(self, name: str, kind: str, attributes: dict[str, Any]) -> None:
        self.name, self.attributes = name, attributes
        self.kind = type("Kind", (), {"name": kind})
        self.start_time = self.end_time = 0


GOOD: Final[dict[str, Any]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "mistral_ai",
    "gen_ai.request.model": "m",
    "server.address": "localhost",
    "server.port": 443,
}


def found_of(change: dict[str, Any], name: str = "chat m", **asked: Any) -> set[str]:
    attributes = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    span: Any = _Span(name, "CLIENT", attributes)
    seen = Seen(span, "chat.complete", frozenset(GOOD), False, {"model": "m", **asked}, False)  # noqa: FBT003
    metrics = findings(Played(spans=[seen]), latest=True)
    return {one for one in metrics if not one.startswith(("metric ", "durations "))}


NOT_SO: Final[list[tuple[dict[str, Any], set[str]]]] = [
    ({}, set()),
    ({"gen_ai.request.seed": "1"}, {"gen_ai.request.seed is string",
          "has gen_ai.request.seed, though not the request has a seed"}),
    ({"server.port": None}, {"lacks server.port, though server.address is set"}),
    ({"gen_ai.provider.name": None}, {"lacks gen_ai.provider.name"}),
    ({"gen_ai.provider.name": "mistral"}, {"gen_ai.provider.name is 'mistral'"}),
    ({"gen_ai.new": 1}, {"has gen_ai.new"}),
    ({"gen_ai.usage.input_tokens": 1.0}, {"gen_ai.usage.input_tokens is double"}),
    ({"error.type": "500"}, {"has error.type, though not the operation ended in an error"}),
    ({"mistral_ai.anything": 1}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("change", "found"), NOT_SO)
def test_a_span_that_does_not_conform_is_found(change: dict[str, Any], found: set[str]) -> None:
    assert found_of(change) == {f"gen_ai.client.inference: {one}" for one in found}


def test_a_name_or_a_level_that_does_not_fit_the_request_is_found() -> None:
    kind = "gen_ai.client.inference"
    assert found_of({}, name="chat n") == {f"{kind}: its name is 'chat n', not 'chat m'"}
    assert found_of({}, name="chat") == {f"{kind}: its name lacks gen_ai.request.model"}
    assert found_of({}, random_seed=1) == {
        f"{kind}: lacks gen_ai.request.seed, though the request has a seed"
    }
    assert found_of({"gen_ai.operation.name": "think"}) == {"span chat m: no such type"}
