# SPDX-License-Identifier: Apache-2.0
"""Either library is switched off, in any order, and the other one goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Any, Final

import pytest

from emulator import Emulator
from tests.beside.other import OTHER
from tests.beside.programs import asks, asks_async
from tests.beside.running import ORDERS, OURS, THEIRS, Ran, Switches, run, the_sdk_as_it_was
from tests.support.completion_usages import stable
from tests.support.completions import arguments
from tests.support.observing import observe

CALLS: Final = {
    f"{kind} chat.{method}": ask(f"chat.{method}", arguments("chat"))
    for kind, ask in (("sync", asks), ("async", asks_async))
    for method in ("complete", "stream")
}
IN_EACH_ORDER: Final = pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """A call of a method that the other library wraps."""
    return CALLS[request.param]


@pytest.fixture
def switches() -> Iterator[Switches]:
    """Both libraries, off; so they are afterwards, and nothing of them is left."""
    with the_sdk_as_it_was():
        made = Switches()
        yield made
        for scope in (OURS, THEIRS):
            made.off(scope)


def on(switches: Switches, order: Sequence[str]) -> None:
    """Switches the libraries on in this order."""
    for scope in order:
        switches.on(scope)


def same(ran: Ran, alone: Ran, scope: str) -> None:
    """Says that a run was as with one library alone."""
    assert ran.caller() == alone.caller()
    assert ran.told(scope) == alone.told(scope)
    assert len(ran.spans.started) == len(alone.spans.started) == 1


@IN_EACH_ORDER
def test_they_go_on_without_us(
    emulator: Emulator, switches: Switches, call: Callable[[Any], Any], order: Sequence[str]
) -> None:
    alone = run(call, emulator, [THEIRS])
    on(switches, order)
    switches.off(OURS)
    same(switches.run(call, emulator), alone, THEIRS)


@IN_EACH_ORDER
def test_we_go_on_without_them(
    request: pytest.FixtureRequest,
    emulator: Emulator,
    switches: Switches,
    call: Callable[[Any], Any],
    order: Sequence[str],
) -> None:
    if OTHER.restores and order == ORDERS["they come first"]:
        reason = "it puts back the functions that it found before we came"
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    alone = run(call, emulator, [OURS])
    on(switches, order)
    switches.off(THEIRS)
    same(switches.run(call, emulator), alone, OURS)


@IN_EACH_ORDER
@pytest.mark.parametrize("off", list(permutations([OURS, THEIRS])), ids=["we go first", "they go"])
def test_nothing_is_left_of_either(
    emulator: Emulator,
    switches: Switches,
    call: Callable[[Any], Any],
    order: Sequence[str],
    off: Sequence[str],
) -> None:
    bare = observe(call, emulator)
    on(switches, order)
    for scope in off:
        switches.off(scope)
    ran = switches.run(call, emulator)
    assert stable(vars(ran.seen)) == stable(vars(bare))
    assert ran.spans.started == []


@IN_EACH_ORDER
@pytest.mark.parametrize("off", list(permutations([OURS, THEIRS])), ids=["we go first", "they go"])
def test_switched_on_again_each_sees_a_call_once(
    emulator: Emulator, switches: Switches, order: Sequence[str], off: Sequence[str]
) -> None:
    # A wrong argument is told by the call itself, before the coroutine: a wrapper of ours that was
    # left behind would tell it a second time.
    wrong = asks_async("chat.complete", {})
    alone = {scope: run(wrong, emulator, [scope]) for scope in (OURS, THEIRS)}
    for _ in range(3):
        on(switches, order)
        for scope in off:
            switches.off(scope)
    on(switches, order)
    ran = switches.run(wrong, emulator)
    assert ran.caller() == alone[THEIRS].caller()
    for scope in (OURS, THEIRS):
        assert ran.told(scope) == alone[scope].told(scope)
