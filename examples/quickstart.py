# SPDX-License-Identifier: Apache-2.0
"""Two turns of a conversation, streamed and seen: ``make demo``.

Talks to the emulator in this repository; with ``MISTRAL_API_KEY`` set, to Mistral. Draws what was
recorded; with ``OTEL_EXPORTER_OTLP_ENDPOINT`` set, sends it there too.
"""

from __future__ import annotations

# What a program needs to be seen: these five lines, and an exporter of its choice.
from opentelemetry import metrics, trace

from examples.providers import Providers
from opentelemetry.instrumentation.genai.mistralai import instrument

providers = Providers()
trace.set_tracer_provider(providers.tracer_provider)
metrics.set_meter_provider(providers.meter_provider)
instrument()

# From here on, a program that knows nothing of OpenTelemetry.
import os  # noqa: E402 -- the lines above come first, to be read
from collections.abc import Generator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from typing import Any  # noqa: E402

from mistralai.client import Mistral  # noqa: E402
from mistralai.client.models import WebSearchTool  # noqa: E402
from rich.console import Console  # noqa: E402

from emulator import serve  # noqa: E402
from examples.waterfall import draw  # noqa: E402

console = Console()


@contextmanager
def a_client() -> Generator[Mistral]:
    """Mistral's API where there is a key, else the emulator."""
    key = os.environ.get("MISTRAL_API_KEY")
    if key:
        with Mistral(api_key=key) as client:
            yield client
        return
    with serve() as emulator, Mistral(api_key="none", server_url=emulator.url) as client:
        console.print(f"[dim]No MISTRAL_API_KEY: talking to the emulator at {emulator.url}[/]")
        yield client


def tell(question: str, stream: Any) -> str | None:
    """Prints an answer while it streams in, and returns the conversation's id."""
    console.print(f"\n[bold]{question}[/]")
    conversation_id = None
    for event in stream:
        data = event.data
        if data.type == "conversation.response.started":
            conversation_id = data.conversation_id
        elif data.type == "tool.execution.started":
            console.print(f"[dim]({data.name} ...)[/] ", end="")
        elif data.type == "message.output.delta":
            text = (
                data.content if isinstance(data.content, str) else getattr(data.content, "text", "")
            )
            console.print(text, end="", highlight=False)
    console.print()
    return conversation_id


def main() -> None:
    """Asks two questions and shows what was recorded."""
    with a_client() as client:
        conversations = client.beta.conversations
        question = "What does OpenTelemetry say about a stream? Look it up."
        stream = conversations.start_stream(
            model="mistral-medium-latest", inputs=question, tools=[WebSearchTool()]
        )
        conversation_id = tell(question, stream)
        if conversation_id is None:
            return
        question = "And in one sentence?"
        stream = conversations.append_stream(conversation_id=conversation_id, inputs=question)
        tell(question, stream)
    draw(console, providers.finished_spans(), providers.counters())
    providers.shutdown()
    if providers.endpoint:
        console.print(f"\nSent to {providers.endpoint}.")
    else:
        console.print(
            '\nTo see it in Jaeger: start one (README, "See it in Jaeger"), then\n'
            "  [bold]OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 make demo[/]"
        )


if __name__ == "__main__":
    main()
