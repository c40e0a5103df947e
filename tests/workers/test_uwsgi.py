# SPDX-License-Identifier: Apache-2.0
"""uWSGI: with and without Python threads, loaded before the fork or in each worker."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.support import names as s
from tests.support.servers import free_ports, without
from tests.support.systems import needs_posix
from tests.workers.processes import ANSWERS, OUTCOMES, SCOPE, ended, started, told

if TYPE_CHECKING:
    from emulator import Emulator
    from tests.zero_code.receiver import Receiver

pytestmark = needs_posix

_http: Final = build_opener(ProxyHandler({}))
_UWSGI: Final = Path(sys.executable).with_name("uwsgi")
MODES: Final = {
    "master, no threads": ["--master", "--processes", "2"],
    "master, threads": ["--master", "--processes", "2", "--enable-threads"],
    "master, many threads": ["--master", "--processes", "2", "--threads", "3"],
    "lazy apps, no threads": ["--master", "--processes", "2", "--lazy-apps"],
    "lazy apps, threads": ["--master", "--processes", "2", "--lazy-apps", "--enable-threads"],
    "no master": ["--enable-threads"],
}
# No stream that is open at exit: uWSGI's workers are killed now and then, bare too.
PATHS: Final = [path for path in ANSWERS if path != "/keep"] * 2
SECONDS: Final = 30.0


def ask_all(url: str, folder: Path, workers: int) -> list[str]:
    """Asks in each way, two at a time; each is answered, and rightly.

    Then it makes one more call of each worker: without threads nothing else ends dropped streams.

    Returns:
        The paths that were asked for.
    """

    def ask(path: str) -> str:
        with _http.open(f"{url}{path}", timeout=SECONDS) as response:
            assert response.read().decode() == ANSWERS[path]
            return str(response.headers["X-Worker"])

    deadline = monotonic() + 60
    while "spawned uWSGI worker" not in (folder / "stderr").read_text():
        assert monotonic() < deadline, told(folder)
        sleep(0.05)
    asked, seen = list(PATHS), set[str]()
    with ThreadPoolExecutor(2) as callers:
        try:
            list(callers.map(ask, PATHS))
            while len(seen) < workers and monotonic() < deadline:
                asked += ["/complete"] * 2
                seen.update(callers.map(ask, ["/complete"] * 2))
        except OSError as exc:
            raise AssertionError(f"{exc!r}; uWSGI says:\n{told(folder)}") from exc
    return asked


@pytest.mark.parametrize("kind", ["bare", "instrumented"])
@pytest.mark.parametrize("mode", MODES)
def test_workers_answer_and_end(
    emulator: Emulator, receiver: Receiver, tmp_path: Path, mode: str, kind: str
) -> None:
    if not _UWSGI.exists():
        without("uwsgi is not installed: make .venv/workers, with a C compiler")
    if kind == "bare" and mode not in ("master, no threads", "no master"):
        pytest.skip("two modes are enough to see that bare works")
    port = free_ports(1)[0]
    command = [str(_UWSGI), "--http-socket", f"127.0.0.1:{port}", "--die-on-term", "--need-app"]
    command += ["--module", "tests.workers.web_app:app", "--virtualenv", sys.prefix]
    # Seconds after which the master kills a worker that does not end, as happens bare, too.
    command += ["--reload-mercy", "3", "--worker-reload-mercy", "3"]
    with started(
        [*command, *MODES[mode]],
        tmp_path,
        MISTRAL_SERVER_URL=emulator.url,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        APP_INSTRUMENTS="1" if kind == "instrumented" else "",
    ) as uwsgi:
        asked = ask_all(f"http://127.0.0.1:{port}", tmp_path, 1 if mode == "no master" else 2)
        uwsgi.send_signal(signal.SIGTERM)
        code = ended(uwsgi, tmp_path, SECONDS)
    # 30 is what uWSGI says without a master.
    assert code == (30 if mode == "no master" else 0), told(tmp_path)
    said = told(tmp_path)
    spans = Counter(span.attributes.get(s.STREAM_OUTCOME) for span in receiver.spans_in(SCOPE))
    recorded = asked if kind == "instrumented" else []
    assert spans == Counter(OUTCOMES[path] for path in recorded)
    assert "telemetry failed" not in said
    assert "genai/mistralai" not in said
