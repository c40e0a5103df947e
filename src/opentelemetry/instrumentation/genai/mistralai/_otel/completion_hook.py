# SPDX-License-Identifier: Apache-2.0
"""Passes a call's content to the user's completion hook, as other GenAI instrumentations do.

The hook gets util-genai's message classes, after ``redact`` and before anything is cut, whatever
the capture mode is. opentelemetry-util-genai is an optional dependency, and this module imports it
only when there is a hook.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from .. import _environment, _log
from .. import _names as s
from .._content.cleaning import cut
from .._content.mode import Part

if TYPE_CHECKING:
    from opentelemetry._logs import LogRecord
    from opentelemetry.trace import Span


class CompletionHook(Protocol):
    """Describes a completion hook as opentelemetry-util-genai defines it."""

    def on_completion(
        self,
        *,
        inputs: list[Any],
        outputs: list[Any],
        system_instruction: list[Any],
        tool_definitions: list[Any] | None = None,
        span: Span | None = None,
        log_record: LogRecord | None = None,
    ) -> None:
        """Receives each inference call's content at its end, as util-genai's messages."""


# A call's content is its messages, parts and tools, by their attributes' names.
Said = Mapping[str, "list[Part]"]
OnCompletion = Callable[[Said, "Span", "LogRecord | None"], None]


def hook_from_environment() -> CompletionHook | None:
    """Loads the hook that the environment names; an unknown name logs one warning."""
    if not os.environ.get(_environment.COMPLETION_HOOK):
        return None
    try:
        # An older util-genai than 1.3b0 lacks these classes: the import fails, one line says so.
        from . import completion_messages  # noqa: F401, I001  # pyright: ignore[reportUnusedImport]
        from opentelemetry.util.genai.completion_hook import load_completion_hook  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as exc:
        _say_it_is_missing(_environment.COMPLETION_HOOK, exc)
        return None
    try:
        return _own(load_completion_hook())
    except Exception as exc:  # noqa: BLE001 -- calls must be instrumented even without a hook
        _log.report("load the completion hook", exc)
        return None


def on_completion(hook: CompletionHook | None) -> OnCompletion | None:
    """Returns the function that calls a hook at a call's end; None if the hook does nothing."""
    hook = None if hook is None else _own(hook)
    if hook is None:
        return None
    try:
        from . import completion_messages as messages
    except ImportError as exc:
        _say_it_is_missing("completion_hook", exc)
        return None

    def call(said: Said, span: Span, record: LogRecord | None) -> None:
        try:
            hook.on_completion(
                inputs=messages.inputs(said.get(s.INPUT_MESSAGES, ())),
                outputs=messages.outputs(said.get(s.OUTPUT_MESSAGES, ())),
                system_instruction=messages.parts(said.get(s.SYSTEM_INSTRUCTIONS, ())),
                tool_definitions=messages.tools(said.get(s.TOOL_DEFINITIONS, ())) or None,
                span=span,
                log_record=record,
            )
        except Exception as exc:  # noqa: BLE001 -- the user's hook must not fail the user's call
            _log.report("completion_hook.on_completion", exc)

    return call


def cut_texts(said: Said) -> dict[str, list[Part]]:
    """Returns the content with each text cut, for spans and events; only a hook gets it uncut."""
    return {key: cast("list[Part]", _cut_texts(items)) for key, items in said.items()}


def _cut_texts(value: object) -> object:
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, list):
        return [_cut_texts(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: _cut_texts(item) for key, item in cast("dict[str, object]", value).items()}
    return value


def _own(hook: Any) -> CompletionHook | None:
    """Unwraps the user's hook from util-genai's wrapper; returns None for one that does nothing.

    The wrapper logs each exception with its text, which can repeat content; our guard logs one line
    without it. Returning None keeps content from being read for a hook that does nothing.
    """
    own = (
        getattr(hook, "_wrapped", hook) if _is_of_util_genai(hook, "_SafeCompletionHook") else hook
    )
    return None if _is_of_util_genai(own, "_NoOpCompletionHook") else own


def _is_of_util_genai(hook: object, name: str) -> bool:
    kind = type(hook)
    return kind.__name__ == name and kind.__module__.startswith("opentelemetry.util.genai")


def _say_it_is_missing(what: str, exc: ImportError) -> None:
    _log.say_once(
        "%s is ignored: it needs opentelemetry-util-genai 1.3b0 or newer (%s): pip install"
        " 'opentelemetry-instrumentation-genai-mistralai[util]'",
        what,
        type(exc).__name__,
    )
