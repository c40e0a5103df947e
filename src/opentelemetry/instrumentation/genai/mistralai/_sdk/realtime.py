# SPDX-License-Identifier: Apache-2.0
"""Begins a realtime session: a call of ``connect``, which the SDK's two helpers call, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .. import _names as s
from .._content.mode import Content, Part
from .._otel.conversation_ids import conversation_of
from .._otel.session_span import SessionCall
from .._otel.surroundings import RUN
from .._reading.requests import locate, model_request
from .._recording.sessions import SessionRecorder
from .connections import is_connection, observe_connection
from .unrecorded import end_unobserved, give_up

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from .._otel.telemetry import Telemetry
    from .protocols import Args, Arguments

# Only these arguments may be given without a name.
_POSITIONAL: Final = (
    "model", "audio_format", "target_streaming_delay_ms", "server_url", "timeout_ms",
    "http_headers",
)  # fmt: skip


class _Client(NamedTuple):
    """Names the configuration of the SDK's realtime clients as its other clients do."""

    sdk_configuration: object


class Session(NamedTuple):
    """Describes a method that opens a session; all are async.

    Attributes:
        module: the module, below one of ``ROOTS``.
        cls: the class in it.
        method: the method.
        output_type: ``gen_ai.output.type``, if the method fixes it.
    """

    module: str
    cls: str
    method: str
    output_type: str | None = None

    def begin(
        self, telemetry: Telemetry, owner: object, args: Args, kwargs: Arguments, context: Context
    ) -> SessionCall:
        """Starts the span of a session and makes it current for the handshake."""
        named: dict[str, Any] = {**dict(zip(_POSITIONAL, args, strict=False)), **kwargs}
        request = model_request(s.GENERATE_CONTENT, named, output_type=self.output_type)
        request.attributes[s.REQUEST_STREAM] = True
        locate(request, _Client(getattr(owner, "_sdk_config", None)), _as_http(named))
        if context and (conversation_id := conversation_of(context)):
            request.attributes[s.CONVERSATION_ID] = conversation_id
        run: Any = context.get(RUN)
        if run is not None and run.under_way:
            run.requests += 1
        call = SessionCall(telemetry, request, (owner, self), context)
        try:
            call.start()
            call.attach(named)
            return call
        except BaseException:
            # After an interrupt, or an exit in the user's hook, the span would stay open.
            give_up(call)
            raise

    def returned(self, call: SessionCall, result: Any) -> Any:
        """Has the session's events seen, and returns its connection unchanged."""
        if not is_connection(result):
            end_unobserved(call, result, f"{self.cls}.{self.method} returned no connection")
            return result
        inputs: list[Part] = []
        if call.clean is not None:
            call.content = Content(inputs, [], [])
        recorder = call.recorder = SessionRecorder(call, inputs)
        recorder.on_connected(getattr(result, "_session", None))
        observe_connection(result, recorder, call, hears=call.clean is not None)
        return result


def _as_http(kwargs: Arguments) -> Arguments:
    """Returns arguments whose address has the scheme that the default ports are known of."""
    url = kwargs.get("server_url")
    return {"server_url": f"http{url[2:]}"} if isinstance(url, str) and url[:2] == "ws" else kwargs
