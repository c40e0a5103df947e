# SPDX-License-Identifier: Apache-2.0
"""Reads from OpenTelemetry's context whether a call is recorded, and inside which other call."""

from __future__ import annotations

from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN
from opentelemetry.trace.propagation import set_span_in_context

# A pair of the SDK object and the method's description, which each wrapper makes for itself.
Called = tuple[object, object]
# This key holds the call that is under way in this context: the calls it makes get no span.
CALL: Final = otel_context.create_key("mistralai-call")
# This key holds the agent loop that runs in this context.
RUN: Final = otel_context.create_key("mistralai-run")
# The API keeps this key, under which a context has its span, to itself. With it, a context with a
# span takes one dict instead of two, and no function call.
SPAN: Final = next(iter(set_span_in_context(INVALID_SPAN, Context())))
# `suppress_instrumentation` sets the first of these keys, the GenAI frameworks the second.
_SUPPRESSED: Final = "suppress_instrumentation"
_MODELS_SUPPRESSED: Final = "suppress_language_model_instrumentation"


def context_for(owner: object, method: object) -> Context | None:
    """Returns the context for the span of a call of this object's method, None for no span.

    It returns None if the caller, or a framework, asked for no telemetry; and if this is the call
    already under way, which comes here twice when another library holds an older wrapper of ours.
    """
    context = otel_context.get_current()
    if context:
        call: Any = context.get(CALL)
        if call is not None and call.called is not None:
            at, by = call.called
            # A wrapper from another `instrument` has an equal description that is another object.
            # The same object means a new call, made by an event hook or a task meanwhile.
            if at is owner and by is not method and by == method:
                return None
        if context.get(_SUPPRESSED) or context.get(_MODELS_SUPPRESSED):
            return None
    return context


def detach(token: Any) -> None:
    """Detaches a context, without logging if it was attached elsewhere.

    `context.detach` logs an error when the SDK's coroutine is closed from another context than it
    ran in.
    """
    if token is None:
        return
    try:
        token.var.reset(token)
    except (ValueError, RuntimeError):
        # The token is from another context, or was used before an interrupt.
        pass
    except AttributeError:
        # OTEL_PYTHON_CONTEXT names another implementation than contextvars.
        otel_context.detach(token)
