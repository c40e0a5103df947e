# SPDX-License-Identifier: Apache-2.0
"""A conversation with a secret in every text of it."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.support import sdk
from tests.support.agent_runs import MODEL
from tests.support.telling import TELLS_CALLS

BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["response", "stream"])
USAGE: Final = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
RESPONDS = pytest.mark.skipif(sdk.VERSION < (3, 4), reason="responses came with 3.4")
_clients: Final[list[Any]] = []


def client_of(url: str) -> Any:
    """A client without certificates, which take long to load."""
    http = sdk.httpx.Client(verify=False, trust_env=False)
    own = sdk.httpx.AsyncClient(verify=False, trust_env=False)
    client = sdk.Mistral(api_key="key", server_url=url, client=http, async_client=own)
    # Before mistralai 1.9.11 a part of a client stops working when the client is dropped.
    _clients.append(client)
    return client


def arguments(secret: str) -> str:
    """What a tool is given: with the secret as a name, as a value, and in JSON in JSON."""
    return json.dumps({f"{secret}-key": secret, "json": json.dumps({"deep": [secret]})})


def conversation(secret: str) -> list[Any]:
    """The events of a conversation."""
    say = {"type": "message.output.delta", "id": "msg_1", "output_index": 2, "content_index": 0,
           "role": "assistant", "model": MODEL}  # fmt: skip
    tool = {"id": f"tool {secret}", "name": "web_search", "output_index": 0}
    link = {"type": "tool_reference", "tool": "web_search", "title": secret, "url": secret}
    call = {"type": "function.call.delta", "id": "fc_1", "name": f"invented {secret}",
            "tool_call_id": f"call {secret}", "output_index": 3}  # fmt: skip
    given = {"arguments": arguments(secret)} if TELLS_CALLS else {}
    return [
        {"type": "conversation.response.started", "conversation_id": "conv_1"},
        {"type": "tool.execution.started", **tool, **given},
        {"type": "tool.execution.done", **tool, "info": json.loads(arguments(secret))},
        {**say, "content": f"so {secret} he said"},
        {**say, "content": link},
        {**say, "content": {"type": "tool_file", "tool": "image_generation", "file_id": secret}},
        {**call, "arguments": arguments(secret)},
        {"type": "conversation.response.done", "usage": USAGE},
    ]


def whole(events: list[Any]) -> Any:
    """The same as a response that is not streamed."""
    from emulator.outputs import conversation_response

    return conversation_response("conv_1", events)
