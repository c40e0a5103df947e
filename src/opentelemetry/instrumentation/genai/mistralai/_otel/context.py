# SPDX-License-Identifier: Apache-2.0
"""What OpenTelemetry's context says about a call: whether it is to be recorded, and inside what."""

from __future__ import annotations

from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN
from opentelemetry.trace.propagation import set_span_in_context

# The SDK object of a call, and which method of it as which wrapper describes it.
Called = tuple[object, object]
# The call that is under way in this context: who is called by it has no span of its own.
CALL: Final = otel_context.create_key("mistralai-call")
# The agent loop that runs in this context.
RUN: Final = otel_context.create_key("mistralai-run")
# Where a context has its span, which the API keeps to itself. Set here, one dict is made and not
# two, and no function is called.
SPAN: Final = next(iter(set_span_in_context(INVALID_SPAN, Context())))
# What `suppress_instrumentation` and the GenAI frameworks set.
_SUPPRESSED: Final = "suppress_instrumentation"
_MODELS_SUPPRESSED: Final = "suppress_language_model_instrumentation"


def context_for(owner: object, method: object) -> Context | None:
    """The context in which a call of this object's method gets its span, None where it gets none.

    It gets none if the caller, or a framework, asked for no telemetry; nor where it is the call
    that is under way, which comes here twice when another library holds an older wrapper of ours.
    """
    context = otel_context.get_current()
    if context:
        call: Any = context.get(CALL)
        if call is not None and call.called is not None:
            at, by = call.called
            # Wrappers that were put in at another time have a description of their own. The very
            # same one is a new call of the caller's, made by an event hook or a task meanwhile.
            if at is owner and by is not method and by == method:
                return None
        if context.get(_SUPPRESSED) or context.get(_MODELS_SUPPRESSED):
            return None
    return context


def detach(token: Any) -> None:
    """Detaches what was attached, without a word where there is nothing to detach from.

    `context.detach` logs an error when the SDK's coroutine is closed from another context than it
    ran in.
    """
    if token is None:
        return
    try:
        token.var.reset(token)
    except (ValueError, RuntimeError):
        # From another context; or a second time, after an interrupt in the first.
        pass
    except AttributeError:
        # OTEL_PYTHON_CONTEXT names something else than contextvars.
        otel_context.detach(token)
