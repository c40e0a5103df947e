# SPDX-License-Identifier: Apache-2.0
"""What would make every test slow, done once; and whose failures are told in detail."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import ssl
from typing import Any

import pytest

# Whoever runs the tests may export to a collector, or have OTEL_SDK_DISABLED set. Before the first
# import of OpenTelemetry, which reads some of these variables, and for all that the tests start.
for _name in [name for name in os.environ if name.startswith("OTEL_")]:
    del os.environ[_name]

# A shell has what it starts in the background ignore Ctrl-C, some supervisors SIGTERM, and so all
# that the tests start: one that interrupts or ends a program would wait for minutes.
signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

# They assert for the tests. Unless told, pytest says that one of them failed, and not on what.
pytest.register_assert_rewrite(
    "tests.support.completions",
    "tests.support.fake_completions",
    "tests.support.forgotten_calls",
    "tests.support.property_trees",
    "tests.support.raw_http",
)

# Each HTTP client loads the system's certificates, which takes 40 ms, and no test needs any.
_certificates = ssl.create_default_context()


def _already_loaded(*_args: Any, **_options: Any) -> ssl.SSLContext:
    return _certificates


def pytest_configure() -> None:
    """Before the first test."""
    ssl.create_default_context = _already_loaded
    # No test waits for the HTTP client's default of 5 seconds; on a busy machine some ran into it.
    for name in ("httpx", "httpx2"):
        with contextlib.suppress(ImportError):
            default = importlib.import_module(f"{name}._config").DEFAULT_TIMEOUT_CONFIG
            default.connect = default.read = default.write = default.pool = 60.0


def pytest_collection_finish() -> None:
    """When all modules are imported: the many collections of the tests need not look at them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_names_on_metrics() -> None:
    """Metrics have at most 100 names of a kind in a process; each test may have its own 100."""
    # Not above, where OpenTelemetry would still see the shell's variables.
    from opentelemetry.instrumentation.genai.mistralai._otel import metric_attributes, metric_names

    for names in metric_names.ALL:
        names.forget()
    metric_attributes.known.clear()
