# SPDX-License-Identifier: Apache-2.0
"""What happens around one SDK call: start a span, make the call, hand its result on.

The wrappers are what wrapt puts in the place of the SDK's methods. Sync and async differ in one
``await``; everything else is in `_Around`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import CoroutineType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

from . import _guard
from . import _semconv as s
from ._recording import Ending
from ._requests import server_of
from ._streams import leave, observe, stream_classes
from ._telemetry import Call, Telemetry, may_start

if TYPE_CHECKING:
    from ._surface import Surface

    _Coroutine = CoroutineType[Any, Any, Any]

Arguments = Mapping[str, Any]
_Anything = Callable[..., Any]


class Switch:
    """Whether calls are recorded, and into what; None while instrumentation is off."""

    telemetry: Telemetry | None = None
    options: ClassVar[dict[str, Any]] = {}

    @classmethod
    def turn_on(cls, options: Mapping[str, Any]) -> None:
        """Records calls from now on.

        Args:
            options: arguments of `Telemetry`; what is not named keeps its value.
        """
        cls.options = {**cls.options, **options}
        cls.telemetry = Telemetry(**cls.options)

    @classmethod
    def turn_off(cls) -> None:
        """Lets calls pass from now on."""
        cls.options, cls.telemetry = {}, None


def wrap_call(
    surface: Surface, wrapped: _Anything, instance: object, args: tuple[Any, ...], kwargs: Arguments
) -> Any:
    """Around a method that returns a stream or a response."""
    telemetry = Switch.telemetry
    if telemetry is None or (not telemetry.listened_to and telemetry.is_idle()):
        return wrapped(*args, **kwargs)
    with _Around(telemetry, surface, instance, kwargs) as around:
        around.result = wrapped(*args, **kwargs)
    return around.result


def wrap_async_call(
    surface: Surface, wrapped: _Anything, instance: object, args: tuple[Any, ...], kwargs: Arguments
) -> Any:
    """Around the async twin; nothing happens before the caller awaits, as without us."""
    telemetry = Switch.telemetry
    if telemetry is None or (not telemetry.listened_to and telemetry.is_idle()):
        return wrapped(*args, **kwargs)
    # Called now, since a wrong argument is a TypeError now.
    coroutine = wrapped(*args, **kwargs)
    around = _Around(telemetry, surface, instance, kwargs)
    if _is_coroutine(coroutine):
        return _named_like(coroutine, _awaited(_Unawaited(coroutine), around))
    with around:
        around.result = coroutine
    return coroutine


async def _awaited(unawaited: _Unawaited, around: _Around) -> Any:
    with around:
        around.result = await unawaited.coroutine
    return around.result


def wrap_exit(
    wrapped: _Anything, instance: object, args: tuple[Any, ...], kwargs: Arguments
) -> Any:
    """Around ``__exit__`` and ``close`` of ``EventStream``; only the first has arguments."""
    leave(instance, args)
    return wrapped(*args, **kwargs)


def wrap_async_exit(
    wrapped: _Anything, instance: object, args: tuple[Any, ...], kwargs: Arguments
) -> Any:
    """Around ``__aexit__`` and ``close`` of ``EventStreamAsync``; nothing before the await."""
    coroutine = wrapped(*args, **kwargs)
    if _is_coroutine(coroutine):
        return _named_like(coroutine, _leaving(_Unawaited(coroutine), instance, args))
    leave(instance, args)
    return coroutine


async def _leaving(unawaited: _Unawaited, stream: object, exit_args: tuple[Any, ...]) -> Any:
    leave(stream, exit_args)
    return await unawaited.coroutine


def _is_coroutine(value: object) -> TypeGuard[_Coroutine]:
    return isinstance(value, CoroutineType)


def _named_like(original: _Coroutine, ours: Any) -> Any:
    # The interpreter names a coroutine that was never awaited; the caller knows the SDK's name.
    ours.__name__, ours.__qualname__ = original.__name__, original.__qualname__
    return ours


class _Unawaited:
    """Holds the SDK's coroutine while ours waits to be awaited.

    If ours never is, the interpreter warns once, for ours; closing the SDK's keeps it from warning
    a second time about what the caller did once.
    """

    __slots__ = ("coroutine",)

    def __init__(self, coroutine: _Coroutine) -> None:
        self.coroutine = coroutine

    def __del__(self) -> None:
        self.coroutine.close()


class _Around:
    """The time between calling a method of the SDK and having its result."""

    __slots__ = ("_call", "_instance", "_kwargs", "_surface", "_telemetry", "_token", "result")

    def __init__(
        self, telemetry: Telemetry, surface: Surface, instance: object, kwargs: Arguments
    ) -> None:
        self._telemetry = telemetry
        self._surface = surface
        self._instance = instance
        self._kwargs = kwargs
        self._call: Call | None = None
        self._token: Any = None
        self.result: Any = None

    def __enter__(self) -> _Around:
        try:
            if may_start(self._instance):
                self._call = call = self._start()
                self._token = call.enter()
        except Exception as exc:  # noqa: BLE001 -- the user's call is made, with a span or without
            _guard.report("start a call", exc)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        call = self._call
        if call is None:
            return
        try:
            call.leave(self._token)
            if raised is None:
                self._hand_over(call)
            else:
                call.fail(raised)
        except Exception as exc:  # noqa: BLE001 -- the user's result is returned all the same
            _guard.report("end a call", exc)

    def _start(self) -> Call:
        request = self._surface.request(self._kwargs)
        try:
            address, port = server_of(self._instance, self._kwargs)
        except Exception as exc:  # noqa: BLE001 -- an unknown server still has calls
            _guard.report("find the server", exc)
        else:
            if address:
                request.address = request.attributes[s.SERVER_ADDRESS] = address
            if address and port:
                request.port = request.attributes[s.SERVER_PORT] = port
        if self._surface.streamed:
            request.attributes[s.REQUEST_STREAM] = True
        return self._telemetry.start(request, self._instance, self._kwargs)

    def _hand_over(self, call: Call) -> None:
        if isinstance(self.result, tuple(stream_classes)):
            observe(self.result, self._surface.recorder(call))
            return
        _guard.say_once(
            "%s.%s returned no stream of the SDK, so its span ended with the call: is it wrapped by"
            " another library?",
            self._surface.cls,
            self._surface.method,
        )
        call.end(Ending(closing=self.result))
