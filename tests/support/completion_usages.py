# SPDX-License-Identifier: Apache-2.0
"""Completions as real programs use them, rightly and wrongly, and what differs from run to run."""

from __future__ import annotations

import copy
import importlib
import re
import weakref
from collections.abc import Callable
from typing import Any, Final

from tests.support import sdk
from tests.support.completions import arguments

_TIMES: Final[dict[Any, str]] = {"created": "a time", "created_at": "a time"}
# Outside a span the SDK invents one for a workflow's worker.
_TRACEPARENT: Final = re.compile(r"\b00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]\b")
_VOLATILE: Final = re.compile(r"(boundary=|created(?:_at)?\W+)\w+")
OF_CHAT: Final = (
    "chat_choices", "chat_tool_calls", "chat_cached", "chat_no_usage", "chat_usage_after",
    "chat_no_finish", "chat_empty", "chat_cut", "chat_reset", "chat_hang", "chat_inside_chunk",
    "chat_broken_json", "chat_error_midway", "chat_deprecated", "chat_after_done", "chat_ping",
)  # fmt: skip


def sync_program(body: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A usage, which is given ``client.beta.conversations``, of the client that it belongs to."""

    def program(conversations: Any) -> Any:
        client = sdk.Mistral(
            "key",
            server_url=conversations.sdk_configuration.server_url,
            client=conversations.sdk_configuration.client,
            async_client=conversations.sdk_configuration.async_client,
        )
        return body(client)

    return program


def async_program(body: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def program(conversations: Any) -> Any:
        return await sync_program(body)(conversations)

    return program


def stable(seen: Any) -> Any:
    """What was seen, without seconds since 1970, boundaries in forms and the parent of a trace."""
    kind: type = seen.__class__
    if kind is dict:
        return {key: _TIMES.get(key) or stable(value) for key, value in seen.items()}
    if kind in (list, tuple):
        return [stable(item) for item in seen]
    return _TRACEPARENT.sub("00-", _VOLATILE.sub(r"\1", seen)) if kind is str else seen


def forms(client: Any) -> Any:
    models: Any = importlib.import_module(f"{sdk.ROOT}.models")
    unset: Any = importlib.import_module(f"{sdk.ROOT}.types").UNSET
    results: list[Any] = []
    given: list[Any] = [
        [{"role": "user", "content": "Hello"}],
        ({"role": "user", "content": [{"type": "text", "text": "Hello"}]},),
        [models.SystemMessage(content="Hi"), models.UserMessage(content="Hello")],
    ]
    for said in given:
        kept = copy.deepcopy(said)
        for value in (unset, None):
            nothing = {"temperature": value, "max_tokens": value, "stop": None, "tools": value}
            results.append(client.chat.complete(model="m", messages=said, **nothing))
            results.append(list(client.chat.stream(model="m", messages=said, **nothing)))
        assert said == kept
    return results


def wrongly(client: Any) -> Any:
    errors: list[Any] = []
    for call in (client.chat.complete, client.chat.complete_async, client.embeddings.create):
        for args, more in (((), {"temprature": 1}), (("Hello",), {})):
            try:
                call(*args, **more, model="m")
            except TypeError as exc:
                errors.append(exc)
    return errors


def forgets(client: Any) -> Any:
    gone: list[bool] = []
    kept: Callable[[], Any] = object
    for scenario in ("http_404", "chat_cut"):
        try:
            list(client.chat.stream(**arguments("chat", scenario)))
        except Exception as exc:  # noqa: BLE001 -- which one is compared elsewhere
            kept = weakref.ref(exc)
            del exc
        gone.append(kept() is None)
    return gone


def looks(client: Any) -> Any:
    stream = client.chat.stream(**arguments("chat"))
    told: list[Any] = [
        stream.__class__,
        iter(stream) is stream,
        sorted(stream.__dict__),
        next(stream),
    ]
    with stream as same:
        told += [same is stream, next(stream)]
    return [*told, stream.response.is_closed, stream.response.status_code]
