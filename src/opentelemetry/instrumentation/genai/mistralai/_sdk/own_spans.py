# SPDX-License-Identifier: Apache-2.0
"""Keeps the SDK's own span of a request from doubling ours.

mistralai starts a span of its own for a request from 1.10 to 2.4.9 whenever a global tracer
provider is set, later when ``MISTRAL_SDK_TELEMETRY`` asks for it. That span has no usage for
conversation streams, records the prompt unasked, and leaks when a stream is left early. Inside a
call of ours the request gets no SDK span but our ``traceparent``, which the SDK would have sent
too. If the user gave the client a provider of its own (`configure_telemetry`,
`set_tracer_provider`, ``MISTRAL_SDK_TELEMETRY=dedicated``), the SDK's span stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry import propagate

from .. import _log
from .._otel.client_span import call_under_way


def wrap_before_request(
    wrapped: Callable[..., Any], instance: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wraps ``TracingHook.before_request``: notes the hook, and counts attempts."""
    call = call_under_way()
    if call is not None:
        if call.exchange is None:
            # After an answer this is another request of the same call, which asks for a result.
            call.attempts += 1
        call.exchange = instance
    try:
        return wrapped(*args, **kwargs)
    finally:
        if call is not None:
            call.exchange = None


def wrap_traced_request(
    wrapped: Callable[..., Any], _instance: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wraps ``get_traced_request_and_span``, and keeps it from starting the SDK's span."""
    call = call_under_way()
    hook = call.exchange if call is not None else None
    request = kwargs.get("request")
    # A client with a provider of its own keeps the SDK's span: without this line that provider's
    # backend would lose it.
    elsewhere = getattr(hook, "tracer_provider", None) is not None
    if call is None or hook is None or request is None or elsewhere:
        return wrapped(*args, **kwargs)
    if kwargs.get("tracing_enabled"):
        try:
            propagate.inject(request.headers)
        except Exception as exc:  # noqa: BLE001 -- the request must be sent even without the header
            _log.report("inject traceparent", exc)
    return request, None


def wrap_after_success(
    wrapped: Callable[..., Any], _instance: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wraps ``TracingHook.after_success(context, response)``: notes the response's headers."""
    call = call_under_way()
    if call is not None:
        call.exchange = getattr(args[-1] if args else None, "headers", None)
    return wrapped(*args, **kwargs)
