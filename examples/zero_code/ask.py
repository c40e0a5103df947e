# SPDX-License-Identifier: Apache-2.0
"""Asks a question, then one more, and prints the answers while they stream in.

It knows nothing of OpenTelemetry; how it is seen all the same says README.md beside it. With
``MISTRAL_API_KEY`` it asks Mistral, or the server that ``MISTRAL_SERVER_URL`` names; without a key,
the emulator in this repository.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from mistralai.client import Mistral
from mistralai.client.models import WebSearchTool

MODEL = "mistral-medium-latest"


@contextmanager
def an_api() -> Generator[None]:
    """The emulator where there is no key, also for processes that are started inside."""
    if os.environ.get("MISTRAL_API_KEY"):
        yield
        return
    # Not at the top: with a key this program runs where the repository is not.
    from emulator import serve

    with serve() as emulator:
        os.environ.update(MISTRAL_API_KEY="none", MISTRAL_SERVER_URL=emulator.url)
        yield


def a_client() -> Mistral:
    """A client of the API."""
    key, url = os.environ.get("MISTRAL_API_KEY"), os.environ.get("MISTRAL_SERVER_URL")
    if not key:
        sys.exit(
            "MISTRAL_API_KEY is not set; examples/zero_code/README.md says whom to ask instead"
        )
    return Mistral(api_key=key, server_url=url)


def tell(stream: Any) -> str:
    """Prints an answer piece by piece, and returns the conversation's id."""
    conversation_id = ""
    for event in stream:
        if event.data.type == "conversation.response.started":
            conversation_id = event.data.conversation_id
        elif event.data.type == "message.output.delta":
            piece = event.data.content
            sys.stdout.write(piece if isinstance(piece, str) else getattr(piece, "text", ""))
    sys.stdout.write("\n")
    return conversation_id


def main() -> None:
    """Takes two turns of a conversation, the first with a tool that runs on the server."""
    with an_api(), a_client() as client:
        conversations = client.beta.conversations
        question = "What names a span? Look it up."
        stream = conversations.start_stream(model=MODEL, inputs=question, tools=[WebSearchTool()])
        conversation_id = tell(stream)
        question = "And in one sentence?"
        tell(conversations.append_stream(conversation_id=conversation_id, inputs=question))


if __name__ == "__main__":
    main()
