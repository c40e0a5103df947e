# SPDX-License-Identifier: Apache-2.0
"""Whether this thread is inside the telemetry's own code, and may hold one of its locks.

A generator of the caller's with a stream in it may be collected at any allocation, and closes the
stream then; inside OpenTelemetry's locks, to end a span there deadlocks. That a ``close()`` comes
from the collector cannot be seen, and a callback in ``gc.callbacks`` that would tell swallows the
signals that arrive while the collector runs. But the locks can only be held by frames of this very
thread, and these can be seen: 40 ns each, when a stream is left early and never else.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final

_SDK: Final = "opentelemetry.sdk"
# Packages of providers that are not OpenTelemetry's own.
_packages: Final[set[str]] = set()


def note_provider(provider: object) -> None:
    """Notes whose code may hold locks: the package that a provider's class is in."""
    root, _, rest = type(provider).__module__.partition(".")
    name = f"{root}.{rest.partition('.')[0]}" if root == "opentelemetry" else root
    if name != _SDK and len(_packages) < 16:
        _packages.add(name)


def may_hold_a_lock() -> bool:
    """Whether a frame of OpenTelemetry's SDK, or of a provider's class, is on this stack."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] -- `logging` does so
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if isinstance(name, str):
            if name.startswith(_SDK):
                return True
            if _packages and _is_of_a_provider(name, frame):
                return True
        frame = frame.f_back
    return False


def _is_of_a_provider(name: str, frame: FrameType) -> bool:
    package = next((own for own in _packages if name == own or name.startswith(f"{own}.")), None)
    # Of a provider that a program defines for itself, only the methods are the provider's.
    return package is not None and frame.f_code.co_varnames[:1] in (("self",), ("cls",))
