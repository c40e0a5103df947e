# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a real browser without a window."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.support.servers import without

# Chromium otherwise calls its maker's servers, or waits for graphics that are not there.
_FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path; without it the tests skip, in CI they fail."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        without("no Chromium: get one with `make chromium`, or set CHROMIUM to its path")
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """One browser for all tests, without a window."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield launched
        await launched.close()
