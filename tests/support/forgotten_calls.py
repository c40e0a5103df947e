# SPDX-License-Identifier: Apache-2.0
"""Calls that everybody forgot, and the exit that they meet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context

from opentelemetry.instrumentation.genai.mistralai._otel.open_calls import OpenCalls

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


class Hand:
    """An open call that ends as a recorder ends one: by a plan of one step, if it still can."""

    def __init__(self, calls: OpenCalls, end: Callable[[], object] = lambda: None) -> None:
        self.context = Context()
        self.watch: object = None
        self.ended = threading.Event()
        self.ends: list[str] = []
        self._calls, self._end = calls, end
        calls.add(self)

    def _note(self) -> None:
        self._end()
        self.ends.append(threading.current_thread().name)
        self.ended.set()

    def dropped(self) -> None:
        self._calls.end(self, [self._note], Context())

    def give_up(self) -> None:
        self._calls.end(self, [lambda: self.ends.append("gave up")], Context())


class Used:
    """What a caller reads a stream through."""
