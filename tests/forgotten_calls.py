# SPDX-License-Identifier: Apache-2.0
"""Calls that everybody forgot, and the exit, the locks and the threads that they meet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.instrumentation.genai.mistralai._open_calls import OpenCalls

SOON = 5.0


class Exit:
    """``atexit``, run by hand: last in, first out."""

    def __init__(self) -> None:
        self.handlers: list[Any] = []

    def register(self, handler: Any) -> None:
        self.handlers.append(handler)

    def unregister(self, handler: Any) -> None:
        self.handlers = [other for other in self.handlers if other != handler]

    def run(self) -> None:
        """Runs each handler once."""
        while self.handlers:
            self.handlers.pop()()


class Trap:
    """A lock that must not be touched."""

    def __enter__(self) -> None:
        raise AssertionError("a lock was taken")

    acquire = __exit__ = __enter__


@dataclass(eq=False)
class Forgotten:
    """What ends a call that everybody forgot."""

    abandon: Callable[[], None]


class NoThread:
    """A thread in an interpreter that starts none any more."""

    def __init__(self, **_: object) -> None:
        pass

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def ended_by_thread(calls: OpenCalls) -> tuple[str, bool]:
    """Drops a call; gives the name of the thread that ended it, and whether that is a daemon."""
    ended = threading.Event()
    thread: list[tuple[str, bool]] = []

    def abandon() -> None:
        thread.append((threading.current_thread().name, threading.current_thread().daemon))
        ended.set()

    calls.add(Forgotten(abandon))
    calls.drop(Forgotten(abandon))
    assert ended.wait(SOON)
    return thread[0]


NOTHING = Forgotten(lambda: None)


class Hand:
    """Ends a call as a recorder does: only if it can claim it."""

    def __init__(
        self, calls: OpenCalls, call: str, ended: list[str], *, fails: bool = False
    ) -> None:
        self._claim: Callable[[], bool] = lambda: calls.claim(self)
        self._call, self._ended, self._fails = call, ended, fails

    def abandon(self) -> None:
        if self._claim():
            if self._fails:
                raise ValueError
            self._ended.append(self._call)
