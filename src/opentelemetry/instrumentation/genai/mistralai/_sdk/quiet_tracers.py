# SPDX-License-Identifier: Apache-2.0
"""Keeps the SDK's modules from starting spans of their own inside an agent loop of ours.

Around agent loops and their tools the SDK always makes spans, from tracers that its modules hold.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry.trace import INVALID_SPAN

from .loops import run_under_way

if TYPE_CHECKING:
    _Proxy = wrapt.ObjectProxy[Any]
else:
    # Before wrapt 2.0, `ObjectProxy` takes no type argument.
    _Proxy = wrapt.ObjectProxy


class QuietTracer(_Proxy):
    """Replaces one of the SDK's tracers, and starts no spans inside an agent loop of ours."""

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        """Returns a context manager, as `Tracer` does."""
        if run_under_way() is not None:
            return nullcontext(INVALID_SPAN)
        return self.__wrapped__.start_as_current_span(*args, **kwargs)


class QuietTrace(_Proxy):
    """Replaces the module ``opentelemetry.trace`` inside one of the SDK's modules."""

    def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
        """Returns a `QuietTracer`."""
        return QuietTracer(self.__wrapped__.get_tracer(*args, **kwargs))
