# SPDX-License-Identifier: Apache-2.0
"""Open calls: each is ended once, by whoever settles it; dropped ones by a thread."""

from __future__ import annotations

import _thread
import gc
import logging
import threading
from functools import partial
from typing import Any

import pytest
from opentelemetry.context import Context

from opentelemetry.instrumentation.genai.mistralai._otel import dropped as _dropped
from opentelemetry.instrumentation.genai.mistralai._otel.ends_once import Plan, carry_out
from opentelemetry.instrumentation.genai.mistralai._otel.open_calls import OpenCalls
from tests.support.fakes import PACKAGE
from tests.support.forgotten_calls import SOON, Exit, Hand, Used
from tests.support.recording import wait_until


@pytest.fixture(autouse=True)
def at_exit(monkeypatch: pytest.MonkeyPatch) -> Exit:
    fake = Exit()
    monkeypatch.setattr(f"{PACKAGE}._otel.open_calls.atexit", fake)
    monkeypatch.setattr(f"{PACKAGE}._log._reported", set[tuple[str, str]]())
    return fake


@pytest.fixture
def calls() -> OpenCalls:
    return OpenCalls()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().partition(" at ")[0] for record in caplog.records]


def gone(thread: str = "otel-mistralai") -> None:
    """Waits until the thread that ends dropped calls has gone away."""
    wait_until(lambda: thread not in {found.name for found in threading.enumerate()})


class Interrupted(BaseException):
    """What a signal's handler raises."""


# Who ends a call


def test_a_call_that_was_never_added_cannot_be_ended(calls: OpenCalls) -> None:
    done: list[int] = []
    other = OpenCalls()
    assert calls.end(Hand(other), [partial(done.append, 1)], Context()) is False
    assert done == []


def test_a_call_is_ended_once(calls: OpenCalls) -> None:
    call, done = Hand(calls), list[int]()
    assert [calls.end(call, [partial(done.append, n)], Context()) for n in range(3)] == [
        True,
        False,
        False,
    ]
    assert (done, call in calls, calls.any()) == ([0], False, False)


def test_of_many_threads_one_ends_the_call(calls: OpenCalls) -> None:
    noted = [Hand(calls) for _ in range(200)]
    together = threading.Barrier(4)
    done: list[int] = []

    def end_all() -> None:
        together.wait()
        for n, call in enumerate(noted):
            calls.end(call, [partial(done.append, n)], Context())

    threads = [threading.Thread(target=end_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(200))


def test_a_call_that_is_about_to_end_is_no_longer_open(calls: OpenCalls) -> None:
    call, seen = Hand(calls), list[bool]()
    calls.end(call, [lambda: seen.append(call in calls)], Context())
    assert seen == [False]


# Plans


def test_a_plan_is_carried_out_from_its_last_step_to_its_first() -> None:
    done: list[int] = []
    carry_out([partial(done.append, n) for n in range(3)])
    assert done == [2, 1, 0]


def test_a_step_that_fails_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []
    plan: Plan = [
        partial(done.append, 1),
        partial(int, "the user's words"),
        partial(done.append, 2),
    ]
    carry_out(plan)
    assert (done, plan, said(caplog)) == (
        [2, 1],
        [],
        ["telemetry failed (end a call): ValueError"],
    )


@pytest.mark.parametrize("exc", [KeyboardInterrupt, SystemExit, Interrupted])
def test_an_interrupt_is_the_callers_after_the_other_steps_were_done(
    calls: OpenCalls, exc: type[BaseException]
) -> None:
    done: list[int] = []

    def interrupt() -> None:
        raise exc

    call = Hand(calls)
    with pytest.raises(exc):
        calls.end(call, [partial(done.append, 1), interrupt, partial(done.append, 2)], Context())
    assert (done, call in calls, calls.any()) == ([2, 1], False, False)


def test_two_threads_that_go_on_with_one_plan_do_each_step_once() -> None:
    done: list[int] = []
    plan: Plan = [partial(done.append, n) for n in range(20_000)]
    threads = [threading.Thread(target=carry_out, args=(plan,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(20_000))


def test_at_exit_a_plan_that_was_interrupted_is_carried_out_to_its_end(
    calls: OpenCalls, at_exit: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    calls.end_all_at_exit()
    call = Hand(calls)
    with monkeypatch.context() as patched:
        # As an interrupt in the first line of this function.
        patched.setattr(f"{PACKAGE}._otel.ends_once.carry_out", partial(int, "interrupted"))
        with pytest.raises(TypeError):
            calls.end(call, [partial(done.append, 1), partial(done.append, 2)], Context())
    assert (done, calls.any(), call in calls) == ([], True, False)
    at_exit.run()
    assert (done, calls.any(), call.ends) == ([2, 1], False, [])


# What is dropped


def test_dropping_ends_nothing_itself_and_logs_nothing(
    calls: OpenCalls, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    go_on = threading.Event()
    call = Hand(calls, partial(go_on.wait, SOON))
    calls.drop(call)
    assert call.ends == []
    go_on.set()
    assert call.ended.wait(SOON)
    gone()
    assert (call.ends, caplog.records) == (["otel-mistralai"], [])


def test_there_is_no_thread_before_something_is_dropped_and_none_after(calls: OpenCalls) -> None:
    before = threading.active_count()
    used, call = Used(), Hand(calls)
    calls.watch(call, used)
    assert threading.active_count() == before
    del used
    assert call.ended.wait(SOON)
    gone()
    assert call.ends == ["otel-mistralai"]
    assert threading.active_count() == before


def test_what_was_dropped_in_a_cycle_is_noticed_when_it_is_collected(calls: OpenCalls) -> None:
    used: Any = Used()
    used.itself = used
    call = Hand(calls)
    used.call = call
    calls.watch(call, used)
    del used
    assert call.ends == []
    gc.collect()
    assert call.ended.wait(SOON)


def test_a_call_that_has_ended_is_not_watched_any_more(calls: OpenCalls) -> None:
    used, call = Used(), Hand(calls)
    calls.watch(call, used)
    call.dropped()
    del used
    assert (call.watch, list(calls.dropped), len(call.ends)) == (None, [], 1)


def test_many_drops_start_one_thread(calls: OpenCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    go_on = threading.Event()

    class Counted(threading.Thread):
        def start(self) -> None:
            started.append(self)
            super().start()

    monkeypatch.setattr(threading, "Thread", Counted)
    noted = [Hand(calls, partial(go_on.wait, SOON)) for _ in range(100)]
    for call in noted:
        calls.drop(call)
    go_on.set()
    assert all(call.ended.wait(SOON) for call in noted)
    gone()
    assert len(started) == 1


def test_a_drop_while_the_thread_goes_away_is_not_forgotten(calls: OpenCalls) -> None:
    for _ in range(300):
        call = Hand(calls)
        calls.drop(call)
        assert call.ended.wait(SOON)


@pytest.mark.parametrize("exc", [ValueError, SystemExit, KeyboardInterrupt, Interrupted])
def test_whatever_is_raised_the_next_one_is_ended(
    calls: OpenCalls, exc: type[BaseException]
) -> None:
    def fail() -> None:
        raise exc("the user's words")

    bad, good = Hand(calls, fail), Hand(calls)
    bad.give_up = lambda: None  # type: ignore[method-assign]
    for call in (bad, good):
        calls.drop(call)
    assert good.ended.wait(SOON)
    gone()
    assert (calls.any(), good.ends) == (False, ["otel-mistralai"])


def test_a_log_handler_that_raises_does_not_stop_the_thread(calls: OpenCalls) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise SystemExit(record.getMessage())

    handler, logger = Broken(), logging.getLogger(PACKAGE)
    logger.addHandler(handler)
    try:
        bad, good = Hand(calls, partial(int, "x")), Hand(calls)
        for call in (bad, good):
            calls.drop(call)
        assert good.ended.wait(SOON)
        gone()
    finally:
        logger.removeHandler(handler)


def test_the_next_call_ends_what_no_thread_could_be_started_for(
    calls: OpenCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(_thread, "start_new_thread", refuse)
        call = Hand(calls)
        calls.drop(call)
        assert call.ends == []
        calls.end_dropped()
        assert call.ends == [threading.current_thread().name]
    # And when threads can be had again, there is one.
    other = Hand(calls)
    used = Used()
    calls.watch(other, used)
    del used
    assert other.ended.wait(SOON)


def test_without_threads_calls_are_still_ended_at_exit(
    calls: OpenCalls, at_exit: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoThread(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading, "Thread", NoThread)
    calls.end_all_at_exit()
    call = Hand(calls)
    calls.drop(call)
    at_exit.run()
    assert call.ends == [threading.current_thread().name]


def test_when_threads_have_become_something_else_there_is_one_of_that_kind(
    calls: OpenCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    native, started = _thread.start_new_thread, list[object]()

    def start_greenlet(function: Any, args: tuple[()]) -> int:
        started.append(function)
        return native(function, args)

    monkeypatch.setattr(_thread, "start_new_thread", start_greenlet)
    call, used = Hand(calls), Used()
    calls.watch(call, used)
    del used
    assert call.ended.wait(SOON)
    # In the greenlet itself: a second one would be of a hub that nobody runs.
    assert len(started) == 1
    assert call.ends != ["otel-mistralai"]


def test_an_interrupt_while_others_calls_are_ended_is_the_callers(calls: OpenCalls) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    first, second = Hand(calls, interrupt), Hand(calls)
    calls.dropped.extend((first, second))
    with pytest.raises(KeyboardInterrupt):
        calls.end_dropped()
    assert calls.dropped.popleft() is second
    assert first not in calls
    assert second in calls


def test_a_hook_that_wants_to_exit_is_not_the_next_callers_exit(
    calls: OpenCalls, caplog: pytest.LogCaptureFixture
) -> None:
    def leave() -> None:
        raise SystemExit(3)

    call = Hand(calls, leave)
    calls.dropped.append(call)
    calls.end_dropped()
    assert said(caplog) == ["telemetry failed (end an open call): SystemExit"]
    assert not calls.any()


# The exit


def test_at_exit_open_calls_are_ended_before_the_provider_shuts_down(
    calls: OpenCalls, at_exit: Exit
) -> None:
    order: list[str] = []
    for call in ("first", "second"):
        at_exit.register(lambda: order.append("provider"))
        calls.end_all_at_exit()
        Hand(calls, partial(order.append, call))
    at_exit.run()
    assert order == ["first", "second", "provider", "provider"]


@pytest.mark.parametrize("exc", [ValueError, SystemExit, KeyboardInterrupt])
def test_at_exit_one_bad_span_does_not_keep_the_others_from_their_end(
    calls: OpenCalls, at_exit: Exit, exc: type[BaseException]
) -> None:
    def fail() -> None:
        raise exc

    bad, good = Hand(calls, fail), Hand(calls)
    calls.end_all_at_exit()
    at_exit.run()
    assert (bad.ends, len(good.ends), calls.any()) == ([], 1, False)


def test_at_exit_a_call_whose_recorder_fails_is_given_up(calls: OpenCalls, at_exit: Exit) -> None:
    call = Hand(calls)

    def fail() -> None:
        raise ValueError("the recorder's own failure")

    call.dropped = fail  # type: ignore[method-assign]
    calls.end_all_at_exit()
    at_exit.run()
    assert (call.ends, calls.any()) == (["gave up"], False)


def test_at_exit_the_thread_finishes_what_it_has_begun_before_the_provider_shuts_down(
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
    calls.drop(Hand(calls, end_slowly))
    assert begun.wait(SOON)
    threading.Timer(0.05, go_on.set).start()
    at_exit.run()
    assert order == ["ended", "provider"]


def test_after_the_exit_there_are_no_threads_and_all_is_as_before_when_switched_on_again(
    calls: OpenCalls, at_exit: Exit
) -> None:
    calls.end_all_at_exit()
    at_exit.run()
    late, used = Hand(calls), Used()
    calls.watch(late, used)
    del used
    gone()
    assert late.ends == []
    calls.end_all_at_exit()
    calls.drop(Hand(calls))
    assert late.ended.wait(SOON)


# Forks


def test_a_forked_child_may_not_end_its_parents_calls(calls: OpenCalls, at_exit: Exit) -> None:
    parents, used = Hand(calls), Used()
    calls.watch(parents, used)
    calls.end_all_at_exit()
    calls.after_fork()
    at_exit.run()
    assert (calls.end(parents, [], Context()), parents.ends) == (False, [])
    del used
    calls.end_dropped()
    assert parents.ends == []


def test_a_forked_child_ends_its_own_calls_with_a_thread_of_its_own(calls: OpenCalls) -> None:
    # A thread that was on its way in the parent never comes in the child.
    flag = getattr(getattr(calls, "_waker"), "_flag")  # noqa: B009 -- not public
    flag[vars(_dropped)["_FLAG"]] = 1
    calls.after_fork()
    call = Hand(calls)
    calls.drop(call)
    assert call.ended.wait(SOON)
    assert call.ends == ["otel-mistralai"]
