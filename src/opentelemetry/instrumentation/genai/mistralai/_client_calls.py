# SPDX-License-Identifier: Apache-2.0
"""What a call of the API begins with, and what becomes of its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context

from . import _guard
from . import _semconv as s
from ._calls import give_up
from ._content import Content
from ._context import RUN, run_under_way
from ._recording import Ending
from ._requests import locate
from ._spans import Call
from ._streams import observe, stream_classes

if TYPE_CHECKING:
    from ._surface import Surface
    from ._telemetry import Telemetry


def begin_call(
    surface: Surface,
    telemetry: Telemetry,
    owner: object,
    kwargs: Mapping[str, Any],
    context: Context,
) -> Call:
    """Starts the span of a call, and makes it current."""
    request = surface.request(kwargs)
    locate(request, owner, kwargs)
    if surface.streamed or (surface.streamed is None and kwargs.get("stream") is True):
        request.attributes[s.REQUEST_STREAM] = True
    run = run_under_way(context) if RUN in context else None
    if run is not None:
        run.requests += 1
    call = Call(telemetry, request, owner, context)
    try:
        if call.clean is not None:
            _read_content(surface, call, kwargs)
        call.enter(context, kwargs)
    except BaseException:
        # An interrupt, or the user's hook wants to exit: the call is not made.
        give_up(call)
        raise
    return call


def _read_content(surface: Surface, call: Call, kwargs: Mapping[str, Any]) -> None:
    call.content = Content([], [], [])
    try:
        if call.clean is not None:
            call.content = surface.content(kwargs, call.clean)
    except Exception as exc:  # noqa: BLE001 -- objects of the user's; the call is recorded without
        _guard.report("read content", exc)


def call_returned(surface: Surface, call: Call, result: Any) -> Any:
    """Hands the result of a call to its recorder; the caller gets it as it is."""
    if type(result) in stream_classes or isinstance(result, tuple(stream_classes)):
        observe(result, surface.recorder(call))
    elif not surface.streamed:
        surface.recorder(call).on_response(result)
    else:
        _guard.say_once(
            "%s.%s returned no stream of the SDK, so its span ended with the call: is it wrapped by"
            " another library?",
            surface.cls,
            surface.method,
        )
        call.end(Ending(closing=result))
    return result
