# SPDX-License-Identifier: Apache-2.0
"""Calls that fail, streams that break, and what the program sees of it; sync and async."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from tests.support import sdk
from tests.support.usages import RAISING, OwnError, asking, read_all, two_attempts, usage

# Before Python 3.12 an exception that a future brings into a coroutine which is awaited in an
# ``except`` block loses frames, unless somebody catches it on its way. We do, so ours has them all.
_LOSES_FRAMES = ("deprecated",)


@usage("completed", "error")
def retries(conversations: Any) -> Any:
    events = list(conversations.start_stream(**asking("retry_then_ok", retries=sdk.retries())))
    try:
        conversations.start_stream(**asking("retry_exhausted", retries=two_attempts()))
    except Exception as exc:  # noqa: BLE001 -- compared
        return [events, exc]


@usage("error", "error")
def calls_wrongly(conversations: Any) -> Any:
    errors: list[Any] = []
    for args, kwargs in (((), {"temprature": 1}), (("Hello?",), {})):
        try:
            conversations.start_stream(*args, **asking(), **kwargs)
        except TypeError as exc:
            errors.append(exc)
    return errors


def _limit(scenario: str) -> int:
    """Milliseconds: few, where they will pass, else more than a busy machine needs."""
    return 100 if scenario in ("no_answer", "hang") else 10_000


def _reading(scenario: str) -> Callable[[Any], Any]:
    def reads(conversations: Any) -> Any:
        arguments = asking(scenario, timeout_ms=_limit(scenario))
        events: list[Any] = []
        try:
            raise OwnError("before")
        except OwnError:
            events.extend(_raised(lambda: list(conversations.start_stream(**arguments))))
        with conversations.start_stream(**arguments) as stream:
            events.extend(stream)
        return events

    reads.__name__ = f"reads_{scenario}"
    return reads


def _raised(call: Callable[[], Any]) -> Iterator[Any]:
    try:
        yield call()
    except Exception as exc:  # noqa: BLE001 -- compared
        yield exc


@usage("completed", "error")
async def retries_too(conversations: Any) -> Any:
    start = conversations.start_stream_async
    events = await read_all(await start(**asking("retry_then_ok", retries=sdk.retries())))
    try:
        await start(**asking("retry_exhausted", retries=two_attempts()))
    except Exception as exc:  # noqa: BLE001 -- compared
        return [events, exc]


@usage("error", "error")
async def calls_wrongly_too(conversations: Any) -> Any:
    errors: list[Any] = []
    for args, kwargs in (((), {"temprature": 1}), (("Hello?",), {})):
        # Without await: the call itself raises.
        try:
            conversations.start_stream_async(*args, **asking(), **kwargs)
        except TypeError as exc:
            errors.append(exc)
    return errors


def _reading_async(scenario: str) -> Callable[[Any], Any]:
    async def reads(conversations: Any) -> Any:
        arguments = asking(scenario, timeout_ms=_limit(scenario))
        seen: list[Any] = []
        try:
            raise OwnError("before")
        except OwnError:
            try:
                seen.extend(await read_all(await conversations.start_stream_async(**arguments)))
            except Exception as exc:  # noqa: BLE001 -- compared
                loses_frames = sys.version_info < (3, 12) and scenario in _LOSES_FRAMES
                seen.append(repr(exc) if loses_frames else exc)
        try:
            async with await conversations.start_stream_async(**arguments) as stream:
                seen.extend([event async for event in stream])
        except Exception as exc:  # noqa: BLE001 -- compared
            seen.append(exc)
        return seen

    reads.__name__ = f"reads_{scenario}"
    return reads


@usage("error", "failed")
def forgets_exceptions(conversations: Any) -> Any:
    gone: list[bool] = []
    kept: Callable[[], Any] = object
    for scenario in ("http_404", "cut"):
        try:
            list(conversations.start_stream(**asking(scenario)))
        except Exception as exc:  # noqa: BLE001 -- which one is compared elsewhere
            kept = weakref.ref(exc)
            del exc
        gone.append(kept() is None)
    return gone


@usage("error", "failed")
async def forgets_exceptions_too(conversations: Any) -> Any:
    gone: list[bool] = []
    kept: Callable[[], Any] = object
    for scenario in ("http_404", "cut"):
        try:
            await read_all(await conversations.start_stream_async(**asking(scenario)))
        except Exception as exc:  # noqa: BLE001 -- which one is compared elsewhere
            kept = weakref.ref(exc)
            del exc
        gone.append(kept() is None)
    return gone


for _scenario, _outcome in RAISING.items():
    for _made in (_reading, _reading_async):
        usage(_outcome, _outcome)(_made(_scenario))
