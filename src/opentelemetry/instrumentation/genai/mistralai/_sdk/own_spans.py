# SPDX-License-Identifier: Apache-2.0
"""Keeps the SDK's own spans from doubling ours.

mistralai starts a span of its own for a request from 1.10 to 2.4.9 whenever a global tracer
provider is set, later when ``MISTRAL_SDK_TELEMETRY`` asks for it. It has no usage for conversation
streams, records the prompt unasked, and leaks when a stream is left early. Inside a call of ours
that request gets no span but our ``traceparent``, which the SDK would have sent too. Where the user
gave the client a provider of its own (`configure_telemetry`, `set_tracer_provider`,
``MISTRAL_SDK_TELEMETRY=dedicated``), the SDK does what it was told.

Around agent loops and their tools the SDK always has spans of its own, from tracers that its
modules hold. Inside a loop of ours these tracers start none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry import propagate
from opentelemetry.trace import INVALID_SPAN

from .. import _log
from .._otel.client_span import call_under_way
from .loops import run_under_way

if TYPE_CHECKING:
    _Proxy = wrapt.ObjectProxy[Any]
else:
    # Before 2.0 it takes no type.
    _Proxy = wrapt.ObjectProxy


def wrap_before_request(
    wrapped: Callable[..., Any], instance: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Around ``TracingHook.before_request``: notes which hook is asking, for the function below."""
    call = call_under_way()
    if call is not None:
        call.native_hook = instance
    try:
        return wrapped(*args, **kwargs)
    finally:
        if call is not None:
            call.native_hook = None


def wrap_traced_request(
    wrapped: Callable[..., Any], _instance: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Around ``get_traced_request_and_span``, which starts the SDK's span for a request."""
    call = call_under_way()
    hook = call.native_hook if call is not None else None
    request = kwargs.get("request")
    # The hook looks its provider up just before, so this is the one that it would use.
    elsewhere = getattr(hook, "tracer_provider", None) is not None
    if call is None or hook is None or request is None or elsewhere:
        return wrapped(*args, **kwargs)
    if kwargs.get("tracing_enabled"):
        try:
            propagate.inject(request.headers)
        except Exception as exc:  # noqa: BLE001 -- the request is sent, with the header or without
            _log.report("inject traceparent", exc)
    return request, None


class QuietTracer(_Proxy):
    """One of the SDK's tracers, that starts no spans inside an agent loop of ours."""

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        """A context manager, as that of `Tracer`."""
        if run_under_way() is not None:
            return nullcontext(INVALID_SPAN)
        return self.__wrapped__.start_as_current_span(*args, **kwargs)


class QuietTrace(_Proxy):
    """The module ``opentelemetry.trace``, as one of the SDK's modules sees it."""

    def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
        """A `QuietTracer`."""
        return QuietTracer(self.__wrapped__.get_tracer(*args, **kwargs))
