# SPDX-License-Identifier: Apache-2.0
"""Records how a batch's results are read with the SDK's ``BatchClient``.

A batch is not one span over hours: `create_batch` and `collect_batch` are spans of their own, and
linked. A call that first waits for the job has no span: its results are counted all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from opentelemetry.context import get_current

from .. import _log
from .._otel.surroundings import is_unwanted
from .._reading.batches import is_running
from .._reading.fields import fields_of, items_of
from .._recording.batch_lines import read_line
from .calls import Method, listening
from .coroutines import Unawaited, is_coroutine, named_like

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from .._otel.telemetry import Telemetry
    from .protocols import Args, Arguments, Opened


class CollectingMethod(Method):
    """Describes a method of ``BatchClient`` that reads results; it is async, and has no twin."""

    __slots__ = ()

    def begin(
        self, telemetry: Telemetry, owner: object, args: Args, kwargs: Arguments, context: Context
    ) -> Opened | None:
        """Starts the span of a call; none if the job still runs, since the call waits for it."""
        job = fields_of(args[0] if args else kwargs.get("handle")).get("job")
        if is_running(fields_of(job)):
            return None
        client = fields_of(owner).get("_client")
        return super().begin(telemetry, client, (), {**kwargs, "job": job}, context)


def wrap_output_line(
    wrapped: Callable[..., Any], _instance: object, args: Args, kwargs: Arguments
) -> Any:
    """Wraps ``_parse_output_obj``, which sees each line of results once each time it is read."""
    result = wrapped(*args, **kwargs)
    _count(args[:1], wrapped)
    return result


def wrap_get_job(
    wrapped: Callable[..., Any], _instance: object, args: Args, kwargs: Arguments
) -> Any:
    """Wraps ``jobs.get``: with ``inline=True`` the job that it returns has the results in it."""
    result = wrapped(*args, **kwargs)
    if kwargs.get("inline") is not True:
        return result
    if is_coroutine(result):
        return named_like(result, _job_of(Unawaited(result), wrapped))
    _count(items_of(fields_of(result).get("outputs")), wrapped)
    return result


async def _job_of(unawaited: Unawaited, wrapped: Callable[..., Any]) -> Any:
    job = await unawaited.started()
    _count(items_of(fields_of(job).get("outputs")), wrapped)
    return job


def _count(lines: Iterable[object], wrapped: Callable[..., Any]) -> None:
    """Counts lines of results, which the caller of the wrapped function has read."""
    telemetry = listening()
    if telemetry is None:
        return
    try:
        if not is_unwanted(get_current(), wrapped, None):
            for line in lines:
                telemetry.batches.add(read_line(line))
    except Exception as exc:  # noqa: BLE001 -- the caller must get its results
        _log.report("count the results of a batch", exc)
