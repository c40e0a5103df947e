# SPDX-License-Identifier: Apache-2.0
"""The viewers: started with the command of their page, sent conversations, and asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.request import Request

from tests.support.servers import START_SECONDS, Server, free_ports, launch, running
from tests.viewers.pages import ROOT, Page

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

# A viewer imports for half a minute of CPU time and makes a database before it answers: on a busy
# machine 4 minutes were not enough.
_START_SECONDS: Final = 5 * START_SECONDS
_CAPTURE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_PROGRAM: Final = "tests.viewers.program"


class Viewer(Server):
    """A running viewer: what it is sent, and what its API answers."""

    health: str
    into: str

    def __init__(
        self, process: subprocess.Popen[bytes], page: Page, port: int, folder: Path
    ) -> None:
        """Takes charge of a process that has just been started."""
        super().__init__(process, folder / "viewer.log")
        self.page, self.port = page, port
        self.url = f"http://127.0.0.1:{port}"

    def wait_until_it_answers(self) -> None:
        """Returns when it says that it is well."""
        self.poll(lambda: self.fetch(Request(f"{self.url}{self.health}")), _START_SECONDS)  # noqa: S310

    def send(self, into: str, *, content: bool, recipe: str = "") -> None:
        """Holds conversations, and returns when all of it was sent.

        Args:
            into: the experiment or project that gets them.
            content: whether it is told what was said.
            recipe: one of ``examples.viewers.recipes``.
        """
        endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
        path = ""
        if recipe[:1].isupper():
            # The recipe is the exporter: the demo must not send all a second time.
            endpoint, path = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "/v1/traces"
        sent = {endpoint: self.url + path, "OTEL_EXPORTER_OTLP_HEADERS": f"{self.into}={into}"}
        if content:
            sent[_CAPTURE] = "span_only"
        _run([sys.executable, "-m", _PROGRAM, *([recipe] if recipe else [])], sent)

    def send_as_told(self) -> None:
        """Sends the demo's conversations with the command of the page."""
        demo = f"{sys.executable} -m examples.quickstart"
        assert "-m examples.quickstart" in (ROOT / "Makefile").read_text()
        _run(["bash", "-c", self.page.sent_to(self.port, demo)], {})

    def ask(self, path: str, question: Mapping[str, Any] | None = None) -> Any:
        """The answer's JSON; with a question it is posted."""
        data = None if question is None else json.dumps(question).encode()
        request = Request(f"{self.url}{path}", data, {"Content-Type": "application/json"})  # noqa: S310
        answer = self.fetch(request)
        return None if answer is None else json.loads(answer)


def _run(command: list[str], added: Mapping[str, str]) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    # A viewer loads its prices when the first span comes: on a busy machine it answers late.
    waits = {"OTEL_EXPORTER_OTLP_TIMEOUT": "120"}
    environment = {**kept, **waits, "MISTRAL_API_KEY": "", **added}
    done = subprocess.run(  # noqa: S603 -- ours
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@contextmanager
def run_viewer(kind: type[Viewer], name: str, folder: Path) -> Generator[Any]:
    """Runs a viewer as its page says, but for the port, until the block is left.

    Args:
        kind: its class.
        name: its page.
        folder: where it may write.
    """
    page = Page(name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def start() -> Viewer:
        port, other = free_ports(2)
        # Phoenix listens for gRPC, too, on a port that somebody may have; HOME has its database.
        taken = {"PATH": path, "HOME": str(folder), "PHOENIX_GRPC_PORT": str(other)}
        # The shell becomes the viewer, which can then be stopped.
        shell = ["bash", "-c", f"cd '{folder}' && exec env {page.served_on(port)}"]
        process = launch(shell, folder / "viewer.log", {**os.environ, **taken})
        return kind(process, page, port, folder)

    with running(start) as viewer:
        yield viewer
