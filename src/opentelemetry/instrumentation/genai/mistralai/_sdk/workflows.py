# SPDX-License-Identifier: Apache-2.0
"""Records workflows, which run on the user's workers.

``execute_workflow_and_wait`` calls ``execute_workflow`` and then asks for the execution's status
until there is a result. That is one span, which lasts to the result: the call inside gets none, and
what it is answered with is told to the span around it at once, since the wait may fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context

from .. import _names as s
from .._otel.client_span import Call
from .._otel.surroundings import CALL
from .._reading.fields import fields_of
from .._reading.jobs import execution_facts
from .calls import Method

if TYPE_CHECKING:
    from .._otel.telemetry import Telemetry
    from .protocols import Args, Arguments, Opened

# The SDK gives these a place, too; the ones after them are read by nobody here.
_POSITIONS: Final = ("workflow_identifier", "input", "execution_id", "deployment_name")


class WaitingMethod(Method):
    """Describes a method that waits for a workflow's result; its arguments may have no names."""

    __slots__ = ()

    def begin(
        self, telemetry: Telemetry, owner: object, args: Args, kwargs: Arguments, context: Context
    ) -> Opened | None:
        """Starts the span of a call, which lasts to the workflow's result."""
        named = {**dict(zip(_POSITIONS, args, strict=False)), **kwargs}
        return super().begin(telemetry, owner, (), named, context)


class ExecutingMethod(Method):
    """Describes a method that executes a workflow, also inside one that then waits for it."""

    __slots__ = ()

    def begin(
        self, telemetry: Telemetry, owner: object, args: Args, kwargs: Arguments, context: Context
    ) -> Opened | None:
        """Starts the span of a call; none inside a call that waits, unless that is waiting now."""
        around: Any = context.get(CALL)
        if around is not None and around.called is not None:
            at, by = around.called
            # The caller's own code may run in this context, too: an event hook, a task of theirs.
            if at is owner and isinstance(by, WaitingMethod) and not around.request.begun:
                return _Inside(around)
        return super().begin(telemetry, owner, args, kwargs, context)

    def returned(self, call: Any, result: Any) -> Any:
        """Hands the result of a call on: to its recorder, or to the call around it."""
        if isinstance(call, _Inside):
            call.learn(result)
            return result
        return super().returned(call, result)


class _Inside:
    """Replaces the call of a request that another call consists of: it has no span of its own."""

    __slots__ = ("_around", "recorder", "watch")

    def __init__(self, around: Call) -> None:
        self._around = around
        self.recorder: object = None
        self.watch: object = None

    @property
    def context(self) -> Context:
        """Returns the context of the call around it."""
        return self._around.context

    def learn(self, answer: object) -> None:
        """Tells the span around it which execution was started."""
        call, facts = self._around, execution_facts(fields_of(answer))
        status, name = facts.get(s.WORKFLOW_STATUS), facts.get(s.WORKFLOW_NAME)
        request: Any = call.request
        request.begun = status if isinstance(status, str) else None
        if isinstance(name, str):
            request.subject = name
        if call.span is not None and call.recording:
            call.span.set_attributes(facts)
            if isinstance(name, str):
                call.span.update_name(f"{s.INVOKE_WORKFLOW} {name}")

    def detach(self) -> None:
        """Does nothing: the caller's context was not changed."""

    def fail(self, exc: BaseException) -> None:
        """Does nothing: the call around it raises the same."""

    def dropped(self) -> None:
        """Does nothing: the call around it ends itself."""

    def give_up(self) -> None:
        """Does nothing: the call around it ends itself."""
