# SPDX-License-Identifier: Apache-2.0
"""The spans that the SDK makes by itself, and what it sends of them."""

from __future__ import annotations

from typing import Any

from emulator import Emulator
from tests.support import sdk

NATIVE = "mistralai_sdk_tracer"
ASKED = {"MISTRAL_SDK_TELEMETRY": "global"}


def traces(environment: dict[str, str]) -> bool:
    """Whether this line of the SDK would have a span of its own, and send ``traceparent``."""
    return sdk.TRACES_BY_DEFAULT or (bool(environment) and sdk.VERSION >= (2, 4, 10))


def sent(emulator: Emulator) -> list[str | None]:
    """The trace and span ids of each request's ``traceparent``."""
    headers = [request.headers.get("traceparent") for request in emulator.requests]
    return [header and header[3:-3] for header in headers]


def ids(span: dict[str, Any]) -> str:
    """A span's ids as in ``traceparent``."""
    return f"{span['trace']}-{span['id']}"
