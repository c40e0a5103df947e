# SPDX-License-Identifier: Apache-2.0
"""The SDK under test, whichever line it is, and what that line can and cannot do."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

VERSION: Final = tuple(int(part) for part in version("mistralai").split(".")[:3])
ROOT: Final = "mistralai.client" if VERSION >= (2,) else "mistralai"
Mistral: Any = importlib.import_module(ROOT).Mistral
HTTP: Final = "httpx2" if VERSION >= (3,) else "httpx"
httpx: Any = importlib.import_module(HTTP)
EVENTSTREAMING: Final = f"{ROOT}.utils.eventstreaming"
CONVERSATIONS: Final = f"{ROOT}.conversations"

# Before 2.10 a known event that the model rejects ends the stream; later it arrives as UNKNOWN.
REJECTED_EVENT_RAISES: Final = VERSION < (2, 10)
# Before 2.0 an unknown event ends the stream.
UNKNOWN_EVENT_RAISES: Final = VERSION < (2,)
# Before 2.1 an event without data ends the stream.
EMPTY_EVENT_RAISES: Final = VERSION < (2, 1)
STREAM_HAS_CLOSE: Final = VERSION >= (2, 10)
# Versions that start a span of their own for a request once a global tracer provider is set.
TRACES_BY_DEFAULT: Final = (1, 10) <= VERSION < (2, 4, 10)

VALIDATION_ERROR: Final = "pydantic_core._pydantic_core.ValidationError"
RESPONSE_ERROR: Final = "mistralai.ResponseValidationError"
UNPARSABLE: Final = RESPONSE_ERROR if VERSION >= (2, 10) else VALIDATION_ERROR
NOT_JSON: Final = "ValueError" if VERSION < (2,) else UNPARSABLE


def retries() -> Any:
    """A retry configuration with next to no waiting."""
    utils = importlib.import_module(f"{ROOT}.utils")
    return utils.RetryConfig("backoff", utils.BackoffStrategy(1, 2, 1.0, 3_000), False)  # noqa: FBT003 -- SDK


def has_module(name: str) -> bool:
    """Whether this SDK has a module, such as ``_hooks.traceparent``."""
    return find_spec(f"{ROOT}.{name}") is not None
