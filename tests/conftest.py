# SPDX-License-Identifier: Apache-2.0
"""What would make every test slow, done once."""

from __future__ import annotations

import gc
import ssl
from typing import Any

# Each HTTP client loads the system's certificates, which takes 40 ms, and no test needs any.
_certificates = ssl.create_default_context()


def _already_loaded(*_args: Any, **_options: Any) -> ssl.SSLContext:
    return _certificates


def pytest_configure() -> None:
    """Before the first test."""
    ssl.create_default_context = _already_loaded


def pytest_collection_finish() -> None:
    """When all modules are imported: the many collections of the tests need not look at them."""
    gc.collect()
    gc.freeze()
