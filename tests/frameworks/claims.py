# SPDX-License-Identifier: Apache-2.0
"""What is claimed of every program of every framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.frameworks.running import OURS, Program, Ran, Runner, attribute, scope_of, stable
from tests.support import names as s

# Of a completion of the emulator.
SENT, ANSWERED = 14, 9
# What only one run can tell; that it is told at all is compared.
_MEASURED = ("time", "cost", "latency", "duration", "_id", ".id", "messages", "timestamp", "agent_")


@dataclass(frozen=True)
class Case:
    """A program, and what it does.

    Attributes:
        program: is given the emulator's address.
        streamed: whether the request streams.
        fails: whether the server refuses.
        spent: input and output tokens of all requests together.
    """

    program: Program
    streamed: bool = False
    fails: bool = False
    spent: tuple[int, int] = (SENT, ANSWERED)


def caller_sees_no_difference(runner: Runner, case: Case) -> tuple[Ran, Ran]:
    """Runs a program bare and instrumented; what it returns, raises and sends is the same."""
    alone, ran = runner.bare(case.program), runner.with_us(case.program)
    assert ran.result == alone.result
    assert ran.result[0] == ("raised" if case.fails else "returned")
    assert ran.requests == alone.requests > 0
    assert alone.ours() == []
    return alone, ran


def adopted(runner: Runner, case: Case, scope: str) -> Ran:
    """The framework's span is the one inference span of each request, and says more than alone."""
    alone, ran = caller_sees_no_difference(runner, case)
    assert ran.ours() == []
    assert len(ran.inferences()) == ran.requests
    assert {scope_of(span) for span in ran.inferences()} == {scope}
    frameworks_spans_are_kept(alone, ran)
    for span in ran.inferences():
        if case.streamed and not case.fails:
            assert attribute(span, s.STREAM_OUTCOME) == "completed"
        if not case.fails:
            assert attribute(span, s.RESPONSE_MODEL) is not None
            assert attribute(span, s.RESPONSE_ID) is not None
            assert attribute(span, s.USAGE_TOTAL_TOKENS) is not None
    each_series_is_counted_once(alone, ran, case)
    return ran


def own(runner: Runner, case: Case, scope: str | None = None) -> Ran:
    """The span of each request is ours; the framework has none."""
    alone, ran = caller_sees_no_difference(runner, case)
    assert len(ran.ours()) == ran.requests
    assert ran.inferences() == ran.ours()
    if scope is not None:
        frameworks_spans_are_kept(alone, ran)
    each_series_is_counted_once(alone, ran, case)
    return ran


def asked_besides(runner: Runner, program: Program) -> Ran:
    """What `asks_besides` asks, while a stream is read, has two spans of ours, and counts."""
    alone, ran = runner.bare(program), runner.with_us(program)
    assert ran.result == alone.result
    assert ran.result[0] == "returned"
    assert (ran.requests, len(ran.inferences()), len(ran.ours())) == (3, 3, 2)
    assert ran.counts(s.METRIC_TOKEN_USAGE, "input") == ran.counts(s.METRIC_DURATION) == 3
    assert ran.counts(s.METRIC_FIRST_CHUNK) == 2
    frameworks_spans_are_kept(alone, ran)
    return ran


def counted_if_sampled_out(runner: Runner, case: Case) -> None:
    """Without any span, each series is counted once all the same."""
    with runner.sampled_out():
        alone, ran = caller_sees_no_difference(runner, case)
    assert ran.spans == []
    each_series_is_counted_once(alone, ran, case)


def frameworks_spans_are_kept(alone: Ran, ran: Ran) -> None:
    """The framework's spans have the names, parents, status and attributes that they have alone."""
    # The SDK's own spans are replaced, by ours or by the framework's.
    aside = (OURS, "mistralai_sdk_tracer")
    assert ran.tree(*aside) == alone.tree(*aside)
    before, after = (
        sorted(
            (span for span in each.spans if scope_of(span) not in aside),
            key=lambda span: span.start_time or 0,
        )
        for each in (alone, ran)
    )
    for was, now in zip(before, after, strict=True):
        assert (now.name, now.kind, now.status.status_code) == (
            was.name, was.kind, was.status.status_code,
        )  # fmt: skip
        assert len(now.events) == len(was.events)
        kept, given = dict(now.attributes or {}), dict(was.attributes or {})
        assert given.keys() <= kept.keys()
        assert {key: stable(kept[key]) for key in given if _is_stable(key)} == {
            key: stable(value) for key, value in given.items() if _is_stable(key)
        }


def _is_stable(key: str) -> bool:
    return not any(part in key for part in _MEASURED)


def each_series_is_counted_once(alone: Ran, ran: Ran, case: Case) -> None:
    """Nothing is counted twice, nothing is lost, and what the framework counts is as alone."""
    sent, answered = case.spent if not case.fails else (0, 0)
    requests = ran.requests
    assert (ran.total(s.METRIC_INPUT_TOKENS), ran.total(s.METRIC_OUTPUT_TOKENS)) == (sent, answered)
    assert ran.scopes(s.METRIC_INPUT_TOKENS) == ran.scopes(s.METRIC_OUTPUT_TOKENS) == {OURS}
    reported = 0 if case.fails else requests
    assert ran.counts(s.METRIC_TOKEN_USAGE, "input") == reported
    assert ran.counts(s.METRIC_TOKEN_USAGE, "output") == reported
    assert ran.total(s.METRIC_TOKEN_USAGE, "input") == sent
    assert ran.total(s.METRIC_TOKEN_USAGE, "output") == answered
    assert ran.counts(s.METRIC_DURATION) == requests
    assert ran.counts(s.METRIC_FIRST_CHUNK) == (reported if case.streamed else 0)
    assert _of_others(ran) == _of_others(alone)


def _of_others(ran: Ran) -> Any:
    return sorted((p.scope, p.name, p.count) for p in ran.points if p.scope != OURS)
