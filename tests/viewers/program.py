# SPDX-License-Identifier: Apache-2.0
"""The demo, with conversations that fail and one that is left before it, and hooks if asked for.

``python -m tests.viewers.program [for_phoenix | for_mlflow | ForPhoenix]``
"""

from __future__ import annotations

import sys
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from mistralai.client.errors import SDKError
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from examples import quickstart
from examples.viewers import recipes
from opentelemetry.instrumentation.genai.mistralai import instrument

if TYPE_CHECKING:
    from mistralai.client import Mistral

# Nothing of these is in the demo. The first is refused, the second fails midway, the third is left.
REFUSED = "Is this too much?"
BROKEN = "Does this break?"
LEFT = "Do I stay?"
_READ_OF_IT = 8


def go_wrong(client: Mistral) -> None:
    """Three conversations that do not end well."""

    def ask(question: str, scenario: str, events: int | None = None) -> None:
        stream = client.beta.conversations.start_stream(
            model=quickstart.MODEL, inputs=question, http_headers={"x-emulator-scenario": scenario}
        )
        with stream:
            list(islice(stream, events))

    with suppress(SDKError):
        ask(REFUSED, "http_429")
    ask(BROKEN, "error_event")
    ask(LEFT, "web_search", _READ_OF_IT)


def main() -> None:
    """Holds the conversations, and sends them."""
    for name in sys.argv[1:]:
        recipe = getattr(recipes, name)
        if isinstance(recipe, type):
            quickstart.providers.tracer_provider.add_span_processor(BatchSpanProcessor(recipe()))
        else:
            instrument(response_hook=recipe)
    with quickstart.emulated() as client:
        go_wrong(client)
    quickstart.main([])


if __name__ == "__main__":
    main()
