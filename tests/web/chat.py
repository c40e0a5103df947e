# SPDX-License-Identifier: Apache-2.0
"""The example's server, started as a user starts it, and its page in a browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from playwright.async_api import Page, expect

from tests.support.strict import STRICT

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from playwright.async_api import Locator

    from tests.jaeger.server import Jaeger

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 180.0
_STOP_SECONDS = 60.0
_PAUSE_SECONDS = 0.02
# Also the first answer on a busy machine: the SDK makes its models when they are first used.
_ANSWER_MS = 180_000


@dataclass(frozen=True)
class Chat:
    """A running server: its address, and what it writes."""

    url: str
    log: Path

    def complaints(self) -> list[str]:
        """The lines of its log that do not say that all is well."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if not line.startswith("INFO:")]


NewPage = Callable[[Chat], Awaitable[Page]]


@dataclass(frozen=True)
class Answer:
    """What the page shows of a question's answer when it is over."""

    state: str
    text: str
    tool: str
    why: str
    trace_id: str
    link: str
    conversation_id: str


async def ask(page: Page, question: str, scenario: str = "") -> Locator:
    """Types a question and sends it.

    Args:
        page: of the example, loaded.
        question: any text.
        scenario: what the emulator does; nothing: what the API would.

    Returns:
        The element that the answer streams into.
    """
    await page.locator("select").select_option(scenario)
    await page.get_by_role("textbox").fill(question)
    asked_before = await page.locator("article").count()
    await page.get_by_role("button", name="Send").click()
    return page.locator("article").nth(asked_before)


async def begun(article: Locator) -> str:
    """Waits until an answer has begun to stream in, and returns its trace id."""
    await expect(article.locator(".answer")).not_to_be_empty(timeout=_ANSWER_MS)
    return await article.get_by_role("link").text_content() or ""


async def read(article: Locator) -> Answer:
    """Waits until the answer is over, and reads it."""
    await expect(article).not_to_have_attribute("data-state", "asked", timeout=_ANSWER_MS)
    link = article.get_by_role("link")
    return Answer(
        state=await article.get_attribute("data-state") or "",
        text=await _text(article, ".answer"),
        tool=await _text(article, ".tool"),
        why=await _text(article, ".failed"),
        trace_id=await link.text_content() or "",
        link=await link.get_attribute("href") or "",
        conversation_id=await article.get_attribute("data-conversation") or "",
    )


async def _text(article: Locator, selector: str) -> str:
    return await article.locator(selector).text_content() or ""


@contextmanager
def run_chat(jaeger: Jaeger, log: Path, environment: Mapping[str, str]) -> Generator[Chat]:
    """Runs the server on a free port until the block is left.

    Args:
        jaeger: where its spans go and its links lead.
        log: the file that gets what it writes.
        environment: what it has besides this process's.
    """
    sent = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": jaeger.otlp_url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "JAEGER_UI": jaeger.query_url,
        # A log line that waits in a buffer would be looked for in vain.
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, *STRICT, "-m", "examples.fastapi_chat", "--port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=_ROOT,
            env={**os.environ, **sent, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Chat(_address(process, log), log)
        process.send_signal(signal.SIGTERM)
        # uvicorn stops in order, and then lets the signal end the process.
        assert process.wait(_STOP_SECONDS) == -signal.SIGTERM
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = monotonic() + _START_SECONDS
    while True:
        written = log.read_text(encoding="utf-8")
        if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", written):
            return found[1]
        try:
            process.wait(_PAUSE_SECONDS)
        except subprocess.TimeoutExpired:
            if monotonic() < deadline:
                continue
        raise AssertionError(f"the server did not start: {written[-2000:]}")
