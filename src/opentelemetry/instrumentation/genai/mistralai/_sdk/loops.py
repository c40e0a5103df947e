# SPDX-License-Identifier: Apache-2.0
"""Records agent loops that run in the caller's process.

``run_async`` and ``run_stream_async`` ask the model, call functions and MCP tools, and ask again.
One span is around the loop; its requests and tools are its children. The loop's span is current
while the SDK's own code runs, and not while the caller's code runs: `RunStream` replaces the SDK's
async generator to tell the two apart. A tool runs under its own span.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context

from .. import _log
from .. import _names as s
from .._content.messages import input_messages
from .._content.mode import Content, Part, fitted, to_json
from .._otel.local_spans import LocalSpan
from .._otel.metrics import Measurement
from .._otel.open_calls import open_calls
from .._otel.surroundings import RUN, detach
from .._reading.fields import fields_of, name_of
from .streams import is_alive
from .unrecorded import give_up

_Step = Coroutine[Any, Any, Any]

if TYPE_CHECKING:
    from .._otel.telemetry import Telemetry
    from .._reading.fields import AttributeValue
    from .protocols import Args, Arguments


class Run(LocalSpan):
    """Holds the span of one agent loop."""

    # The request or the tool that raised has recorded the exception as a log event already.
    logs = False
    __slots__ = (
        "_input", "_model", "_output", "_run_context", "_token", "recorder", "requests", "streamed",
        "tools",
    )  # fmt: skip

    def __init__(
        self, telemetry: Telemetry, run_context: object, parent: Context, *, streamed: bool
    ) -> None:
        """Starts the span; ``run_context`` is the SDK's ``RunContext``."""
        self._run_context = fields_of(run_context)
        self._model = name_of(self._run_context.get("model"))
        attributes = self.identity(s.INVOKE_AGENT)
        if self._model is not None:
            attributes[s.REQUEST_MODEL] = self._model
        super().__init__(telemetry, s.INVOKE_AGENT, attributes, parent)
        self.context = otel_context.set_value(RUN, self, self.context)
        self.streamed = streamed
        self.requests = self.tools = 0
        self.recorder: object = None
        self._token: object = None
        self._input: list[Part] = []
        self._output: list[Part] = []

    def identity(self, operation: str) -> dict[str, AttributeValue]:
        """Returns the attributes of all spans in this loop that are known by now."""
        attributes: dict[str, AttributeValue] = {s.OPERATION_NAME: operation}
        for field, key in (("conversation_id", s.CONVERSATION_ID), ("agent_id", s.AGENT_ID)):
            value = name_of(self._run_context.get(field))
            if value is not None:
                attributes[key] = value
        return attributes

    def ask(self, inputs: object) -> None:
        """Keeps the loop's input, if spans may carry content."""
        if self.telemetry.content_on_spans and trace.get_current_span(self.context).is_recording():
            self._input = input_messages(inputs, self.telemetry.clean)

    def hear(self, messages: list[Part]) -> None:
        """Keeps the output of a request; the last request's output is the loop's."""
        self._output = messages

    def attach(self) -> None:
        """Makes the loop's span current before the SDK's own code runs."""
        self._token = otel_context.attach(self.context)

    def detach(self) -> None:
        """Makes the caller's context current again."""
        if self._token is not None:
            self.pause(self._token)
            self._token = None

    def pause(self, token: object) -> None:
        """Makes the caller's context current between two events, and notes the time."""
        detach(token)
        self._last = self.now()

    def leave_by(self, exc: BaseException) -> None:
        """Ends the loop if the caller threw into it, hands it over if they closed it: no error."""
        if isinstance(exc, GeneratorExit):
            self.fail(exc)
        else:
            self.end(self.now(), None)

    def returned(self, result: Any) -> Any:
        """Ends the loop, or wraps the generator that will run it; returns the caller's result."""
        if self.streamed and hasattr(result, "__anext__"):
            return RunStream(result, self)
        self.end(self._last, None)
        return result

    def measurements(self, seconds: float, error_type: str | None) -> list[Measurement]:
        """Returns the measurements of the loop's duration, requests and tools."""
        return self.telemetry.instruments.of_run(
            self._model, error_type, seconds, (self.requests, self.tools), self.context
        )

    def learned(self) -> Mapping[str, AttributeValue]:
        """Returns the conversation's id, and the loop's input and output."""
        learned = self.identity(s.INVOKE_AGENT)
        if self.telemetry.content_on_spans:
            try:
                said = fitted(Content(self._input, [], []).beside(self._output))
                learned |= {key: to_json(value) for key, value in said.items()}
            except Exception as exc:  # noqa: BLE001 -- the span must end even if its content is lost
                _log.report("capture content", exc)
        return learned


class RunStream(AsyncGenerator[Any, Any]):
    """Replaces the async generator that ``run_stream_async`` returns."""

    def __init__(self, generator: Any, run: Run) -> None:
        self._generator = generator
        self._run = run
        open_calls.watch(run, self)

    def __anext__(self) -> _Step:
        """Asks for the next event, with the loop's span current in the SDK's code."""
        return self._step(self._run.fail, self._generator.__anext__())

    def asend(self, value: Any) -> _Step:
        """Sends a value into the SDK's generator."""
        return self._step(self._run.fail, self._generator.asend(value))

    def athrow(self, *args: Any) -> _Step:
        """Throws into the SDK's generator; the loop ends without an error, as the caller left."""
        return self._step(self._run.leave_by, self._generator.athrow(*args))

    def aclose(self) -> _Step:
        """Closes the SDK's generator, and ends the loop."""
        return self._step(self._run.leave_by, self._generator.aclose())

    async def _step(self, stopped: Callable[[BaseException], None], step: Awaitable[Any]) -> Any:
        run, token = self._run, None
        try:
            # A generator may be asked for two events at once: a shared token would detach wrongly.
            token = otel_context.attach(run.context)
            result = await step
            run.pause(token)
            self._stopped(stopped, StopAsyncIteration())
            return result
        except BaseException as exc:
            # `step` may hold the exception, whose traceback holds this frame: the cycle would keep
            # a stream in one of its frames from being closed until the collector runs.
            del step
            run.pause(token)
            self._stopped(stopped, exc)
            raise
        finally:
            # An interrupt before `pause` would leave the loop's span current in the caller's code.
            detach(token)

    def _stopped(self, stopped: Callable[[BaseException], None], exc: BaseException) -> None:
        # A generator that is alive goes on: it yielded, or was asked for two events at once.
        if is_alive(self._generator):
            return
        try:
            if isinstance(exc, StopAsyncIteration):
                self._run.end(self._run.now(), None)
            else:
                stopped(exc)
        except Exception as failure:  # noqa: BLE001 -- the caller must get its own exception
            give_up(self._run)
            _log.report("end a loop", failure)


class Loop(NamedTuple):
    """Describes a method that runs an agent loop in the caller's process; all are async.

    Attributes:
        module: the module, below one of ``ROOTS``.
        cls: the class in it.
        method: the method.
        streamed: whether it returns an async generator.
    """

    module: str
    cls: str
    method: str
    streamed: bool

    def begin(
        self, telemetry: Telemetry, _owner: object, args: Args, kwargs: Arguments, context: Context
    ) -> Run:
        """Starts the span of a loop and makes it current."""
        run_context = args[0] if args else kwargs.get("run_ctx")
        run = Run(telemetry, run_context, context, streamed=self.streamed)
        try:
            run.ask(args[1] if len(args) > 1 else kwargs.get("inputs"))
            run.attach()
            return run
        except BaseException:
            # An interrupt in the user's `redact` keeps the loop from running: its span would stay
            # open.
            run.detach()
            run.give_up()
            raise

    def returned(self, run: Run, result: Any) -> Any:
        """Ends the loop, or returns a generator that will end it."""
        return run.returned(result)


def run_under_way(context: Context | None = None) -> Run | None:
    """Returns the agent loop that runs in this context, None outside of one."""
    context = otel_context.get_current() if context is None else context
    run: Any = context.get(RUN)
    return run if run is not None and run.under_way else None
