# SPDX-License-Identifier: Apache-2.0
"""Server time to span time: what a timestamp may be, the shift, and the bounds."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentelemetry.instrumentation.genai.mistralai._otel.surroundings import all_clocks
from opentelemetry.instrumentation.genai.mistralai._reading.clock import (
    ServerClock,
    read_time,
)
from tests.support.fake_events import server
from tests.support.fakes import PACKAGE, ns

UTC = timezone.utc
YEAR_1, YEAR_9999 = datetime(1, 1, 1), datetime.max
ARRIVALS = st.integers(min_value=0, max_value=10**12)
MICROSECONDS = st.integers(min_value=0, max_value=10**10)


def shift_of(clock: ServerClock) -> float | None:
    """In milliseconds; None if there is none."""
    return clock.shift / 1e6 if clock.shift else None


@pytest.mark.parametrize(
    "unusable",
    [
        None,
        "",
        "Z",
        "yesterday",
        "2026-13-01T00:00:00Z",
        b"2026-10-01T12:00:00Z",
        True,
        float("nan"),
        [2026, 10, 1],
        YEAR_1.replace(tzinfo=timezone(timedelta(hours=1))),
        YEAR_9999.replace(tzinfo=timezone(timedelta(hours=-1))),
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_an_unusable_timestamp_is_none(unusable: object) -> None:
    assert read_time(unusable) is None


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        (datetime(2026, 10, 1, 12), "2026-10-01T12:00:00+00:00"),
        ("2026-10-01T12:00:00", "2026-10-01T12:00:00+00:00"),
        ("2026-10-01T12:00:00Z", "2026-10-01T12:00:00+00:00"),
        ("2026-10-01T14:00:00.250000+02:00", "2026-10-01T12:00:00.250000+00:00"),
        (
            datetime(2026, 10, 1, 9, tzinfo=timezone(timedelta(hours=-3))),
            "2026-10-01T12:00:00+00:00",
        ),
        (YEAR_1, "0001-01-01T00:00:00+00:00"),
        (YEAR_9999, "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_a_timestamp_is_made_utc_and_without_an_offset_it_is_utc(value: object, iso: str) -> None:
    read = read_time(value)
    assert read is not None
    assert (read.isoformat(), read.tzinfo) == (iso, UTC)


@pytest.mark.parametrize("at", [0.0, 0.2, 0.4])
def test_a_first_timestamp_inside_the_call_is_not_shifted(at: float) -> None:
    clock = ServerClock(ns(0))
    assert (clock.to_local(server(at), ns(0.4)), shift_of(clock)) == (ns(at), None)


@pytest.mark.parametrize(
    ("at", "shift_ms"),
    [(100.4, -100_000.0), (-99.6, 100_000.0), (0.400001, -0.001), (-0.000001, 400.001)],
)
def test_a_first_timestamp_outside_the_call_is_shifted_to_its_arrival(
    at: float, shift_ms: float
) -> None:
    clock = ServerClock(ns(0))
    assert (clock.to_local(server(at), ns(0.4)), shift_of(clock)) == (ns(0.4), shift_ms)


def test_the_shift_is_kept_for_the_whole_stream() -> None:
    clock = ServerClock(ns(0))
    clock.to_local(server(-100), ns(0.2))
    later = [clock.to_local(server(at), ns(9)) for at in (-99.5, 0.5)]
    assert (later, shift_of(clock)) == ([ns(0.7), ns(9)], 100_200.0)


def test_an_agreeing_first_timestamp_means_that_nothing_is_shifted_later() -> None:
    clock = ServerClock(ns(0))
    clock.to_local(server(0.1), ns(0.2))
    assert (clock.to_local(server(-50), ns(0.3)), shift_of(clock)) == (ns(0.1), None)


def test_an_unusable_timestamp_decides_nothing_about_the_shift() -> None:
    clock = ServerClock(ns(0))
    assert (clock.to_local(None, ns(0.2)), shift_of(clock)) == (ns(0.2), None)
    assert (clock.to_local(server(50.5), ns(0.5)), shift_of(clock)) == (ns(0.5), -50_000.0)


@pytest.mark.parametrize(
    ("first", "last", "shift_ms"),
    [
        (0, 0.3, None),
        (-0.000001, 0.3, 200.0),
        (0.1, 0.500001, -0.001),
        (-9, 9, -8_500.0),
    ],
)
def test_a_whole_response_that_is_not_inside_its_call_is_shifted_to_its_arrival(
    first: float, last: float, shift_ms: float | None
) -> None:
    clock = ServerClock(ns(0))
    clock.agree(server(first), server(last), ns(0.5))
    assert shift_of(clock) == shift_ms


def test_no_result_is_later_than_its_arrival_or_before_an_earlier_one() -> None:
    clock = ServerClock(ns(0))
    times = [(0.1, 0.2), (5.0, 0.3), (0.25, 0.4), (-7.0, 0.5), (0.45, 0.6)]
    local = [clock.to_local(server(at), ns(arrived)) for at, arrived in times]
    assert local == [ns(0.1), ns(0.3), ns(0.3), ns(0.3), ns(0.45)]


def test_the_start_wins_where_the_local_clock_stepped_back() -> None:
    clock = ServerClock(ns(0))
    local = [clock.to_local(at, ns(-3)) for at in (server(-3.5), None, server(-4))]
    assert local == [ns(0)] * 3


@settings(deadline=None)
@given(
    first=st.datetimes(),
    steps=st.lists(MICROSECONDS, max_size=8),
    arrived=ARRIVALS,
)
def test_durations_between_server_events_stay_exact_unless_clamped(
    first: datetime, steps: list[int], arrived: int
) -> None:
    clock = ServerClock(ns(0))
    server_time: datetime | None = first.replace(tzinfo=UTC)
    local = [clock.to_local(server_time, ns(0) + arrived)]
    for step in steps:
        assert server_time is not None
        try:
            server_time = server_time + timedelta(microseconds=step)
        except OverflowError:
            break
        local.append(clock.to_local(server_time, ns(10**9)))
    assert [b - a for a, b in pairwise(local)] == [step * 1000 for step in steps[: len(local) - 1]]


@settings(deadline=None)
@given(
    times=st.lists(
        st.tuples(
            st.none() | st.datetimes(timezones=st.none() | st.timezones()),
            ARRIVALS,
        ),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_the_server_says_results_stay_in_order_between_start_and_arrival(
    times: list[tuple[datetime | None, int]],
) -> None:
    clock = ServerClock(ns(0))
    arrivals = sorted(ns(0) + arrived for _, arrived in times)
    local = [
        clock.to_local(read_time(at), arrived)
        for (at, _), arrived in zip(times, arrivals, strict=True)
    ]
    # In order are the server's own times; one that is missing is its arrival, and binds no other.
    known = [at for at, (server, _) in zip(local, times, strict=True) if read_time(server)]
    assert known == sorted(known)
    assert all(ns(0) <= at <= arrived for at, arrived in zip(local, arrivals, strict=True))


def test_the_clocks_are_read_again_when_something_came_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads = iter([0, 5_000_000, 6_000_000, 6_000_500])
    walls = iter([1_005_000_000, 1_006_000_100])
    arrivals = iter([77, 88])
    monkeypatch.setattr(f"{PACKAGE}._otel.surroundings.ticks", lambda: next(reads))
    monkeypatch.setattr(f"{PACKAGE}._otel.surroundings.time_ns", lambda: next(walls))
    monkeypatch.setattr(f"{PACKAGE}._otel.surroundings.monotonic_ns", lambda: next(arrivals))
    # Up to the next whole microsecond: a viewer that cuts the rest off sees no earlier start.
    assert all_clocks() == (1_006_001_000, 6_000_000, 88)


def test_the_clocks_are_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = count(step=1_000_000)
    monkeypatch.setattr(f"{PACKAGE}._otel.surroundings.ticks", lambda: next(reads))
    monkeypatch.setattr(f"{PACKAGE}._otel.surroundings.time_ns", lambda: 7)
    monkeypatch.setattr(f"{PACKAGE}._otel.surroundings.monotonic_ns", lambda: 5)
    assert all_clocks() == (1000, 4_000_000, 5)
