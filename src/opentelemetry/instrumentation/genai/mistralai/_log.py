# SPDX-License-Identifier: Apache-2.0
"""Logs failures of the telemetry itself, once for each kind, and lets interrupts pass.

Each place that keeps a failure of ours from the user's call is a guard, and calls `report`. Every
guard must let through what a signal's handler raises while our code runs, even if that is a plain
``Exception`` (Celery's soft time limit is one): the signal is the user's.
"""

from __future__ import annotations

import logging
from inspect import CO_VARARGS
from itertools import pairwise
from types import CodeType, FrameType, TracebackType
from typing import Any, Final

_OURS: Final = "opentelemetry.instrumentation.genai.mistralai"
_logger: Final = logging.getLogger(_OURS)
_reported: Final[set[tuple[str, str]]] = set()
# A hostile hook could raise a new class of exception each time: the limit keeps the set small.
_MAX_KINDS: Final = 256


def report(where: str, exc: BaseException) -> None:
    """Logs the first failure of a kind as a warning; later ones of that kind are dropped.

    The line has the exception's class and place but not its text, and no traceback: both can
    repeat what the user wrote, and logs are exported too.

    Args:
        where: what failed, in this package's words.
        exc: the failure.

    Raises:
        BaseException: ``exc`` itself, if a signal's handler raised it.
    """
    let_signals_pass(exc)
    kind = type(exc).__qualname__
    if _first_of_its_kind(where, kind):
        place = exc.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        at = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "unknown place"
        _log(logging.WARNING, "telemetry failed (%s): %s at %s", where, kind, at)


def say_once(message: str, *args: object) -> None:
    """Logs a warning unless it was logged before."""
    if _first_of_its_kind(message, str(args)):
        _log(logging.WARNING, message, *args)


def inform_once(message: str) -> None:
    """Logs a line that is no failure at INFO, unless it was logged before."""
    if _first_of_its_kind(message, ""):
        _log(logging.INFO, message)


def debug(message: str, *args: object) -> None:
    """Logs one line at DEBUG."""
    _log(logging.DEBUG, message, *args)


def forget() -> None:
    """Forgets which lines were logged, when instrumentation is switched on again."""
    _reported.clear()


def let_signals_pass(exc: BaseException) -> None:
    """Raises ``exc`` again if a signal's handler raised it, Ctrl-C's default handler included."""
    if isinstance(exc, KeyboardInterrupt) or is_of_a_signal(exc.__traceback__):
        raise exc


def is_of_a_signal(traceback: TracebackType | None) -> bool:
    """Returns whether the frame of a signal's handler is in a traceback.

    The interpreter calls a handler with the interrupted frame as an argument, and that frame is
    also the handler's caller. So a handler is recognised even after it has replaced itself.
    """
    if traceback is None:
        return False
    handlers = _codes_of_handlers()
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code in handlers or _was_given_its_caller(frame):
            return True
        traceback = traceback.tb_next
    return False


def _codes_of_handlers() -> set[CodeType]:
    import signal

    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    return {code for handler in handlers if (code := _code_of(handler)) is not None}


def _code_of(handler: Any) -> CodeType | None:
    # A handler may be a function, a bound method, a partial, or a callable object.
    for _ in range(8):
        code = getattr(handler, "__code__", None)
        if isinstance(code, CodeType):
            return code
        inner = getattr(handler, "__func__", None) or getattr(handler, "func", None)
        if inner is None:
            kind: Any = handler.__class__
            found = getattr(getattr(kind, "__call__", None), "__code__", None)  # noqa: B004 -- it must be the class's method
            return found if isinstance(found, CodeType) else None
        handler = inner
    return None


def _was_given_its_caller(frame: FrameType) -> bool:
    """Returns whether a function was called as handlers are: with a number and its caller."""
    code, caller = frame.f_code, frame.f_back
    if code.co_argcount < 2 and not code.co_flags & CO_VARARGS:
        return False
    if str(frame.f_globals.get("__name__")).startswith(_OURS):
        # No handler is ours. Reading a guard's locals would keep them alive until the collector
        # runs, the exception and the caller's stream among them.
        return False
    given = [frame.f_locals.get(name) for name in code.co_varnames[: min(code.co_argcount, 3)]]
    if code.co_flags & CO_VARARGS:
        rest = frame.f_locals.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount])
        given += rest[:3] if isinstance(rest, tuple) else ()
    return any(type(number) is int and value is caller for number, value in pairwise(given))


def _log(level: int, message: str, *args: object) -> None:
    try:
        _logger.log(level, message, *args)
    except Exception as exc:  # noqa: BLE001 -- a log handler's failure cannot be logged
        let_signals_pass(exc)


def _first_of_its_kind(where: str, kind: str) -> bool:
    key = (where, kind)
    if key in _reported or len(_reported) >= _MAX_KINDS:
        return False
    _reported.add(key)
    return True
