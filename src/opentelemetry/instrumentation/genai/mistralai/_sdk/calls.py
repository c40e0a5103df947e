# SPDX-License-Identifier: Apache-2.0
"""Wraps one SDK call: starts a span, makes the call, hands its result on.

wrapt calls these wrappers in place of the SDK's methods. Sync and async differ in one ``await``.
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
# This stands for a result while there is none: None may be a result.
_NOTHING: Final = object()


class Opened(OpenSpan, Protocol):
    """Describes a call whose span is open and current."""

    @property
    def recorder(self) -> object:
        """Returns the recorder of the call's result; None before there is a result."""

    def detach(self) -> None:
        """Makes the caller's context current again."""

    def fail(self, exc: BaseException) -> None:
        """Ends the span of a call that raised."""


class Method(Protocol):
    """Describes a row of `table`: a method of the SDK or a loop."""

    def begin(
        self,
        telemetry: Telemetry,
        owner: object,
        args: _Args,
        kwargs: Arguments,
        context: Context,
        /,
    ) -> Opened | None:
        """Starts the span of a call and makes it current; None if this call gets none."""
        ...

    def returned(self, call: Any, result: Any, /) -> Any:
        """Hands the result of a call on; returns the caller's result."""


def wrap_call(
    method: Method, wrapped: _Anything, instance: object, args: _Args, kwargs: Arguments
) -> Any:
    """Wraps a method that returns a stream or a response."""
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
    """Wraps the async twin; the span starts when the caller awaits, as the request does."""
    if listening() is None:
        return wrapped(*args, **kwargs)
    try:
        # The SDK is called at once: a wrong argument must raise here and not at the await.
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


def listening() -> Telemetry | None:
    """Returns the active telemetry; None while instrumentation is off, or nobody listens."""
    telemetry = Switch.telemetry
    if telemetry is not None and not telemetry.listened_to:
        telemetry.look_for_listeners()
        return telemetry if telemetry.listened_to else None
    return telemetry


def _begin(method: Method, owner: object, args: _Args, kwargs: Arguments) -> Opened | None:
    """Starts the span of a call and makes it current; returns None if the call gets none."""
    telemetry = Switch.telemetry
    # The first look is inline, because calling `listening` would cost as much as the look itself.
    if telemetry is None or not (telemetry.listened_to or listening()):
        return None
    if owner is None:
        owner, args = _bound(owner, args)
    try:
        context = context_for(owner, method)
        return None if context is None else method.begin(telemetry, owner, args, kwargs, context)
    except Exception as exc:  # noqa: BLE001 -- the user's call must be made even without a span
        _log.report("start a call", exc)
        return None


def _bound(instance: object, args: _Args) -> tuple[object, _Args]:
    """Returns the object whose method is called, and the other arguments."""
    # Another library may call our wrapper out of the class's __dict__: then wrapt binds nothing.
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
    except Exception as failure:  # noqa: BLE001 -- the caller must get its own exception
        give_up(call)
        _log.report("end a call", failure)


def _returned(call: Opened, method: Method, result: Any) -> Any:
    try:
        call.detach()
        return method.returned(call, result)
    except Exception as failure:  # noqa: BLE001 -- the caller must get its result
        give_up(call)
        _log.report("hand a result over", failure)
        return result


def give_up(call: Opened) -> None:
    """Ends the span of a call whose recording has failed."""
    try:
        try:
            # If the call stayed in the caller's context, their next call would get no span.
            call.detach()
        finally:
            call.give_up()
    except Exception as exc:  # noqa: BLE001 -- a thread of ours tries once more
        open_calls.drop(call)
        _log.report("give a call up", exc)


def wrap_exit(wrapped: _Anything, instance: object, args: _Args, kwargs: Arguments) -> Any:
    """Wraps ``__exit__`` and ``close`` of ``EventStream``; only the first has arguments."""
    leave(*_bound(instance, args))
    return wrapped(*args, **kwargs)


def wrap_async_exit(wrapped: _Anything, instance: object, args: _Args, kwargs: Arguments) -> Any:
    """Wraps ``__aexit__`` and ``close`` of ``EventStreamAsync``; the stream ends at the await."""
    coroutine = wrapped(*args, **kwargs)
    if is_coroutine(coroutine):
        return named_like(coroutine, _leaving(Unawaited(coroutine), instance, args))
    leave(*_bound(instance, args))
    return coroutine


async def _leaving(unawaited: Unawaited, instance: object, args: _Args) -> Any:
    coroutine = unawaited.started()
    leave(*_bound(instance, args))
    return await coroutine
