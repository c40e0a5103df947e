# SPDX-License-Identifier: Apache-2.0
"""Begins a call of the API, and hands its result to a recorder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.context import Context

from .. import _log
from .. import _names as s
from .._content.messages import ReadContent, conversation_content
from .._content.mode import Content
from .._content.structure import Clean
from .._otel.adopted import open_call
from .._otel.client_span import Call
from .._otel.context import RUN
from .._otel.conversation_ids import conversation_of
from .._reading.requests import ReadRequest, locate
from .._recording.ending import Ending
from .._recording.recorder import OpenCall, Recorder
from .._recording.turns import last_turns
from .calls import Opened, give_up
from .loops import run_under_way
from .streams import is_stream, observe

if TYPE_CHECKING:
    from .._otel.telemetry import Telemetry


class Method(NamedTuple):
    """Describes one method of the SDK: a row of the table.

    Attributes:
        module: the module, below one of ``ROOTS``.
        cls: the class in it.
        method: the sync method; ``{method}_async`` is its twin.
        request: reads the arguments.
        content: reads the request's content, if that is to be recorded.
        recorder: makes the recorder of the stream or the response.
        streamed: whether it returns a stream; None: if its argument ``stream`` is True.
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
        self,
        telemetry: Telemetry,
        owner: object,
        _args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        context: Context,
    ) -> Opened | None:
        """Starts the span of a call, whose arguments all have names, and makes it current."""
        request = self.request(kwargs)
        if request.continues is not None:
            request.follow(*last_turns.last(request.continues))
        locate(request, owner, kwargs)
        if context and not request.in_conversation and (named := conversation_of(context)):
            request.attributes[s.CONVERSATION_ID] = named
        if self.streamed or (self.streamed is None and kwargs.get("stream") is True):
            request.attributes[s.REQUEST_STREAM] = True
        run = run_under_way(context) if RUN in context else None
        if run is not None:
            run.requests += 1
        # A conversation always has a span of its own: no other library has its `createdAt`.
        begin = open_call if context and self.cls != "Conversations" else Call
        call = begin(telemetry, request, (owner, self), context)
        try:
            call.start()
            if call.clean is not None:
                call.content = self._read_content(kwargs, call.clean)
                if run is not None and self.content is conversation_content:
                    call.content.heard = run.hear
            call.attach(kwargs)
            return call
        except BaseException:
            # After an interrupt, or an exit in the user's hook, the span would stay open.
            give_up(call)
            raise

    def _read_content(self, kwargs: Mapping[str, Any], clean: Clean) -> Content:
        try:
            return self.content(kwargs, clean)
        except Exception as exc:  # noqa: BLE001 -- the call must be recorded even without its content
            _log.report("read what is asked", exc)
            return Content([], [], [])

    def returned(self, call: Call, result: Any) -> Any:
        """Hands the result of a call to its recorder, and returns it unchanged."""
        if self.streamed is not False and is_stream(result):
            recorder = call.recorder = self.recorder(call)
            observe(result, recorder, call)
        elif not self.streamed:
            recorder = call.recorder = self.recorder(call)
            recorder.on_response(result)
        else:
            _log.say_once(
                "%s.%s returned no stream of the SDK, so its span ended with the call: is it"
                " wrapped by another library?",
                self.cls,
                self.method,
            )
            call.end(Ending(closing=result))
        return result
