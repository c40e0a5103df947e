# SPDX-License-Identifier: Apache-2.0
"""Where failures of the telemetry itself go: one log line for each kind, then silence."""

from __future__ import annotations

import logging
from typing import Final

_logger: Final = logging.getLogger("opentelemetry.instrumentation.genai.mistralai")
_reported: Final[set[tuple[str, str]]] = set()
# A hostile hook could raise a new class of exception each time; the set must not grow with it.
_MAX_KINDS: Final = 256


def report(where: str, exc: BaseException) -> None:
    """Logs the first failure of a kind as a warning; later ones of that kind are dropped.

    The line has the exception's class and place but not its text, and no traceback: both can
    repeat what the user wrote, and logs are exported too.
    """
    kind = type(exc).__qualname__
    place = exc.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    at = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "unknown place"
    if _first_of_its_kind(where, kind):
        _logger.warning("telemetry failed (%s): %s at %s", where, kind, at)


def say_once(message: str, *args: object) -> None:
    """Logs a warning unless it was logged before."""
    if _first_of_its_kind(message, str(args)):
        _logger.warning(message, *args)


def inform_once(message: str) -> None:
    """Logs what is no failure, for those who look for it, unless it was logged before."""
    if _first_of_its_kind(message, ""):
        _logger.info(message)


def forget() -> None:
    """Begins anew, when instrumentation is switched on again."""
    _reported.clear()


def debug(message: str, *args: object) -> None:
    """One line for those who look for it."""
    _logger.debug(message, *args)


def _first_of_its_kind(where: str, kind: str) -> bool:
    key = (where, kind)
    if key in _reported or len(_reported) >= _MAX_KINDS:
        return False
    _reported.add(key)
    return True
