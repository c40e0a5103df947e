# SPDX-License-Identifier: Apache-2.0
"""Describes an exception: its class and frames, and its message only while content is captured.

The attributes are those of
https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/.
"""

from __future__ import annotations

import re
import traceback
from typing import Final

from .. import _log
from .. import _names as s
from .._reading.errors import Failure
from .cleaning import clean_spellings
from .structure import Clean

_MARGIN: Final = re.compile(r"^ *\| ?", re.MULTILINE)


def describe(cause: BaseException | Failure, clean: Clean | None) -> dict[str, str]:
    """Makes the attributes of an exception event.

    Args:
        cause: the exception, or a failure, which may have none.
        clean: the function that cleans a text, which returns None for a text that must not be
            recorded; None while content is not captured.

    Returns:
        Without ``clean``, an exception's type and frames, but no message, no source lines and
        no chained exceptions: all of these can repeat what the user wrote. With it, everything. A
        failure without an exception has the message of its error event, or nothing.
    """
    if isinstance(cause, Failure):
        if cause.exception is not None:
            return describe(cause.exception, clean)
        message = clean(cause.message) if clean is not None and cause.message else None
        return {} if message is None else {s.EXCEPTION_MESSAGE: message}
    kind = type(cause)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    described = {s.EXCEPTION_TYPE: f"{module}{kind.__qualname__}"}
    if clean is None:
        frames = traceback.walk_tb(cause.__traceback__)
        described[s.EXCEPTION_STACKTRACE] = "".join(
            f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_name}\n'
            for frame, line in frames
        )
        return described
    trace = "".join(traceback.format_exception(cause))
    # The trace of an exception group puts a margin before each line of a message: a pattern that
    # spans two lines would not match there.
    texts = {
        s.EXCEPTION_MESSAGE: clean(_text_of(cause)),
        s.EXCEPTION_STACKTRACE: clean_spellings(clean, trace, _MARGIN.sub("", trace)),
    }
    described.update((key, text) for key, text in texts.items() if text is not None)
    return described


def _text_of(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception as failure:  # noqa: BLE001 -- the caller's class may raise anything
        _log.let_signals_pass(failure)
        return ""
