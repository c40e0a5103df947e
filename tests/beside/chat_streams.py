# SPDX-License-Identifier: Apache-2.0
"""The usages of conversation streams, made of ``chat.stream``: a method that others wrap too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from emulator.scenario import COMPLETION, load_scenarios
from tests.support import sdk, usages_async, usages_errors, usages_python, usages_sync
from tests.support.completions import MODEL
from tests.support.usages import USAGES

# Imported so that their usages are in the list.
assert all((usages_sync, usages_async, usages_errors, usages_python))

_HEADER: Final = "x-emulator-scenario"
_SCENARIOS: Final = {
    "agent": "chat",
    "answer": "chat",
    "events_after_done": "chat_after_done",
    "inside_event": "chat_inside_chunk",
}
# They are about what only conversations have.
_OF_CONVERSATIONS: Final = ("appends_and_restarts", "looks_at_the_methods", "mocks")


class ChatStreams:
    """Given to a usage in the place of ``client.beta.conversations``."""

    def __init__(self, sdk_configuration: Any) -> None:
        self.sdk_configuration = sdk_configuration
        self._client: Final[Any] = sdk.Mistral(
            "key",
            server_url=sdk_configuration.server_url,
            client=sdk_configuration.client,
            async_client=sdk_configuration.async_client,
        )

    def start_stream(self, *args: Any, **given: Any) -> Any:
        """``chat.stream`` with the same scenario."""
        return self._client.chat.stream(*args, **_arguments(**given))

    # Not a coroutine function: when the call itself raises, and what it returns, is compared.
    def start_stream_async(self, *args: Any, **given: Any) -> Any:
        """``chat.stream_async`` with the same scenario."""
        return self._client.chat.stream_async(*args, **_arguments(**given))


def _arguments(
    inputs: Any, http_headers: Mapping[str, str], tools: Any = None, **given: Any
) -> dict[str, Any]:
    del tools
    said = [{"role": "user", "content": inputs}] if isinstance(inputs, str) else _each(inputs)
    headers = {_HEADER: _scenario(http_headers[_HEADER])}
    return {**given, "model": MODEL, "messages": said, "http_headers": headers}


def _each(entries: Any) -> Any:
    """Messages that can be read only once."""
    for entry in entries:
        yield {"role": entry["role"], "content": entry["content"]}


def _scenario(name: str) -> str:
    of_chat = _SCENARIOS.get(name, f"chat_{name}")
    return of_chat if of_chat in load_scenarios() else name


def _answers(scenario: str) -> bool:
    """Whether chat can be answered as in a scenario, or in one that is like it."""
    return load_scenarios()[_scenario(scenario)].api in (None, COMPLETION)


def _of_chat(run: Callable[[Any], Any], *, is_async: bool) -> Callable[[Any], Any]:
    def program(conversations: Any) -> Any:
        return run(ChatStreams(conversations.sdk_configuration))

    async def async_program(conversations: Any) -> Any:
        return await run(ChatStreams(conversations.sdk_configuration))

    return async_program if is_async else program


def _is_of_chat(name: str) -> bool:
    if name in _OF_CONVERSATIONS:
        return False
    scenario = name.partition("reads_")[2]
    return scenario not in load_scenarios() or _answers(scenario)


CHAT_STREAMS: Final = {
    f"chat {usage.name}": _of_chat(usage.run, is_async=usage.name.startswith("async"))
    for usage in USAGES
    if _is_of_chat(usage.name.partition(" ")[2])
}
