# SPDX-License-Identifier: Apache-2.0
"""What OpenTelemetry's context says about a call: whether it is to be recorded, and inside what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context

if TYPE_CHECKING:
    from ._agent_runs import Run
    from ._spans import Call

# The SDK object of a call, and the keyword arguments.
Called = tuple[object, Mapping[str, Any]]
# The call that is under way in this context: who is called by it has no span of its own.
CALL: Final = otel_context.create_key("mistralai-call")
# The agent loop that runs in this context.
RUN: Final = otel_context.create_key("mistralai-run")
# What `suppress_instrumentation` and the GenAI frameworks set.
_SUPPRESSED: Final = "suppress_instrumentation"
_MODELS_SUPPRESSED: Final = "suppress_language_model_instrumentation"


def context_for(owner: object, kwargs: Mapping[str, Any]) -> Context | None:
    """The context in which a call of this object gets its span, None where it gets none.

    It gets none if the caller, or a framework, asked for no telemetry; nor where it is the call
    that is under way, which comes here twice when another library holds an older wrapper of ours.
    Another call of the same object, from an event hook of the caller's, has its own arguments.
    """
    context = otel_context.get_current()
    if context:
        call: Any = context.get(CALL)
        if call is not None and _is_again(call.called, owner, kwargs):
            return None
        if context.get(_SUPPRESSED) or context.get(_MODELS_SUPPRESSED):
            return None
    return context


def _is_again(called: Called | None, owner: object, kwargs: Mapping[str, Any]) -> bool:
    return (
        called is not None
        and called[0] is owner
        and called[1].keys() == kwargs.keys()
        and all(value is kwargs[name] for name, value in called[1].items())
    )


def call_under_way() -> Call | None:
    """The call whose request is being made in this context, None outside of one."""
    call: Any = otel_context.get_value(CALL)
    return call if call is not None and call.called is not None else None


def run_under_way(context: Context | None = None) -> Run | None:
    """The agent loop that runs in this context, None outside of one."""
    context = otel_context.get_current() if context is None else context
    run: Any = context.get(RUN)
    return run if run is not None and run.under_way else None


def give_back(token: Any) -> None:
    """Detaches what was attached, without a word where there is nothing to detach from.

    `context.detach` logs an error when the SDK's coroutine is closed from another context than it
    ran in.
    """
    try:
        token.var.reset(token)
    except ValueError:
        pass
    except AttributeError:
        # OTEL_PYTHON_CONTEXT names something else than contextvars.
        otel_context.detach(token)
