# SPDX-License-Identifier: Apache-2.0
"""Says what is wrapped in a module of the SDK, and by what.

Only `patching` imports it, with the SDK's first module, because wrapt comes with it. wrapt imports
asyncio, ssl and importlib.metadata, which takes twice as long as all of this package. The SDK needs
them itself; at `instrument()` nobody may have needed them yet, and gevent, which may come later,
wants ssl unused. (Under ``opentelemetry-instrument`` OpenTelemetry has imported wrapt before.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

from .batches import wrap_get_job, wrap_output_line
from .calls import wrap_async_call, wrap_call
from .connections import connection_targets
from .own_spans import wrap_after_success, wrap_before_request, wrap_traced_request
from .patches import Make, Patch, wrapped_by
from .quiet_tracers import QuietTrace, QuietTracer
from .streams import stream_classes, wrap_async_exit, wrap_exit
from .table import (
    BATCH_CLIENT,
    BATCHES,
    CONVERSATIONS,
    JOBS,
    LOOPS,
    METHODS,
    RUNS,
    SESSIONS,
    STREAMS,
    TOOLS,
    TRACING,
    is_meant,
    takes,
)  # fmt: skip
from .tools import wrap_tool

if TYPE_CHECKING:
    from types import ModuleType

    from .table import AnyRow

    Own = Callable[[AnyRow], AnyRow]


def patches_of(module: ModuleType, own: Own) -> Iterator[Patch]:
    """Yields a patch for each function to replace in a module.

    Args:
        module: of the SDK.
        own: returns the copy of a row by which our wrappers know each other.
    """
    for owner, name, make in _candidates(module, own):
        if owner is not None and name in vars(owner):
            yield Patch(owner, name, make)


def _candidates(module: ModuleType, own: Own) -> Iterator[tuple[Any, str, Make]]:
    name = module.__name__
    if (streams := _streams_of(name)) is not None:
        stream, async_stream = (getattr(module, each, None) for each in streams)
        kinds = (cls for cls in (stream, async_stream) if cls is not None)
        # The callback removes the reference of a class that was freed: the set would grow.
        stream_classes.update(ref(cls, stream_classes.discard) for cls in kinds)
        yield stream, "__exit__", wrapped_by(wrap_exit)
        yield stream, "close", wrapped_by(wrap_exit)
        yield async_stream, "__aexit__", wrapped_by(wrap_async_exit)
        yield async_stream, "close", wrapped_by(wrap_async_exit)
    elif name.endswith(f".{TRACING}"):
        hook = getattr(module, "TracingHook", None)
        yield hook, "before_request", wrapped_by(wrap_before_request)
        yield hook, "after_success", wrapped_by(wrap_after_success)
        yield module, "get_traced_request_and_span", wrapped_by(wrap_traced_request)
    elif name.endswith(f".{RUNS}"):
        yield module, "create_function_result", wrapped_by(wrap_tool)
    elif name.endswith(f".{TOOLS}"):
        yield module, "trace", QuietTrace
    elif name.endswith(f".{BATCH_CLIENT}"):
        yield module, "_parse_output_obj", wrapped_by(wrap_output_line)
    elif name.endswith(f".{CONVERSATIONS}"):
        yield module, "tracer", QuietTracer
    yield from _rows(name, module, own)


def _rows(name: str, module: ModuleType, own: Own) -> Iterator[tuple[Any, str, Make]]:
    for method in METHODS:
        if name.endswith(f".{method.module}"):
            cls = getattr(module, method.cls, None)
            if not is_meant(cls, method):
                continue
            row = partial(own, method)
            yield cls, method.method, wrapped_by(wrap_call, row)
            yield cls, f"{method.method}_async", wrapped_by(wrap_async_call, row)
    for each in (*LOOPS, *BATCHES, *SESSIONS):
        if name.endswith(f".{each.module}"):
            cls = getattr(module, each.cls, None)
            yield cls, each.method, wrapped_by(wrap_async_call, partial(own, each))
    for suffix, class_name in JOBS:
        cls = getattr(module, class_name, None) if name.endswith(f".{suffix}") else None
        if takes(cls, "inline"):
            yield cls, "get", wrapped_by(wrap_get_job)
            yield cls, "get_async", wrapped_by(wrap_get_job)
    for owner, method_name, wrapper in connection_targets(module):
        yield owner, method_name, wrapped_by(wrapper)


def _streams_of(module: str) -> tuple[str, str] | None:
    """Returns the names of the two classes of streams in a module, None if there are none."""
    found = (names for part, names in STREAMS.items() if module.endswith(f".{part}"))
    return next(found, None)
