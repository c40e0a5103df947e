# SPDX-License-Identifier: Apache-2.0
"""The SDK's client of batches, used against the emulator."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Coroutine
from typing import Any, Final

from emulator import Emulator
from tests.support import sdk

CHAT: Final = "/v1/chat/completions"
Use = Callable[[Any], Coroutine[Any, Any, Any]]


def batch(emulator: Emulator, use: Use, *, status: str = "batch_done") -> Any:
    """Uses the SDK's client of batches; its job has this state."""
    extra: Any = importlib.import_module("mistralai.extra.batch")
    models: Any = importlib.import_module("mistralai.client.models")

    async def go() -> Any:
        async with (
            sdk.httpx.AsyncClient(verify=False) as http,
            sdk.Mistral("key", server_url=emulator.url, async_client=http) as mistral,
        ):
            body_type = models.ChatCompletionResponse
            own = extra.BatchClient(mistral, endpoint=CHAT, response_body_type=body_type)
            handle = await own.get("job_1", http_headers={"x-emulator-scenario": status})
            return await use((own, handle, mistral))

    return asyncio.run(go())


async def output(known: Any) -> Any:
    own, handle, _ = known
    return await own.output(handle)
