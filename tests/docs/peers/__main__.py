# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.docs.peers NAME``: what one instrumentation records of `CALLS`, as JSON.

It runs in an environment of that instrumentation, which ``nox -s migration`` makes. The emulator is
a process of its own: some instrumentations record servers, too.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import re
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any, Final

from tests.docs.peers.switches import OURS, PEERS, OpenTelemetry, Row

HERE: Final = Path(__file__).parent
# Longer than the thread takes that ends what was dropped: no peer says that it is done. This makes
# the stored recordings, and is no test; a busy machine shows as a difference in them.
_SETTLES: Final = 0.3
_LONGEST: Final = 120
_TOO_MANY: Final = 10**6
_HEX: Final = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{16}\b"
)
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?")
_GIVEN: Final = (0.5, 0.25)
_OF_THE_RUN: Final = ("process_id",)


def measured(name: str, *, beside: bool) -> dict[str, Any]:
    """What an instrumentation records.

    Args:
        name: of the instrumentation.
        beside: whether this package is on, too.
    """
    peer = PEERS[name]
    with emulator() as url:
        seen = peer.switch_on()
        if beside:
            importlib.import_module(OURS).instrument()
        scopes = {peer.scope, OURS} if beside else {peer.scope}
        # It makes the SDK's modules, which are to be imported after the switch.
        calls = importlib.import_module("tests.docs.peers.calls")
        told = {each: _told(call, url, seen, scopes) for each, call in calls.CALLS.items()}
        slow = told[calls.SLOW]
        # The program went on for a while after the event that says that all is done.
        limit = slow["finished"] - calls.TIME_AFTER_DONE / 2 * 1e9
        slow["ended when the server was done"] = any(end < limit for end in slow["ends"])
        for each in told.values():
            del each["finished"], each["ends"]
            for span in each["spans"] if beside else ():
                # What each says is in the files of one alone; here is who says it.
                del span["attributes"], span["events"]
        port = url.rpartition(":")[2]
        distributions = (peer.distribution, "mistralai", "opentelemetry-sdk")
        found = {
            "peer": peer.title,
            "date": datetime.now(timezone.utc).date().isoformat(),
            "python": platform.python_version(),
            "versions": {each: version(each) for each in distributions},
            "entry points": _entry_points(peer.distribution),
            "metrics": seen.metrics(),
            "log events": [dict(row) for row in _distinct(seen.logs())],
            "calls": told,
        }
    return dict(_plain(found, port))


@contextmanager
def emulator() -> Generator[str]:
    """The address of an emulator in a process of its own."""
    command = [sys.executable, "-m", "emulator"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 -- ours
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _told(call: Any, url: str, seen: OpenTelemetry, scopes: set[str]) -> dict[str, Any]:
    seen.forget()
    held: list[int] = []

    def freed() -> None:
        time.sleep(_SETTLES)
        held.append(sum(row["end"] is not None for row in _of(seen, scopes)))

    try:
        call(url, freed)
        raised = None
    except Exception as exc:  # noqa: BLE001 -- it is told
        raised = type(exc).__name__
    finished = time.time_ns()
    time.sleep(_SETTLES)
    rows = _of(seen, scopes)
    told: dict[str, Any] = {
        "raised": raised,
        "finished": finished,
        "ends": [row["end"] for row in rows if row["end"] and row["parent"] != row["scope"]],
        "spans": [
            {
                **{key: row[key] for key in ("scope", "name", "kind", "status", "parent")},
                "ended": row["end"] is not None,
                "attributes": row["attributes"],
                "events": row["events"],
            }
            for row in rows
        ],
    }
    if held:
        told["ended while the stream was held"] = held[0]
    return told


def _entry_points(of: str) -> list[str]:
    """What the distribution is called in OTEL_PYTHON_DISABLED_INSTRUMENTATIONS."""
    found = distribution(of).entry_points
    return sorted(each.name for each in found if each.group == "opentelemetry_instrumentor")


def _of(seen: OpenTelemetry, scopes: set[str]) -> list[Row]:
    return [row for row in seen.rows() if row["scope"] in scopes]


def _distinct(rows: list[Row]) -> list[Row]:
    return [json.loads(each) for each in sorted({json.dumps(row) for row in rows})]


def _plain(value: Any, port: str) -> Any:
    """A value without what differs from run to run."""
    if isinstance(value, dict):
        known: dict[Any, Any] = {**value}
        known |= {key: "a number" for key in _OF_THE_RUN if key in known}
        return {str(key): _plain(each, port) for key, each in known.items()}
    if isinstance(value, (list, tuple)):
        items: list[Any] = [*value]
        return [_plain(each, port) for each in items]
    if value is None or isinstance(value, (bool, int, float)):
        return _plain_number(value, port)
    # It names files of the machine.
    if 'File "' in str(value):
        return "a traceback"
    text = _ADDRESS.sub("", str(value).replace(f":{port}", ":1234"))
    return _TIME.sub("a time", _HEX.sub("an id", text))[:_LONGEST]


def _plain_number(value: float | None, port: str) -> Any:
    if value is None or isinstance(value, bool) or value in _GIVEN:
        return value
    if str(value) == port:
        return "a port"
    return value if isinstance(value, int) and value < _TOO_MANY else "a number"


def main() -> None:
    """Writes the JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs.peers", description=__doc__)
    parser.add_argument("name", choices=[*PEERS])
    parser.add_argument("--beside", action="store_true", help="with this package on, too")
    options = parser.parse_args()
    found = measured(options.name, beside=options.beside)
    path = HERE / f"{options.name}{'-beside' * options.beside}.json"
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
