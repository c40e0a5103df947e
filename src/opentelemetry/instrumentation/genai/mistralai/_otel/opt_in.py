# SPDX-License-Identifier: Apache-2.0
"""Does at a call's end what only some users ask for: their hooks, the content, the details event.

`plans` and `adopted` make actions of these functions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import Span

from .. import _log
from .._recording.ending import Ending
from .ends_once import Plan

if TYPE_CHECKING:
    from .._content.mode import Content
    from .._reading.requests import Request
    from .child_spans import ChildSpan
    from .telemetry import Telemetry


class Ended(Protocol):
    """Describes a call that ends, as its plan sees it."""

    telemetry: Telemetry
    request: Request
    span: Span | None
    recording: bool
    started: int
    content: Content | None
    children: list[ChildSpan] | None

    @property
    def context(self) -> Context:
        """Returns the caller's context at the call's start, with the span in it."""
        ...


def hook_action(telemetry: Telemetry, span: Span, ending: Ending) -> Plan:
    """Returns the action that calls the user's ``response_hook``, if there is one."""
    hook = telemetry.response_hook
    if hook is None:
        return []
    return [partial(run_hook, "response_hook(span, result)", hook, span, ending.closing)]


def record_content(call: Ended, span: Span, ending: Ending, ended: int, context: Context) -> None:
    """Records what was asked and said, on the span and as a log event, as far as is wanted."""
    telemetry, content, request = call.telemetry, call.content, call.request
    known = ending.attributes
    said = {} if content is None else content.whole(ending.output or [], known)
    details = {**request.attributes, **known} if telemetry.emits_details else {}
    telemetry.record_content(span, request.operation, said, details, ended, context)
    if content is not None and content.texts and telemetry.content_on_spans and call.recording:
        span.set_attributes(content.texts)


def run_hook(
    name: str, hook: Callable[[Any, Any], None], span: Span | None, argument: object
) -> None:
    """Calls the user's hook, and logs what it raises once."""
    try:
        hook(span, argument)
    except Exception as exc:  # noqa: BLE001 -- a hook must not fail the user's call
        _log.report(name, exc)
