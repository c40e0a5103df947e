# SPDX-License-Identifier: Apache-2.0
"""Detects whether this thread is inside OpenTelemetry's code, and may hold one of its locks.

A caller's generator with a stream in it may be collected at any allocation, and closes the stream
then; if that happens inside OpenTelemetry's locks, ending a span there deadlocks. A ``close()``
cannot see that it comes from the collector. A callback in ``gc.callbacks`` could tell, but it
swallows the signals that arrive while the collector runs. Only frames of this very thread can hold
the locks, so these are looked at: 40 ns each, only when a stream is left early.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final

_SDK: Final = "opentelemetry.sdk"
# Another vendor's provider has locks, too. Without its package in this set, a span that is ended
# inside one of them would deadlock.
_packages: Final[set[str]] = set()


def note_provider(provider: object) -> None:
    """Notes the package of a provider's class: its code may hold locks, too."""
    root, _, rest = type(provider).__module__.partition(".")
    name = f"{root}.{rest.partition('.')[0]}" if root == "opentelemetry" else root
    if name != _SDK and len(_packages) < 16:
        _packages.add(name)


def may_hold_a_lock() -> bool:
    """Returns whether a frame of OpenTelemetry's SDK, or of a provider, is on this stack."""
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
    # A program may define a provider in its own package: only methods count there, else each
    # function of the program would.
    return package is not None and frame.f_code.co_varnames[:1] in (("self",), ("cls",))
