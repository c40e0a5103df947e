# SPDX-License-Identifier: Apache-2.0
"""The fixtures: a real Jaeger, the example's server, a real browser without a window."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
)

from tests.jaeger.server import Jaeger, jaeger
from tests.support.browsers import browser, chromium
from tests.web.chat import Chat, NewPage, run_chat

__all__ = ["browser", "chromium", "jaeger"]


@pytest.fixture(scope="session")
def chat(jaeger: Jaeger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    """The example, answered by its emulator; contents go into the spans, to tell them apart."""
    environment = {
        "MISTRAL_API_KEY": "",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only",
    }
    log = tmp_path_factory.mktemp("chat") / "server.log"
    with run_chat(jaeger, log, environment) as running:
        yield running
    # Its end is in the log, too.
    assert running.complaints() == []


@pytest.fixture(autouse=True)
def no_complaints(chromium: str, chat: Chat) -> Iterator[None]:  # noqa: ARG001 -- before the server
    """Fails a test during which the server logs anything of note."""
    before = len(chat.complaints())
    yield
    assert chat.complaints()[before:] == []


@pytest.fixture
def console() -> Iterator[list[str]]:
    """Fails a test in which a page complains in the browser's console; it may clear the list."""
    complaints: list[str] = []
    yield complaints
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def new_page(browser: Browser, console: list[str]) -> AsyncIterator[NewPage]:
    """Opens the example's page, each time as another user."""

    def on_console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            console.append(message.text)

    def on_error(error: Error) -> None:
        console.append(error.message)

    contexts: list[BrowserContext] = []

    async def open_page(chat: Chat) -> Page:
        context = await browser.new_context()
        contexts.append(context)
        page = await context.new_page()
        page.on("console", on_console)
        page.on("pageerror", on_error)
        await page.goto(chat.url)
        return page

    yield open_page
    for context in contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(new_page: NewPage, chat: Chat) -> Page:
    """The example's page, answered by the emulator."""
    return await new_page(chat)
