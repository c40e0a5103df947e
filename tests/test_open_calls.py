# SPDX-License-Identifier: Apache-2.0
"""Open calls: each is ended once, by whoever claims it; dropping takes no lock and says nothing."""

from __future__ import annotations

import logging
import threading
from functools import partial

import pytest

from opentelemetry.instrumentation.genai.mistralai._open_calls import OpenCalls
from tests.fakes import PACKAGE
from tests.forgotten_calls import (
    NOTHING,
    SOON,
    Exit,
    Forgotten,
    Hand,
    NoThread,
    Trap,
    ended_by_thread,
)


@pytest.fixture(autouse=True)
def at_exit(monkeypatch: pytest.MonkeyPatch) -> Exit:
    fake = Exit()
    monkeypatch.setattr(f"{PACKAGE}._open_calls.atexit", fake)
    monkeypatch.setattr(f"{PACKAGE}._guard._reported", set[tuple[str, str]]())
    return fake


@pytest.fixture
def calls() -> OpenCalls:
    return OpenCalls()


def test_a_call_that_was_never_added_cannot_be_claimed(calls: OpenCalls) -> None:
    assert calls.claim(NOTHING) is False


def test_a_call_is_claimed_once(calls: OpenCalls) -> None:
    calls.add(NOTHING)
    assert [calls.claim(NOTHING) for _ in range(3)] == [True, False, False]


def test_of_many_threads_one_gets_the_call(calls: OpenCalls) -> None:
    noted = [Forgotten(lambda: None) for _ in range(50)]
    for call in noted:
        calls.add(call)
    together = threading.Barrier(4)
    claimed: list[int] = []

    def claim_all() -> None:
        together.wait()
        claimed.extend(n for n, call in enumerate(noted) if calls.claim(call))

    threads = [threading.Thread(target=claim_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(50))


def test_dropping_takes_no_lock_logs_nothing_and_ends_nothing_itself(
    calls: OpenCalls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(calls, "_lock", Trap())
    ended: list[str] = []
    calls.drop(Forgotten(lambda: ended.append("call")))
    assert (ended, caplog.records) == ([], [])


def test_a_dropped_call_is_ended_by_a_daemon_thread(calls: OpenCalls) -> None:
    assert ended_by_thread(calls) == ("otel-mistralai", True)


def test_a_span_that_cannot_be_ended_does_not_keep_the_next_from_its_end(
    calls: OpenCalls, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("the user's words")

    calls.add(Forgotten(fail))
    calls.drop(Forgotten(fail))
    ended_by_thread(calls)
    assert [record.getMessage().partition(" at ")[0] for record in caplog.records] == [
        "telemetry failed (end an open call): ValueError"
    ]


def test_one_thread_serves_all_calls(calls: OpenCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    calls.add(NOTHING)
    monkeypatch.setattr(f"{PACKAGE}._open_calls.Thread", Trap)
    assert ended_by_thread(calls) == ("otel-mistralai", True)
    assert ended_by_thread(calls) == ("otel-mistralai", True)


def test_without_a_thread_calls_are_still_made_and_ended_at_exit(
    calls: OpenCalls,
    at_exit: Exit,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(f"{PACKAGE}._open_calls.Thread", NoThread)
    ended: list[str] = []
    calls.add(Forgotten(lambda: ended.append("call")))
    calls.add(Forgotten(lambda: ended.append("other")))
    calls.end_all_at_exit()
    at_exit.run()
    assert ended == ["call", "other"]
    assert [record.getMessage().partition(" at ")[0] for record in caplog.records] == [
        "telemetry failed (start a thread): RuntimeError"
    ]


def test_at_exit_open_calls_are_ended_before_the_provider_shuts_down(
    calls: OpenCalls, at_exit: Exit
) -> None:
    order: list[str] = []
    for call in ("first", "second"):
        at_exit.register(lambda: order.append("provider"))
        calls.end_all_at_exit()
        calls.add(Forgotten(partial(order.append, call)))
    at_exit.run()
    assert order == ["first", "second", "provider", "provider"]


def test_at_exit_one_bad_span_does_not_keep_the_others_from_their_end(
    calls: OpenCalls, at_exit: Exit
) -> None:
    ended: list[str] = []
    calls.add(Hand(calls, "bad", ended, fails=True))
    calls.add(Hand(calls, "good", ended))
    calls.end_all_at_exit()
    at_exit.run()
    assert ended == ["good"]


def test_at_exit_the_thread_finishes_what_it_has_claimed_before_the_provider_shuts_down(
    calls: OpenCalls, at_exit: Exit
) -> None:
    order: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def end_slowly() -> None:
        begun.set()
        assert go_on.wait(SOON)
        order.append("ended")

    at_exit.register(lambda: order.append("provider"))
    calls.end_all_at_exit()
    call = Forgotten(end_slowly)
    calls.add(call)
    calls.claim(call)
    calls.drop(call)
    assert begun.wait(SOON)
    threading.Timer(0.05, go_on.set).start()
    at_exit.run()
    assert order == ["ended", "provider"]


def test_at_exit_what_was_claimed_is_left_alone(calls: OpenCalls, at_exit: Exit) -> None:
    ended: list[str] = []
    call = Hand(calls, "call", ended)
    calls.add(call)
    calls.claim(call)
    calls.end_all_at_exit()
    at_exit.run()
    assert ended == []


def test_a_forked_child_may_not_end_its_parents_calls(calls: OpenCalls, at_exit: Exit) -> None:
    ended: list[str] = []
    parents = Hand(calls, "parent's", ended)
    calls.add(parents)
    calls.end_all_at_exit()
    calls.after_fork()
    at_exit.run()
    assert (calls.claim(parents), ended) == (False, [])


def test_a_forked_child_ends_its_own_calls_with_a_thread_and_a_lock_of_its_own(
    calls: OpenCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended_by_thread(calls)
    monkeypatch.setattr(calls, "_lock", Trap())
    calls.after_fork()
    assert ended_by_thread(calls) == ("otel-mistralai", True)
