# SPDX-License-Identifier: Apache-2.0
"""The document's commands, run as they stand, end at a page in a browser that answers."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.prometheus.document import DOCUMENT, queries
from tests.prometheus.program import run_program
from tests.prometheus.server import CONFIG, RULES, Prometheus, write_config
from tests.support.browsers import browser, chromium
from tests.support.servers import ANSWER_SECONDS, free_ports, launch, running
from tests.support.strict import STRICT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.async_api import Browser, ConsoleMessage

__all__ = ["browser", "chromium"]

ROOT = Path(__file__).parents[2]
_SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
_MS = 1000 * ANSWER_SECONDS


def command() -> str:
    """What the document says to start Prometheus with."""
    [found] = [block for block in _SHELL.findall(DOCUMENT.read_text()) if "make -s" in block]
    return str(found)


@pytest.fixture
def documented(binary_path: Path, tmp_path: Path) -> Iterator[Prometheus]:
    """Prometheus, started as the document says, on another port and with another target."""
    assert binary_path.exists()
    config, port = "examples/prometheus/prometheus.yml", "127.0.0.1:9090"
    assert (ROOT / config) == CONFIG
    given = command()
    assert given.count(config) == given.count(port) == 1
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    log = tmp_path / "prometheus.log"
    with run_program("default") as program:
        program.wait_until_held()
        written = write_config(tmp_path, program.target)

        def start() -> Prometheus:
            (free,) = free_ports(1)
            asked = given.replace(config, str(written)).replace(port, f"127.0.0.1:{free}")
            # The shell becomes Prometheus, which can then be stopped.
            shell = ["bash", "-c", f"cd '{ROOT}' && exec {asked}"]
            return Prometheus(launch(shell, log, environment), free, log)

        with running(start) as started:
            yield started


@pytest.mark.asyncio(loop_scope="session")
async def test_the_page_answers_in_the_browser(documented: Prometheus, browser: Browser) -> None:
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    title = "Tokens since the programs started"
    documented.poll(lambda: documented.query(queries("default")[title]) or None)
    page = await browser.new_page()
    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(error.message))
    page.on("requestfailed", lambda request: complaints.append(request.url))

    answer = await page.goto(f"{documented.url}/graph")
    assert answer is not None
    assert answer.status == 200
    await page.locator("textarea[name=expr]").fill(queries("default")[title])
    await page.get_by_role("button", name="Execute").click()
    # What the model of the agent loop has read and written.
    row = page.get_by_role("row").filter(has_text="mistral-small-latest")
    await expect(row).to_contain_text("117", timeout=_MS)

    await page.get_by_role("link", name="Alerts").click()
    for alert in re.findall(r"- alert: (\w+)", RULES[1].read_text()):
        await expect(page.get_by_text(alert).first).to_be_visible(timeout=_MS)
    await page.close()
    # Debian's popper.js is a module that its pages load as a script: their menu does not drop down.
    assert set(complaints) <= {"Unexpected token 'export'"}


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(  # noqa: S603 -- ours
            [sys.executable, *STRICT, "-m", "examples.prometheus"],
            cwd=ROOT,
            env={**os.environ, "OTEL_EXPORTER_PROMETHEUS_PORT": port},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"examples.prometheus: 127.0.0.1:{port}: Address already in use; "
        "OTEL_EXPORTER_PROMETHEUS_PORT chooses another port\n"
    )
