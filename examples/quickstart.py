# SPDX-License-Identifier: Apache-2.0
"""Conversations with a tool, a handoff and a local function, streamed and seen: ``make demo``.

Talks to the emulator in this repository; with ``MISTRAL_API_KEY`` set, to Mistral (and, with
``MISTRAL_AGENT_ID``, to an agent of yours). Draws what was recorded; with
``OTEL_EXPORTER_OTLP_ENDPOINT`` set, sends it there too.
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
import asyncio  # noqa: E402 -- the lines above come first, to be read
import os  # noqa: E402
from collections.abc import Generator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from typing import Any  # noqa: E402

from mistralai.client import Mistral  # noqa: E402
from mistralai.client.models import WebSearchTool  # noqa: E402
from mistralai.extra.run.context import RunContext  # noqa: E402
from rich.console import Console  # noqa: E402

from emulator import serve  # noqa: E402
from examples.waterfall import draw  # noqa: E402

MODEL = "mistral-medium-latest"
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


def two_turns(client: Mistral) -> None:
    """A conversation with a tool that runs on the server, and its next turn."""
    conversations = client.beta.conversations
    question = "What does OpenTelemetry say about a stream? Look it up."
    stream = conversations.start_stream(model=MODEL, inputs=question, tools=[WebSearchTool()])
    conversation_id = tell(question, stream)
    if conversation_id is None:
        return
    question = "And in one sentence?"
    tell(question, conversations.append_stream(conversation_id=conversation_id, inputs=question))


def a_handoff(client: Mistral, agent_id: str) -> None:
    """A conversation in which agents hand over to each other."""
    question = "Who of you can write this down?"
    stream = client.beta.conversations.start_stream(
        agent_id=agent_id, inputs=question, http_headers=told_by_emulator("handoff_chain")
    )
    tell(question, stream)


def get_weather(city: str) -> str:
    """Tells the weather.

    Args:
        city: where.
    """
    return f"22 degrees in {city}"


async def a_local_function(client: Mistral) -> None:
    """A loop that calls a function of this program."""
    async with client, RunContext(model=MODEL) as run_context:
        run_context.register_func(get_weather)  # pyright: ignore[reportUnknownMemberType] -- the SDK's
        question = "How warm is it in Paris?"
        console.print(f"\n[bold]{question}[/]")
        result = await client.beta.conversations.run_async(
            run_ctx=run_context, inputs=question, http_headers=told_by_emulator("run_function")
        )
        console.print(result.output_as_text, highlight=False)


def told_by_emulator(scenario: str) -> dict[str, str]:
    """What the emulator is to tell; Mistral's API decides for itself."""
    return {} if os.environ.get("MISTRAL_API_KEY") else {"x-emulator-scenario": scenario}


def main() -> None:
    """Asks some questions and shows what was recorded."""
    with a_client() as client:
        two_turns(client)
        agent_id = os.environ.get("MISTRAL_AGENT_ID")
        if agent_id or not os.environ.get("MISTRAL_API_KEY"):
            a_handoff(client, agent_id or "ag_triage")
        asyncio.run(a_local_function(client))
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
