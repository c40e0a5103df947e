# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.peers``: runs the candidates in turns, and writes the page and the chart.

``make bench-peers`` makes their environments first. ``--draw`` measures nothing: it writes the page
and the chart again, from ``docs/peers.json``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import random
import sys
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

from .candidates import BY_NAME, CANDIDATES, Candidate
from .page import write
from .quiet import Patience
from .result import ROOT, STORED, Found, Result
from .server import serving
from .workers import Failed, Worker, start_up, variables

KINDS: Final = ("chat", "conversation")


class Run:
    """One run over some candidates."""

    def __init__(self, candidates: list[Candidate], python: str, server_url: str) -> None:
        self._python = python
        self._server_url = server_url
        self._environment = variables()
        self._workers: dict[str, Worker] = {}
        self._streams_traced: list[tuple[str, str]] = []
        self.found = {each.name: Found() for each in candidates}
        for each in candidates:
            python = self._python_of(each)
            if Path(python).exists():
                self._workers[each.name] = Worker(each, python, server_url, self._environment)
            else:
                self.found[each.name].absent = "no environment: `make bench-peers` makes it"

    def warm_up(self) -> None:
        """Everything once, not counted; and which versions there are."""

        def one(name: str) -> None:
            self.found[name].versions = self._workers[name].ask("versions")
            for kind in KINDS:
                self._workers[name].ask("calls", kind, 1)
                spans = self._workers[name].ask("stream", kind, 20)["spans"]
                if BY_NAME[name].is_bare or any(map(BY_NAME[name].made, spans)):
                    self._streams_traced.append((name, kind))

        self._two_at_a_time(one)

    def short_round(self, number: int, calls: int, deltas: int) -> None:
        """Each operation of everyone: what is compared is a second apart.

        Args:
            number: of the round.
            calls: of each candidate.
            deltas: of each candidate's stream.
        """
        for kind in KINDS:
            self._ask_all(number, "calls", kind, calls, "call_us")
            self._ask_all(number, "stream", kind, deltas, "event_us")

    def long_round(self, number: int, deltas: int) -> None:
        """What takes long, of everyone: long streams, and a start of the program.

        Args:
            number: of the round.
            deltas: of each candidate's streams.
        """
        for kind in KINDS:
            self._ask_all(number, "stream", kind, deltas, "end_ms", "stream_ms")
        for name in self._in_turn(number):
            with self._without_who_fails(name):
                who = BY_NAME[name]
                python = self._python_of(who)
                started = start_up(who, python, self._server_url, self._environment)
                self.found[name].add(started)

    def memory(self, deltas: int) -> None:
        """The memory of each stream that is traced, two at a time: it does not depend on the time.

        Args:
            deltas: of the stream.
        """

        def one(name: str) -> None:
            for kind in KINDS:
                # It takes long: three times as long as without tracemalloc.
                if (name, kind) in self._streams_traced:
                    told = self._workers[name].ask("memory", kind, deltas)
                    self.found[name].add(told, f"{kind}_")

        self._two_at_a_time(one)

    def close(self) -> None:
        """Ends the processes that are left."""
        while self._workers:
            self._workers.popitem()[1].close()

    def _ask_all(self, number: int, what: str, kind: str, times: int, *metrics: str) -> None:
        """Everyone's calls or streams, one after the other; keeps these metrics and the spans."""
        operation = kind if what == "calls" else f"{kind}_{what}"
        for name in self._in_turn(number):
            with self._without_who_fails(name):
                told, found = self._workers[name].ask(what, kind, times), self.found[name]
                found.spans.setdefault(operation, []).append(told["spans"])
                found.add({metric: told[metric] for metric in metrics}, f"{kind}_")

    def _in_turn(self, number: int) -> list[str]:
        """Everyone that is left, in the order of this round."""
        names = list(self._workers)
        # In one fixed order each would always find the machine as the same other one leaves it.
        random.Random(number).shuffle(names)  # noqa: S311 -- no secret
        return names

    def _python_of(self, candidate: Candidate) -> str:
        return self._python.format(environment=candidate.environment)

    def _two_at_a_time(self, one: Callable[[str], None]) -> None:
        def guarded(name: str) -> None:
            with self._without_who_fails(name):
                one(name)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(guarded, list(self._workers)))

    @contextmanager
    def _without_who_fails(self, name: str) -> Generator[None]:
        """The run goes on without a candidate that fails; the page says why."""
        try:
            yield
        except Failed as failure:
            self.found[name] = Found(versions=self.found[name].versions, absent=f"fails: {failure}")
            self._workers.pop(name).close()


def _load() -> str:
    return "unknown" if sys.platform == "win32" else f"{os.getloadavg()[0]:.1f}"


def measure(
    options: argparse.Namespace, absent: Mapping[str, str], say: Callable[[str], None]
) -> Result:
    """Runs everything.

    Args:
        options: of the command line.
        absent: why environments could not be made, by their names.
        say: is told what goes on.
    """
    chosen = [each for each in CANDIDATES if not options.only or each.name in options.only]
    there = [each for each in chosen if each.environment not in absent]
    load, patience = _load(), Patience(options.patience)
    with serving() as server_url:
        run = Run(there, options.python, server_url)
        try:
            say("warming up")
            run.warm_up()
            say("memory")
            run.memory(options.memory_deltas)
            began = monotonic()
            for number in range(options.rounds):
                if number and monotonic() - began > options.within:
                    break
                patience.wait()
                say(f"round {number + 1} of {options.rounds}")
                run.short_round(number, options.calls, options.deltas)
                if not number % options.every:
                    run.long_round(number, options.long_deltas)
        finally:
            run.close()
    missing = {each.name: Found(absent=absent[each.environment])
               for each in chosen if each.environment in absent}  # fmt: skip
    found = run.found | missing
    return Result(
        date=dt.datetime.now(dt.timezone.utc).date().isoformat(),
        machine=f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}, load average "
        f"{load} at the start and {_load()} at the end",
        calls=options.calls,
        deltas=options.deltas,
        long_deltas=options.long_deltas,
        memory_deltas=options.memory_deltas,
        candidates={each.name: found[each.name] for each in chosen},
    )


def main() -> int:
    """Measures, or only draws; returns 1 if a candidate that is ours or bare failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument(
        "--within", type=float, default=600, metavar="SECONDS",
        help="no further round after that; a busy machine has fewer",
    )  # fmt: skip
    parser.add_argument("--calls", type=int, default=4, help="in each round")
    parser.add_argument("--deltas", type=int, default=100, help="of each round's short stream")
    parser.add_argument("--long-deltas", type=int, default=1_000, help="of the long streams")
    parser.add_argument("--every", type=int, default=10, help="so many rounds have one long one")
    parser.add_argument("--memory-deltas", type=int, default=10_000)
    parser.add_argument(
        "--patience", type=float, default=240, metavar="SECONDS",
        help="wait so long in all for others to leave the machine alone",
    )  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=BY_NAME, metavar="CANDIDATE")
    parser.add_argument("--absent", nargs="+", default=[], metavar="ENVIRONMENT=REASON")
    parser.add_argument(
        "--python", default=str(ROOT / ".nox/peers-{environment}/bin/python"),
        help="the interpreter of an environment",
    )  # fmt: skip
    parser.add_argument("--into", type=Path, default=STORED.parent, help="the folder of the page")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    options = parser.parse_args()
    stored: Path = options.into / STORED.name
    if not options.draw:
        absent = dict(each.split("=", 1) for each in options.absent)
        result = measure(options, absent, lambda word: print(word, file=sys.stderr))  # noqa: T201 -- for who waits
        stored.write_text(result.to_json(), encoding="utf-8")
    written = Result.from_json(stored.read_text(encoding="utf-8"))
    write(written, options.into)
    failed = [name for name, found in written.candidates.items() if found.absent]
    return int(any(BY_NAME[name].is_ours or BY_NAME[name].is_bare for name in failed))


if __name__ == "__main__":
    sys.exit(main())
