# SPDX-License-Identifier: Apache-2.0
"""gunicorn with greenlets and with threads, loaded before or after the fork, told in each way."""

from __future__ import annotations

import re
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.support import names as s
from tests.support.systems import needs_posix
from tests.workers.processes import ANSWERS, OUTCOMES, SCOPE, ended, started, told

if TYPE_CHECKING:
    from emulator import Emulator
    from tests.zero_code.receiver import Receiver

pytestmark = needs_posix

_http: Final = build_opener(ProxyHandler({}))
_LISTENING: Final = re.compile(r"Listening at: (\S+)")
PATHS: Final = [*list(ANSWERS) * 3, "/keep", *["/complete", "/read"] * 5]
PATCH_ALL: Final = {"OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH": "patch_all"}
# How the plugin comes into the process: not at all, by the application, by zero-code
# instrumentation, and by that after it has patched everything itself.
TOLD: Final[dict[str, tuple[list[str], dict[str, str]]]] = {
    "bare": ([], {}),
    "application": ([], {"APP_INSTRUMENTS": "1"}),
    "zero-code": (["opentelemetry-instrument"], {}),
    "zero-code, patched first": (["opentelemetry-instrument"], PATCH_ALL),
}
ANSWER_SECONDS: Final = 30.0
STOP_SECONDS: Final = 20.0


def url_of(folder: Path) -> str:
    """Where gunicorn listens, once it does."""
    deadline = monotonic() + 60
    while (found := _LISTENING.search((folder / "stderr").read_text())) is None:
        assert monotonic() < deadline, told(folder)
        sleep(0.05)
    return found[1]


def ask_all(url: str, folder: Path) -> None:
    """Asks in each way, eight at a time; each is answered, and rightly."""

    def ask(path: str) -> str:
        with _http.open(f"{url}{path}", timeout=ANSWER_SECONDS) as response:
            return str(response.read().decode())

    with ThreadPoolExecutor(8) as callers:
        try:
            answers = list(callers.map(ask, PATHS))
        except OSError as exc:
            raise AssertionError(f"{exc!r}; gunicorn says:\n{told(folder)}") from exc
    assert answers == [ANSWERS[path] for path in PATHS]


@pytest.mark.parametrize("told_by", TOLD)
@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
@pytest.mark.parametrize("kind", ["gevent", "gthread"])
def test_workers_answer_and_export_and_end(
    emulator: Emulator, receiver: Receiver, tmp_path: Path, kind: str, preload: bool, told_by: str
) -> None:
    if kind == "gthread" and told_by == "zero-code, patched first":
        pytest.skip("threads under a patched master are greenlets: the case of gevent")
    if preload and told_by == "bare":
        pytest.skip("bare without preload is what the others are compared with")
    prefix, variables = TOLD[told_by]
    command = [*prefix, "gunicorn", "--no-control-socket", "-k", kind, "--workers", "2"]
    command += ["--threads", "4", "--graceful-timeout", "10", "--bind", "127.0.0.1:0"]
    # On a busy machine a worker was once killed by gunicorn while it was only slow.
    command += ["--timeout", "100"]
    command += ["--preload"] if preload else []
    with started(
        [*command, "tests.workers.web_app:app"],
        tmp_path,
        MISTRAL_SERVER_URL=emulator.url,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        **variables,
    ) as gunicorn:
        ask_all(url_of(tmp_path), tmp_path)
        gunicorn.send_signal(signal.SIGTERM)
        assert ended(gunicorn, tmp_path, STOP_SECONDS) == 0, told(tmp_path)
    spans = Counter(span.attributes.get(s.STREAM_OUTCOME) for span in receiver.spans_in(SCOPE))
    assert spans == ({} if told_by == "bare" else Counter(OUTCOMES[path] for path in PATHS))
    said = (tmp_path / "stderr").read_text()
    # Without us, OpenTelemetry's own export threads complain when their greenlets are killed.
    assert "telemetry failed" not in said
    assert "genai/mistralai" not in said
