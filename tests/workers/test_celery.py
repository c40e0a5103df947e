# SPDX-License-Identifier: Apache-2.0
"""A real Celery worker with greenlets and with forked processes, and Celery's soft time limits."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.systems import needs_posix
from tests.workers.processes import ended, run, started, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator import Emulator

pytestmark = needs_posix

# Sends tasks, and tells what became of each.
DRIVER: Final = """
import json, sys
from tests.workers import celery_app
names = json.loads(sys.argv[1])
sent = [getattr(celery_app, name).delay(*arguments) for name, *arguments in names]
print(json.dumps([result.get(timeout=60) for result in sent]))
"""
TASKS: Final = ("completes", "reads", "drops", "closes")
RESULTS: Final = (
    "A completion is read chunk by chunk.",
    4,
    "ConversationEvents",
    "ConversationEvents",
)
OUTCOMES: Final = ("None", "completed", "abandoned", "closed")
PLACES: Final = ("request_hook", "response_hook", "redact", "on_start", "on_end")
STOP_SECONDS: Final = 20.0
# The span of a dropped stream ends within 5 s (contract, section 2); a busy machine adds some.
SOON: Final = 30.0


def worked(
    folder: Path, pool: str, tasks: str, variables: Mapping[str, str], spans: int
) -> list[Any]:
    """What tasks return that a worker does, which then ends when it is told to.

    Args:
        folder: for all files.
        pool: the worker's kind.
        tasks: names and arguments, as JSON.
        variables: of the environment.
        spans: how many must have ended before the worker is stopped.
    """
    for name in ("queue", "control", "results", "driver"):
        (folder / name).mkdir()
    command = ["celery", "-A", "tests.workers.celery_app", "worker", "-P", pool, "-c", "2"]
    command += ["--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    with started([*command, "--without-heartbeat"], folder, **variables) as worker:
        driver = run(
            DRIVER, folder / "driver", tasks, variables={**variables, "APP_INSTRUMENTS": ""}
        )
        assert driver.code == 0, "\n".join([driver.stderr, told(folder)])
        deadline = monotonic() + SOON
        while len(ended_spans(folder)) < spans:
            assert monotonic() < deadline, told(folder)
            assert worker.poll() is None, told(folder)
            sleep(0.02)
        worker.send_signal(signal.SIGTERM)
        assert ended(worker, folder, STOP_SECONDS) == 0, told(folder)
    results: list[Any] = driver.lines[0]
    return results


def lines(folder: Path, kind: str) -> list[list[str]]:
    """The words of each line of this kind that the span processor wrote."""
    path = folder / "spans"
    written = path.read_text().splitlines() if path.exists() else []
    return [line.split()[1:] for line in written if line.startswith(kind)]


def ended_spans(folder: Path) -> list[str]:
    """The outcomes of the spans that have ended."""
    return [words[1] for words in lines(folder, "ended")]


def environment(emulator: Emulator, folder: Path, kind: str) -> dict[str, str]:
    """The application's variables."""
    instruments = "1" if kind == "instrumented" else ""
    return {
        "APP_FOLDER": str(folder),
        "APP_INSTRUMENTS": instruments,
        "MISTRAL_SERVER_URL": emulator.url,
    }


@pytest.mark.parametrize("kind", ["bare", "instrumented"])
@pytest.mark.parametrize("pool", ["gevent", "prefork"])
def test_tasks_are_done_and_recorded(
    emulator: Emulator, tmp_path: Path, pool: str, kind: str
) -> None:
    tasks = "[" + ",".join(f'["{name}"]' for name in TASKS * 3) + "]"
    spans = len(TASKS) * 3 if kind == "instrumented" else 0
    variables = environment(emulator, tmp_path, kind)
    assert worked(tmp_path, pool, tasks, variables, spans) == list(RESULTS * 3)
    expected = Counter(OUTCOMES * 3) if kind == "instrumented" else Counter[str]()
    assert Counter(ended_spans(tmp_path)) == expected
    said = told(tmp_path)
    assert "telemetry failed" not in said
    assert "genai/mistralai" not in said


def test_a_soft_limit_that_arrives_inside_of_what_we_call_is_the_tasks(
    emulator: Emulator, tmp_path: Path
) -> None:
    tasks = "[" + ",".join(f'["has_a_limit", "{place}"]' for place in PLACES) + ', ["waits"]]'
    # The span whose start was interrupted in a processor is nobody's but the provider's.
    started_spans = len(PLACES) + 1
    results = worked(
        tmp_path,
        "prefork",
        tasks,
        environment(emulator, tmp_path, "instrumented"),
        started_spans - 1,
    )
    assert dict(zip([*PLACES, "waits"], results, strict=True)) == dict.fromkeys(
        [*PLACES, "waits"], "limited"
    )
    assert len(lines(tmp_path, "started")) == started_spans
    assert len(ended_spans(tmp_path)) == started_spans - 1
