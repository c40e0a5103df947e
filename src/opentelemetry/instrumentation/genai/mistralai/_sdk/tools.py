# SPDX-License-Identifier: Apache-2.0
"""Records functions and MCP tools that an agent loop calls in the caller's process."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from .. import _log
from .. import _names as s
from .._content.structure import as_text
from .._otel.local_spans import LocalSpan
from .._otel.surroundings import detach
from .._reading.errors import Failure
from .._reading.fields import fields_of, name_of
from .loops import Run, run_under_way

if TYPE_CHECKING:
    from .._reading.fields import AttributeValue

# The SDK's three kinds of tools keep the function or client that does the work in these fields.
_WORKERS: Final = ("callable", "awaitable", "mcp_client")


class _Tool(LocalSpan):
    """Holds the span of one function, or one tool of an MCP server, that the loop calls."""

    logs = True
    __slots__ = ("raised", "said")

    def __init__(self, run: Run, call: Mapping[str, object], parent: Context) -> None:
        tool, call_id = name_of(call.get("name")), name_of(call.get("tool_call_id"))
        if run.telemetry.content_on_spans and call_id is not None:
            # A server invents the id, and the span carries it in any case: without this line it
            # would be unredacted.
            call_id = run.telemetry.clean(call_id)
        attributes = run.identity(s.EXECUTE_TOOL)
        attributes[s.TOOL_TYPE] = "function"
        if tool is not None:
            attributes[s.TOOL_NAME] = tool
        if call_id is not None:
            attributes[s.TOOL_CALL_ID] = call_id
        label = f"{s.EXECUTE_TOOL} {tool}" if tool else s.EXECUTE_TOOL
        super().__init__(run.telemetry, label, attributes, parent)
        self.raised: BaseException | None = None
        self.said: dict[str, AttributeValue] = {}

    def say(self, key: str, value: object) -> None:
        """Notes arguments or a result, if spans may carry content."""
        if not value or not self.telemetry.content_on_spans:
            return
        if (cleaned := self.telemetry.clean(as_text(value))) is not None:
            self.said[key] = cleaned

    def noting(self, worker: Any) -> Any:
        """Wraps a worker to note its exception: the SDK may turn that into a mere result."""
        if hasattr(worker, "execute_tool"):
            return _Client(self.noting(worker.execute_tool))

        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return worker(*args, **kwargs)
            except BaseException as exc:
                self.raised = exc
                raise

        async def call_async(*args: Any, **kwargs: Any) -> Any:
            try:
                return await worker(*args, **kwargs)
            except BaseException as exc:
                self.raised = exc
                raise

        return call_async if _is_async(worker) else call

    def end(self, at: int, failure: Failure | None) -> None:
        """Ends the span, unless it has ended, at ``at``, ns since the epoch."""
        # The exception's traceback leads back to this object: the cycle would wait for the
        # collector.
        self.raised = None
        super().end(at, failure)

    def learned(self) -> Mapping[str, AttributeValue]:
        """Returns the arguments and the result, if they were noted."""
        return self.said


class _Client:
    """Replaces an MCP client while one of its tools is called."""

    def __init__(self, execute_tool: Any) -> None:
        self.execute_tool = execute_tool


def wrap_tool(
    wrapped: Callable[..., Any], _instance: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wraps ``create_function_result``, with which a loop calls a function or an MCP tool."""
    run = run_under_way()
    if run is None:
        return wrapped(*args, **kwargs)
    names = ("function_call", "run_tool", "continue_on_fn_error")
    return _run_tool(run, wrapped, {**dict(zip(names, args, strict=False)), **kwargs})


async def _run_tool(run: Run, wrapped: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    tool = token = None
    try:
        tool = _begin_tool(run, arguments)
        if tool is not None:
            token = otel_context.attach(tool.context)
        result = await wrapped(**arguments)
        if tool is not None:
            detach(token)
            _end_tool(tool, tool.raised, result)
        return result
    except BaseException as exc:
        if tool is not None:
            detach(token)
            _end_tool(tool, tool.raised or exc, None)
        raise


def _begin_tool(run: Run, arguments: dict[str, Any]) -> _Tool | None:
    tool = None
    try:
        run.tools += 1
        call = fields_of(arguments.get("function_call"))
        tool = _Tool(run, call, otel_context.get_current())
        tool.say(s.TOOL_CALL_ARGUMENTS, call.get("arguments"))
        noted = copy.copy(arguments["run_tool"])
        for field in _WORKERS:
            if field in fields_of(noted):
                setattr(noted, field, tool.noting(getattr(noted, field)))
        arguments["run_tool"] = noted
        return tool
    except Exception as exc:  # noqa: BLE001 -- the tool must be called even without a span
        _log.report("start a tool", exc)
    except BaseException:
        # An interrupt in the user's `redact` keeps the tool from being called: its span would stay
        # open.
        _give_up(tool)
        raise
    _give_up(tool)
    return None


def _give_up(tool: _Tool | None) -> None:
    if tool is not None:
        tool.give_up()


def _end_tool(tool: _Tool, exc: BaseException | None, result: object) -> None:
    try:
        try:
            tool.say(s.TOOL_CALL_RESULT, fields_of(result).get("result"))
        finally:
            # An interrupt in the user's `redact` would otherwise leave the span open.
            if exc is None:
                tool.end(tool.now(), None)
            else:
                tool.fail(exc)
    except Exception as failure:  # noqa: BLE001 -- the loop must get its result
        _give_up(tool)
        _log.report("end a tool", failure)


def _is_async(worker: Any) -> bool:
    import inspect

    return inspect.iscoroutinefunction(worker)
