# SPDX-License-Identifier: Apache-2.0
"""Everything that programs do with the SDK here: conversations, chat streams, and every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from emulator.scenario import load_scenarios
from tests.beside.chat_streams import CHAT_STREAMS
from tests.support import methods, sdk
from tests.support.completion_usages import (
    OF_CHAT,
    async_program,
    forgets,
    forms,
    looks,
    sync_program,
    wrongly,
)
from tests.support.completions import City, arguments, named
from tests.support.other_calls import SINCE
from tests.support.usages import USAGES, OwnError

Program = Callable[[Any], Any]
_FAILURES: Final = ("http_422", "html", "json_200", "no_answer")
# Of the usages that read a broken stream, which are many, the other libraries know no more than
# these: an error before there is a stream, and one in the middle of it.
_READ: Final = ("http_429", "cut")


def asks(method: str, given: dict[str, Any], scenario: str | None = None) -> Program:
    """Makes a call in an ``except`` block, and reads whatever can be read of its result."""
    asked = {**given, **arguments("", scenario, timeout_ms=_limit(scenario))}

    def body(client: Any) -> Any:
        try:
            raise OwnError("before")
        except OwnError:
            result = named(client, method)(**asked)
            # By what it can do: the other library may have put a generator in its place.
            return list(result) if hasattr(result, "__next__") else result

    return sync_program(body)


def asks_async(method: str, given: dict[str, Any], scenario: str | None = None) -> Program:
    """The same with the async twin."""
    asked = {**given, **arguments("", scenario, timeout_ms=_limit(scenario))}

    async def body(client: Any) -> Any:
        try:
            raise OwnError("before")
        except OwnError:
            result = await named(client, f"{method}_async")(**asked)
            is_stream = hasattr(result, "__anext__")
            return [event async for event in result] if is_stream else result

    return async_program(body)


def _limit(scenario: str | None) -> int:
    """Milliseconds: few, where they will pass, else more than a busy machine needs."""
    return 200 if scenario in ("no_answer", "chat_hang") else 10_000


def _of_usages() -> dict[str, Program]:
    of_conversations = {f"conversations {usage.name}": usage.run for usage in USAGES}
    return {
        name: program
        for name, program in {**of_conversations, **CHAT_STREAMS}.items()
        if "reads_" not in name or not _reads_broken(name.partition("reads_")[2])
    }


def _reads_broken(scenario: str) -> bool:
    return scenario in load_scenarios() and scenario not in _READ


def _of_calls() -> dict[str, Program]:
    every = [call for call in methods.calls() if SINCE.get(call[0], (0,)) <= sdk.VERSION]
    city = arguments("chat", response_format=City)
    programs: dict[str, Program] = {}
    for kind, ask in (("sync", asks), ("async", asks_async)):
        for method, given in every:
            streamed = " streamed" if "stream" in given else ""
            programs[f"{kind} {method}{streamed}"] = ask(method, given)
        for method, given in (*every[:4], *(call for call in every if "embed" in call[0])):
            for scenario in _FAILURES:
                programs[f"{kind} {method} {scenario}"] = ask(method, given, scenario)
        for scenario in OF_CHAT:
            programs[f"{kind} chat.stream {scenario}"] = ask("chat.stream", every[1][1], scenario)
        for method in ("chat.parse", "chat.parse_stream"):
            programs[f"{kind} {method}"] = ask(method, city, "chat_json")
    for body in (forms, wrongly, forgets, looks):
        programs[f"sync {body.__name__}"] = sync_program(body)
    return programs


PROGRAMS: Final = {**_of_usages(), **_of_calls()}
