# SPDX-License-Identifier: Apache-2.0
"""A web application, ``gunicorn examples.zero_code.web:app``, that asks Mistral for each request.

It knows nothing of OpenTelemetry. With ``--preload`` all of this runs once, before the workers are
forked; they share nothing of the client but its settings, for it connects when it is first used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from examples.zero_code.ask import MODEL, a_client

client = a_client()


def app(
    environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """Answers with the conversation's id, and with the process that held it, in a header."""
    question = environ["QUERY_STRING"] or "What names a span?"
    conversation = client.beta.conversations.start(model=MODEL, inputs=question)
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Worker", str(os.getpid()))])
    return [conversation.conversation_id.encode()]
