# SPDX-License-Identifier: Apache-2.0
"""What a caller sees of a run, as values by which two runs can be compared."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import inspect
import os
import re
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from datetime import datetime
from traceback import walk_tb
from typing import Any, Final

import wrapt

from emulator import Emulator
from tests.support.recording import until
from tests.support.sdk import Mistral, httpx

_SPEC: Final = importlib.util.find_spec("opentelemetry.instrumentation.genai.mistralai")
assert _SPEC is not None
assert _SPEC.origin is not None
# Frames in these are the only thing in which a patched run may differ.
OURS: Final = tuple(os.path.dirname(str(path)) for path in (_SPEC.origin, wrapt.__file__))
_VOLATILE: Final = (
    (re.compile(r"conv_[0-9a-f]{32}"), "conv_ID"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"), "DATE"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"), "TIME"),
    (re.compile(r"(0x|cancel scope )[0-9a-f]{6,}"), "ADDRESS"),
    (re.compile(r"(fd|raddr|laddr|port)=[^,>]*"), "SOCKET"),
    (re.compile(r"Task-\d+"), "TASK"),
)


_server: Final[ContextVar[Emulator]] = ContextVar("server")


async def asked(count: int) -> None:
    """Waits until the server has so many requests of the usage that is observed.

    One that is cancelled before is not there in every run, and its exception comes from elsewhere.
    """
    emulator = _server.get()
    await until(lambda: len(emulator.requests) >= count)


@dataclass
class Seen:
    """All that a caller, and the server, could tell two runs apart by."""

    result: Any
    warnings: list[tuple[str, str]]
    unraisable: list[Any]
    context_was_kept: bool
    requests: list[Any]


def observe(usage: Callable[[Any], Any], emulator: Emulator) -> Seen:
    """Runs a usage with a new client and tells what was to be seen.

    Args:
        usage: a function, or an async one, of ``client.beta.conversations``; what it returns or
            raises is part of what is seen.
        emulator: forgets what it was asked before.
    """
    emulator.clear()
    _server.set(emulator)
    with _caught_warnings() as caught, _caught_unraisable() as unraisable:
        before = dict(copy_context())
        if inspect.iscoroutinefunction(usage):
            result = asyncio.run(_run_async(usage, emulator.url))
        else:
            result = _run(usage, emulator.url)
        kept = dict(copy_context()) == before
        gc.collect()
    requests = [described((r.method, r.path, r.headers, r.body)) for r in emulator.requests]
    return Seen(result, caught, unraisable, kept, sorted(requests, key=repr))


def _run(usage: Callable[[Any], Any], url: str) -> Any:
    with _http(httpx.Client) as http:
        client = Mistral(
            api_key="key", server_url=url, client=http, async_client=_http(httpx.AsyncClient)
        )
        try:
            return ("returned", described(usage(client.beta.conversations)))
        except BaseException as exc:  # noqa: BLE001 -- it is part of what is seen
            return ("raised", described(exc))


async def _run_async(usage: Callable[[Any], Any], url: str) -> Any:
    async with _http(httpx.AsyncClient) as http:
        client = Mistral(
            api_key="key", server_url=url, client=_http(httpx.Client), async_client=http
        )
        before = dict(copy_context())
        try:
            result = ("returned", described(await usage(client.beta.conversations)))
        except BaseException as exc:  # noqa: BLE001 -- it is part of what is seen
            result = ("raised", described(exc))
        return (*result, dict(copy_context()) == before)


def _http(kind: Any) -> Any:
    # As the SDK makes its own, but without the 40 ms that loading certificates takes.
    return kind(follow_redirects=True, verify=False, trust_env=False)


@contextmanager
def _caught_warnings() -> Generator[list[tuple[str, str]], None, None]:
    seen: list[tuple[str, str]] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield seen
    seen.extend(sorted((str(w.category), stable(str(w.message))) for w in caught))


@contextmanager
def _caught_unraisable() -> Generator[list[Any], None, None]:
    seen: list[Any] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda args: seen.append(described(args.exc_value))
    try:
        yield seen
    finally:
        sys.unraisablehook = before


def described(value: Any) -> Any:
    """A value as one that equals that of another run if a caller could not tell them apart."""
    for kind, describe in _DESCRIPTIONS:
        if isinstance(value, kind):
            return describe(value)
    if hasattr(value, "model_dump"):
        # By what it holds, since ids and times are new in each run.
        return (type(value), described(value.model_dump()))
    return (type(value), stable(repr(value)))


def stable(text: str) -> str:
    """A text without what is new in each run."""
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return text


def exception(exc: BaseException | None, seen: tuple[int, ...] = ()) -> Any:
    """An exception: class, texts, where it passed through, and those that it came from."""
    if exc is None or id(exc) in seen:
        return None if exc is None else "cycle"
    chain = (*seen, id(exc))
    return {
        "class": type(exc),
        "text": stable(str(exc)),
        "args": [stable(repr(argument)) for argument in exc.args],
        "frames": frames(exc),
        "cause": exception(exc.__cause__, chain),
        "context": exception(exc.__context__, chain),
        "suppress": exc.__suppress_context__,
        "notes": getattr(exc, "__notes__", None),
    }


def frames(exc: BaseException) -> list[tuple[str, str, int]]:
    """The traceback, without frames in our files and wrapt's."""
    return [
        (frame.f_code.co_filename, frame.f_code.co_name, line)
        for frame, line in walk_tb(exc.__traceback__)
        if not frame.f_code.co_filename.startswith(OURS)
    ]


def _itself(value: Any) -> Any:
    return value


def _items(value: Any) -> Any:
    return {described(key): described(item) for key, item in value.items()}


def _elements(value: Any) -> Any:
    return [described(item) for item in value]


_DESCRIPTIONS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (BaseException, exception),
    (datetime, lambda _: "datetime"),
    (str, stable),
    ((type(None), int, float, bytes, type), _itself),
    (dict, _items),
    ((list, tuple), _elements),
)
