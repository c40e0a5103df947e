# SPDX-License-Identifier: Apache-2.0
"""Wraps one SDK call: starts its span, makes the call, hands its result to a recorder.

wrapt calls these wrappers in place of the SDK's methods. Sync and async differ in one ``await``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import ref

from opentelemetry.context import get_current

from .. import _log
from .. import _names as s
from .._content.messages import ReadContent, conversation_content, read_content
from .._otel.adopted import begin_call
from .._otel.client_span import Call
from .._otel.conversation_ids import conversation_of
from .._otel.open_calls import open_calls
from .._otel.surroundings import RUN, is_unwanted, last_turns
from .._otel.telemetry import Switch, Telemetry
from .._reading.requests import ReadRequest, locate
from .._reading.turns import follow
from .._recording.open_call import OpenCall
from .._recording.recorder import Recorder
from .coroutines import Unawaited, bound, is_coroutine, named_like
from .streams import is_stream, observe, stream_classes
from .unrecorded import end_unobserved, give_up

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from .protocols import Args, Arguments, Opened, Row

_Anything = Callable[..., Any]
# This stands for a result while there is none: None may be a result.
_NOTHING: Final = object()


def wrap_call(
    method: Row, wrapped: _Anything, instance: object, args: Args, kwargs: Arguments
) -> Any:
    """Wraps a method that returns a stream or a response."""
    call, result = None, _NOTHING
    try:
        call = _begin(method, instance, args, kwargs)
        result = wrapped(*args, **kwargs)
        if call is None:
            return result
        call.detach()
        return method.returned(call, result)
    except BaseException as exc:
        if call is not None and not _stopped(call, method, result, exc):
            return result
        raise


def wrap_async_call(
    method: Row, wrapped: _Anything, instance: object, args: Args, kwargs: Arguments
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
    # Another library's wrapper has made it already: there is nothing to wait for.
    return wrap_call(method, lambda *_args, **_kwargs: coroutine, instance, args, kwargs)


async def _awaited(
    method: Row, unawaited: Unawaited, instance: object, args: Args, kwargs: Arguments
) -> Any:
    call, result = None, _NOTHING
    try:
        coroutine = unawaited.started()
        call = _begin(method, instance, args, kwargs)
        result = await coroutine
        if call is None:
            return result
        call.detach()
        return method.returned(call, result)
    except BaseException as exc:
        if call is not None and not _stopped(call, method, result, exc):
            return result
        raise


def listening() -> Telemetry | None:
    """Returns the active telemetry; None while instrumentation is off, or nobody listens."""
    telemetry = Switch.telemetry
    if telemetry is not None and not telemetry.listened_to:
        telemetry.look_for_listeners()
        return telemetry if telemetry.listened_to else None
    return telemetry


def _begin(method: Row, owner: object, args: Args, kwargs: Arguments) -> Opened | None:
    """Starts the span of a call and makes it current; returns None if the call gets none."""
    telemetry = Switch.telemetry
    # The first look is inline, because calling `listening` would cost as much as the look itself.
    if telemetry is None or not (telemetry.listened_to or listening()):
        return None
    if owner is None:
        owner, args = bound(owner, args)
    try:
        context = get_current()
        # Most contexts of scripts are empty: then there is nothing to ask.
        if context and is_unwanted(context, owner, method):
            return None
        return method.begin(telemetry, owner, args, kwargs, context)
    except Exception as exc:  # noqa: BLE001 -- the user's call must be made even without a span
        _log.report("start a call", exc)
        return None


def _stopped(call: Opened, method: Row, result: Any, exc: BaseException) -> bool:
    """Ends a call that raised, or that was interrupted after it had a result.

    Returns:
        Whether the caller must get the exception; False if there is a result, and the exception is
        a fault of ours.
    """
    if result is not _NOTHING and isinstance(exc, Exception):
        give_up(call)
        _log.report("hand a result over", exc)
        return False
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
    return True


class Method(NamedTuple):
    """Describes one method of the SDK: a row of the table.

    Attributes:
        module: the module, below one of ``ROOTS``.
        cls: the class in it.
        method: the sync method; ``{method}_async`` is its twin.
        request: reads the arguments.
        content: reads the request's content, if that is to be recorded.
        recorder: makes the recorder of the stream or the response.
        streamed: whether it returns a stream; None: if the caller passes ``stream=True``.
        takes: an argument that tells the method from another that once had its name.
    """

    module: str
    cls: str
    method: str
    request: ReadRequest
    content: ReadContent
    recorder: Callable[[OpenCall], Recorder]
    streamed: bool | None
    takes: str | None = None

    def begin(
        self, telemetry: Telemetry, owner: object, _args: Args, kwargs: Arguments, context: Context
    ) -> Opened | None:
        """Starts the span of a call and makes it current; the SDK takes keyword arguments only."""
        request = self.request(kwargs)
        if request.continues is not None:
            follow(request, *last_turns.last(request.continues))
        locate(request, owner, kwargs)
        if context and not request.in_conversation and (named := conversation_of(context)):
            # A conversation that the call itself names is the one that the API has.
            request.attributes.setdefault(s.CONVERSATION_ID, named)
        if self.streamed or (self.streamed is None and kwargs.get("stream") is True):
            request.attributes[s.REQUEST_STREAM] = True
        run: Any = context.get(RUN)
        if run is not None and not run.under_way:
            run = None
        if run is not None:
            run.requests += 1
        # A conversation always has a span of its own: no other library has its `createdAt`.
        begin = begin_call if context and self.cls != "Conversations" else Call
        call = begin(telemetry, request, (owner, self), context)
        try:
            call.start()
            if call.clean is not None:
                call.content = read_content(self.content, kwargs, call.clean)
                if run is not None and self.content is conversation_content:
                    call.content.heard = run.hear
            call.attach(kwargs)
            return call
        except BaseException:
            # After an interrupt, or an exit in the user's hook, the span would stay open.
            give_up(call)
            raise

    def returned(self, call: Call, result: object) -> object:
        """Hands the result of a call to its recorder, and returns it unchanged."""
        # The look-up is inline: a function call costs as much as half the observer.
        if self.streamed is not False and (
            ref(type(result)) in stream_classes or is_stream(result)
        ):
            recorder = call.recorder = self.recorder(call)
            observe(result, recorder, call)
        elif not self.streamed:
            recorder = call.recorder = self.recorder(call)
            recorder.on_response(result)
        else:
            end_unobserved(call, result, f"{self.cls}.{self.method} returned no stream")
        return result
