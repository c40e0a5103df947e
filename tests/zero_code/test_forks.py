# SPDX-License-Identifier: Apache-2.0
"""Forked workers export their own: each conversation's span and tokens arrive once."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, build_opener

from tests.support import names as s
from tests.support.systems import needs_posix
from tests.zero_code.commands import environment, run, script_of, started
from tests.zero_code.expected import SCOPE

if TYPE_CHECKING:
    from emulator import Emulator
    from tests.zero_code.receiver import Receiver

pytestmark = needs_posix

_SECONDS = 120
# On a busy machine a receiver may need longer than the 10 s that exporters wait.
_PATIENT = {"OTEL_EXPORTER_OTLP_TIMEOUT": "100"}
_LISTENING = re.compile(r"\[(?P<pid>\d+)\] \[INFO\] Listening at: (?P<url>\S+)")
_INPUT, _OUTPUT = 24, 29
_http = build_opener(ProxyHandler({}))

# The conversations that each process held.
Held = dict[str, list[str]]


def assert_each_exported_its_own(receiver: Receiver, held: Held) -> None:
    """Each process is an instance; an instance's spans and tokens are those of its process."""
    spans: dict[str, list[str]] = defaultdict(list)
    for span in receiver.spans_in(SCOPE[0]):
        instance = span.resource["service.instance.id"]
        spans[instance].append(span.attributes[s.CONVERSATION_ID])
    assert sorted(map(sorted, spans.values())) == sorted(map(sorted, held.values()))
    tokens: Counter[tuple[str, str]] = Counter()
    for point in receiver.points:
        key = point.resource["service.instance.id"], point.name
        if point.kind == "delta counter":
            tokens[key] += point.value
        elif point.kind == "cumulative counter":
            tokens[key] = point.value
    assert tokens == {
        (instance, name): each * len(ids)
        for instance, ids in spans.items()
        for name, each in ((s.METRIC_INPUT_TOKENS, _INPUT), (s.METRIC_OUTPUT_TOKENS, _OUTPUT))
    }


def test_workers_of_multiprocessing_and_their_parent(
    emulator: Emulator, receiver: Receiver
) -> None:
    script = script_of("Worker processes", endpoint=receiver.url)
    code, out, err = run(script, environment(emulator.url, **_PATIENT))
    assert (code, err) == (0, "")
    held: Held = defaultdict(list)
    for line in out.splitlines():
        process, conversation = line.split()
        held[process].append(conversation)
    assert sorted(map(len, held.values())) == [1, 3, 3]
    assert_each_exported_its_own(receiver, held)


def test_workers_of_gunicorn(emulator: Emulator, receiver: Receiver) -> None:
    script = script_of("A web application", endpoint=receiver.url)
    assert "127.0.0.1:8000" in script
    variables = environment(emulator.url, GUNICORN_CMD_ARGS="--no-control-socket", **_PATIENT)
    with started(script.replace("127.0.0.1:8000", "127.0.0.1:0"), variables) as gunicorn:
        assert gunicorn.stderr is not None
        listening = next(filter(None, map(_LISTENING.search, gunicorn.stderr)))
        held = ask_until_both_answered(listening["url"])
        os.kill(int(listening["pid"]), signal.SIGTERM)
        _, err = gunicorn.communicate(timeout=_SECONDS)
        assert gunicorn.returncode == 0
    assert [line for line in err.splitlines() if "[INFO]" not in line] == []
    assert_each_exported_its_own(receiver, held)


def ask_until_both_answered(url: str) -> Held:
    """Asks twice at once, until each of two workers has held two conversations."""
    held: Held = defaultdict(list)

    def ask(_: int) -> tuple[str, str]:
        with _http.open(url, timeout=_SECONDS) as response:
            return response.headers["X-Worker"], response.read().decode()

    deadline = monotonic() + _SECONDS
    with ThreadPoolExecutor(2) as callers:
        while sum(len(ids) >= 2 for ids in held.values()) < 2:
            assert monotonic() < deadline, held
            for worker, conversation in callers.map(ask, range(2)):
                held[worker].append(conversation)
    return held
