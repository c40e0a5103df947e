# SPDX-License-Identifier: Apache-2.0
"""What Python lets a program do with streams, generators, methods and coroutines."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import pickle
from contextvars import copy_context
from itertools import product
from typing import Any
from unittest import mock

from tests.support.usages import asking, class_of, read_all, usage

_COPYING = (copy.copy, pickle.dumps, copy.deepcopy)


@usage("completed")
def looks_at_the_response(conversations: Any) -> Any:
    stream = conversations.start_stream(**asking())
    response = stream.response
    told = [class_of(response), response.status_code, response.headers["content-type"]]
    return [*told, response.request.content, list(stream), response.is_closed]


@usage("completed", "closed")
def reads_the_generator_inside(conversations: Any) -> Any:
    events = list(conversations.start_stream(**asking()).generator)
    generator = conversations.start_stream(**asking()).generator
    first = next(generator)
    generator.close()
    return [events, first, next(generator, "over")]


@usage("completed", "completed")
def copies(conversations: Any) -> Any:
    stream = conversations.start_stream(**asking())
    copied = copy.copy(stream)
    seen: list[Any] = [class_of(copied), next(copied)]
    copied_of: Any = None
    for attempt, copied_of in product(_COPYING, (stream, stream.generator)):
        try:
            attempt(copied_of)
        except Exception as exc:  # noqa: BLE001 -- compared
            seen.append((class_of(exc), str(exc)))
    del stream, copied_of
    return [seen, list(copied), list(conversations.start_stream(**asking()))]


@usage()
def looks_at_the_methods(conversations: Any) -> Any:
    cls = class_of(conversations)
    looked: list[Any] = []
    for name in ("start_stream", "append_stream", "restart_stream"):
        for method_name in (name, f"{name}_async"):
            for method in (getattr(conversations, method_name), getattr(cls, method_name)):
                looked.append([str(inspect.signature(method)), inspect.getfullargspec(method)])
                looked.append([method.__name__, method.__qualname__, method.__module__])
                looked.append([method.__doc__, method.__kwdefaults__, inspect.getsource(method)])
                looked.append([inspect.iscoroutinefunction(method), inspect.isfunction(method)])
                looked.append([inspect.ismethod(method), hasattr(method, "__self__")])
            bound = getattr(conversations, method_name)
            looked.append([bound.__self__ is conversations, method_name in vars(cls)])
            again = getattr(conversations, method_name)
            looked.append([bound == again, hash(bound) == hash(again), method_name in dir(cls)])
    looked.append([sorted(dir(cls)), sorted(dir(conversations))])
    return looked


@usage("completed", "completed", "completed", "completed")
def calls_in_other_ways(conversations: Any) -> Any:
    class Own(class_of(conversations)):  # type: ignore[misc] # pyright: ignore[reportUntypedBaseClass] -- of which line is not known
        def start_stream(self, **kwargs: Any) -> Any:
            parent: Any = super()
            return parent.start_stream(**kwargs)

    start = class_of(conversations).start_stream
    saved = conversations.start_stream
    partial = functools.partial(conversations.start_stream, **asking())
    own = Own(conversations.sdk_configuration)
    ways = (partial(), saved(**asking()), start(conversations, **asking()))
    return [[list(way) for way in ways], list(own.start_stream(**asking()))]


@usage()
def mocks(conversations: Any) -> Any:
    mocked = mock.create_autospec(class_of(conversations), instance=True)
    mocked.start_stream(inputs="Hello?")
    kinds = [class_of(mocked.start_stream), class_of(mocked.start_stream_async)]
    seen: list[Any] = [kind.__name__ for kind in kinds]
    try:
        mocked.start_stream(inputs="Hello?", temprature=1)
    except TypeError as exc:
        seen.append(str(exc))
    with mock.patch.object(class_of(conversations), "start_stream", return_value=[1]):
        return [*seen, conversations.start_stream(**asking())]


@usage("completed")
def watches_its_context(conversations: Any) -> Any:
    before = dict(copy_context())
    with conversations.start_stream(**asking()) as stream:
        kept = [dict(copy_context()) == before]
        kept.extend(dict(copy_context()) == before for _ in stream)
    return [*kept, dict(copy_context()) == before]


@usage("completed")
async def never_awaits(conversations: Any) -> Any:
    coroutine = conversations.start_stream_async(**asking())
    seen = [class_of(coroutine), coroutine.__name__, coroutine.__qualname__]
    seen.append([inspect.iscoroutine(coroutine), inspect.getcoroutinestate(coroutine)])
    del coroutine
    gc.collect()
    closed = conversations.start_stream_async(**asking())
    closed.close()
    seen.append(inspect.getcoroutinestate(closed))
    awaited = conversations.start_stream_async(**asking())
    seen.append(await read_all(await awaited))
    try:
        await awaited
    except RuntimeError as exc:
        return [seen, exc]


@usage("completed", "closed")
async def reads_the_generator_inside_too(conversations: Any) -> Any:
    events = await read_all((await conversations.start_stream_async(**asking())).generator)
    generator = (await conversations.start_stream_async(**asking())).generator
    first = await anext(generator)
    await generator.aclose()
    return [events, first, await anext(generator, "over")]


@usage("completed")
async def copies_too(conversations: Any) -> Any:
    stream = await conversations.start_stream_async(**asking())
    copied = copy.copy(stream)
    seen: list[Any] = [class_of(copied), await anext(copied)]
    copied_of: Any = None
    for attempt, copied_of in product(_COPYING, (stream, stream.generator)):
        try:
            attempt(copied_of)
        except Exception as exc:  # noqa: BLE001 -- compared
            seen.append((class_of(exc), str(exc)))
    del stream, copied_of
    return [seen, await read_all(copied)]


@usage("completed", "completed", "completed")
async def calls_in_other_ways_too(conversations: Any) -> Any:
    class Own(class_of(conversations)):  # type: ignore[misc] # pyright: ignore[reportUntypedBaseClass] -- of which line is not known
        async def start_stream_async(self, **kwargs: Any) -> Any:
            parent: Any = super()
            return await parent.start_stream_async(**kwargs)

    partial = functools.partial(conversations.start_stream_async, **asking())
    unbound = class_of(conversations).start_stream_async(conversations, **asking())
    own = Own(conversations.sdk_configuration)
    ways = [await partial(), await unbound, await own.start_stream_async(**asking())]
    return [await read_all(way) for way in ways]


@usage("completed")
async def watches_its_context_too(conversations: Any) -> Any:
    before = dict(copy_context())
    async with await conversations.start_stream_async(**asking()) as stream:
        kept = [dict(copy_context()) == before]
        kept.extend([dict(copy_context()) == before async for _ in stream])
    return [*kept, dict(copy_context()) == before]
