# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.peers.worker CANDIDATE URL``: one candidate, in a process of its own.

Reads one command a line from stdin, and answers each with one line of JSON on stdout:
``versions``, ``calls KIND COUNT``, ``stream KIND DELTAS`` and ``memory KIND DELTAS``, of which KIND
is ``chat`` or ``conversation``. What the candidate itself prints goes to stderr.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter_ns, process_time_ns
from typing import Any, Final

from .candidates import BY_NAME
from .setups import set_up, sink_of
from .sinks import Sink

# So many events of a stream come before anything is measured: the first ones are more than deltas.
_FIRST: Final = 10
_WORDS: Final = "How warm is it?"


class Program:
    """What a user's program does, and how long it takes."""

    def __init__(self, client: Any, sink: Sink) -> None:
        self._client = client
        self._sink = sink

    def calls(self, kind: str, count: int) -> dict[str, Any]:
        """Some calls without a stream.

        Args:
            kind: ``chat`` or ``conversation``.
            count: of the calls.

        Returns:
            ``call_us``: CPU time of the process for one call, in µs, with the threads that send;
            ``spans``: how many one call made, by the name of their scope.
        """
        before = self._begin()
        began = process_time_ns()
        for _ in range(count):
            if kind == "chat":
                self._client.chat.complete(**self._chat(0))
            else:
                self._client.beta.conversations.start(**self._conversation(0))
        self._sink.flush()
        spent = process_time_ns() - began
        return {"call_us": spent / count / 1e3, "spans": self._made_since(before, count)}

    def stream(self, kind: str, deltas: int) -> dict[str, Any]:
        """One stream, read to its end.

        Args:
            kind: ``chat`` or ``conversation``.
            deltas: of the stream; more than ten.

        Returns:
            ``event_us``: CPU time of the process for one delta, in µs; ``end_ms``: from the last
            delta to the end, on the clock; ``stream_ms``: CPU time of all, with the threads that
            send; ``spans``: as `calls` has them.
        """
        before = self._begin()
        began = process_time_ns()
        events = self._events(kind, deltas)
        for _ in range(_FIRST):
            next(events)
        first = process_time_ns()
        # An event comes before the first delta.
        for _ in range(deltas + 1 - _FIRST):
            next(events)
        read, last = process_time_ns(), perf_counter_ns()
        for _ in events:
            pass
        ended = perf_counter_ns()
        self._sink.flush()
        spent = process_time_ns() - began
        return {
            "event_us": (read - first) / (deltas + 1 - _FIRST) / 1e3,
            "end_ms": (ended - last) / 1e6,
            "stream_ms": spent / 1e6,
            "spans": self._made_since(before, 1),
        }

    def memory(self, kind: str, deltas: int) -> dict[str, float]:
        """The highest point of a stream, in KiB over what there was before it.

        Args:
            kind: ``chat`` or ``conversation``.
            deltas: of the stream; more than ten.
        """
        # What is made once is made now.
        self.stream(kind, 2 * _FIRST)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        self.stream(kind, deltas)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return {"kib": (peak - before) / 1024}

    def _begin(self) -> Counter[str]:
        # A collection that looks at all classes of the SDK takes 50 ms, and would come anywhere.
        gc.collect()
        gc.freeze()
        return self._sink.spans.copy()

    def _made_since(self, before: Counter[str], times: int) -> dict[str, float]:
        return {scope: count / times for scope, count in (self._sink.spans - before).items()}

    def _events(self, kind: str, deltas: int) -> Iterator[Any]:
        if kind == "chat":
            return iter(self._client.chat.stream(**self._chat(deltas)))
        conversations = self._client.beta.conversations
        return iter(conversations.start_stream(**self._conversation(deltas)))

    @staticmethod
    def _chat(deltas: int) -> dict[str, Any]:
        return {"model": f"deltas-{deltas}", "messages": [{"role": "user", "content": _WORDS}]}

    @staticmethod
    def _conversation(deltas: int) -> dict[str, Any]:
        return {"model": f"deltas-{deltas}", "inputs": _WORDS}


def _versions(distribution: str) -> dict[str, str]:
    """The versions of what the page names."""
    found = {"python": platform.python_version()}
    for name in ("mistralai", distribution, "opentelemetry-sdk"):
        try:
            found[name] = version(name)
        except (PackageNotFoundError, ValueError):
            # The bare SDK has no package of its own, and not everyone needs OpenTelemetry's SDK.
            continue
    return found


def main() -> None:
    """Answers commands until stdin ends."""
    candidate, server_url = BY_NAME[sys.argv[1]], sys.argv[2]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sink = sink_of(candidate, server_url)
    program = Program(set_up(candidate, sink, server_url), sink)
    commands: dict[str, Callable[..., Any]] = {
        "versions": lambda: _versions(candidate.distribution),
        "calls": program.calls,
        "stream": program.stream,
        "memory": program.memory,
    }
    for line in sys.stdin:
        name, *given = line.split()
        told = [int(each) if each.isdigit() else each for each in given]
        print(json.dumps(commands[name](*told)), file=answers, flush=True)


if __name__ == "__main__":
    main()
