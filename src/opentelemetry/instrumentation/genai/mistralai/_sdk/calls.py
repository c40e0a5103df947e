# SPDX-License-Identifier: Apache-2.0
"""What happens around one SDK call: start a span, make the call, hand its result on.

The wrappers are what wrapt puts in the place of the SDK's methods. Sync and async differ in one
``await``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from .. import _log
from .._otel.context import context_for
from .._otel.open_calls import OpenSpan, open_calls
from .._otel.telemetry import Switch, Telemetry
from .coroutines import Unawaited, is_coroutine, named_like
from .streams import leave

if TYPE_CHECKING:
    from opentelemetry.context import Context

Arguments = Mapping[str, Any]
_Anything = Callable[..., Any]
_Args = tuple[Any, ...]
# In the place of a result that there is none of yet.
_NOTHING: Final = object()


class Opened(OpenSpan, Protocol):
    """A call whose span is open, and current."""

    @property
    def recorder(self) -> object:
        """Who took charge of the call's result; None before that."""

    def detach(self) -> None:
        """Gives the caller's context back."""

    def fail(self, exc: BaseException) -> None:
        """Ends the span of a call that raised."""


class Method(Protocol):
    """A method of the SDK, of which `table` knows what it means."""

    def begin(
        self,
        telemetry: Telemetry,
        owner: object,
        args: _Args,
        kwargs: Arguments,
        context: Context,
        /,
    ) -> Opened:
        """Starts the span of a call and makes it current."""
        ...

    def returned(self, call: Any, result: Any, /) -> Any:
        """Hands the result of a call on; returns what the caller gets."""


def wrap_call(
    method: Method, wrapped: _Anything, instance: object, args: _Args, kwargs: Arguments
) -> Any:
    """Around a method that returns a stream or a response."""
    call, result = None, _NOTHING
    try:
        call = _begin(method, instance, args, kwargs)
        result = wrapped(*args, **kwargs)
        return result if call is None else _returned(call, method, result)
    except BaseException as exc:
        if call is not None:
            _stopped(call, method, result, exc)
        raise


def wrap_async_call(
    method: Method, wrapped: _Anything, instance: object, args: _Args, kwargs: Arguments
) -> Any:
    """Around the async twin; nothing happens before the caller awaits, as without us."""
    if _listening() is None:
        return wrapped(*args, **kwargs)
    try:
        # Called now, since a wrong argument is a TypeError now.
        coroutine = wrapped(*args, **kwargs)
    except Exception as exc:
        call = _begin(method, instance, args, kwargs)
        if call is not None:
            _stopped(call, method, _NOTHING, exc)
        raise
    if is_coroutine(coroutine):
        ours = _awaited(method, Unawaited(coroutine), instance, args, kwargs)
        return named_like(coroutine, ours)
    call = _begin(method, instance, args, kwargs)
    return coroutine if call is None else _returned(call, method, coroutine)


async def _awaited(
    method: Method, unawaited: Unawaited, instance: object, args: _Args, kwargs: Arguments
) -> Any:
    call, result = None, _NOTHING
    try:
        coroutine = unawaited.started()
        call = _begin(method, instance, args, kwargs)
        result = await coroutine
        return result if call is None else _returned(call, method, result)
    except BaseException as exc:
        if call is not None:
            _stopped(call, method, result, exc)
        raise


def _listening() -> Telemetry | None:
    """Where calls are recorded; None while instrumentation is off, or nobody listens."""
    telemetry = Switch.telemetry
    if telemetry is not None and not telemetry.listened_to:
        telemetry.look_for_listeners()
        return telemetry if telemetry.listened_to else None
    return telemetry


def _begin(method: Method, owner: object, args: _Args, kwargs: Arguments) -> Opened | None:
    """Starts the span of a call and makes it current; None where there is to be none."""
    telemetry = Switch.telemetry
    # Asked here at first, because a call of a function costs as much as all the rest of the look.
    if telemetry is None or not (telemetry.listened_to or _listening()):
        return None
    if owner is None:
        owner, args = _bound(owner, args)
    try:
        context = context_for(owner, method)
        return None if context is None else method.begin(telemetry, owner, args, kwargs, context)
    except Exception as exc:  # noqa: BLE001 -- the user's call is made, with a span or without
        _log.report("start a call", exc)
        return None


def _bound(instance: object, args: _Args) -> tuple[object, _Args]:
    """Whose method is called, and its other arguments."""
    # Another library may have taken our wrapper out of the class's __dict__: then nothing is bound.
    return (args[0], args[1:]) if instance is None and args else (instance, args)


def _stopped(call: Opened, method: Method, result: Any, exc: BaseException) -> None:
    """Ends a call that raised, or was interrupted after it had a result."""
    try:
        call.detach()
        if result is _NOTHING:
            call.fail(exc)
        elif call.recorder is None and call in open_calls:
            method.returned(call, result)
        else:
            call.dropped()
    except Exception as failure:  # noqa: BLE001 -- the caller gets its own exception, not ours
        give_up(call)
        _log.report("end a call", failure)


def _returned(call: Opened, method: Method, result: Any) -> Any:
    try:
        call.detach()
        return method.returned(call, result)
    except Exception as failure:  # noqa: BLE001 -- the caller gets its result all the same
        give_up(call)
        _log.report("hand a result over", failure)
        return result


def give_up(call: Opened) -> None:
    """Ends the span of a call that something went wrong with, as well as that is possible."""
    try:
        try:
            # With the call still in the caller's context, their next one would have no span.
            call.detach()
        finally:
            call.give_up()
    except Exception as exc:  # noqa: BLE001 -- somebody's provider; another thread tries once more
        open_calls.drop(call)
        _log.report("give a call up", exc)


def wrap_exit(wrapped: _Anything, instance: object, args: _Args, kwargs: Arguments) -> Any:
    """Around ``__exit__`` and ``close`` of ``EventStream``; only the first has arguments."""
    leave(*_bound(instance, args))
    return wrapped(*args, **kwargs)


def wrap_async_exit(wrapped: _Anything, instance: object, args: _Args, kwargs: Arguments) -> Any:
    """Around ``__aexit__`` and ``close`` of ``EventStreamAsync``; nothing before the await."""
    coroutine = wrapped(*args, **kwargs)
    if is_coroutine(coroutine):
        return named_like(coroutine, _leaving(Unawaited(coroutine), instance, args))
    leave(*_bound(instance, args))
    return coroutine


async def _leaving(unawaited: Unawaited, instance: object, args: _Args) -> Any:
    coroutine = unawaited.started()
    leave(*_bound(instance, args))
    return await coroutine
