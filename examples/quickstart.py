# SPDX-License-Identifier: Apache-2.0
"""Conversations with a tool, a handoff and a local function, streamed and seen: ``make demo``.

Talks to the emulator in this repository; with ``--real`` (``make demo REAL=1``) to Mistral, with
your ``MISTRAL_API_KEY`` (and, with ``MISTRAL_AGENT_ID``, to an agent of yours). Draws what was
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
import argparse  # noqa: E402 -- the lines above come first, to be read
import asyncio  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Generator, Sequence  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from typing import Any  # noqa: E402

import httpx2  # noqa: E402
from mistralai.client import Mistral, errors  # noqa: E402
from mistralai.client.models import WebSearchTool  # noqa: E402
from mistralai.extra.run.context import RunContext  # noqa: E402
from rich.console import Console  # noqa: E402

from emulator import serve  # noqa: E402
from examples.providers import why_no_span  # noqa: E402
from examples.waterfall import draw  # noqa: E402

MODEL = "mistral-medium-latest"
console = Console()


@contextmanager
def emulated() -> Generator[Mistral]:
    """The emulator, whatever keys there are: nothing is asked that costs money."""
    with serve() as emulator, Mistral(api_key="none", server_url=emulator.url) as client:
        console.print(f"[dim]Talking to the emulator at {emulator.url}[/]")
        if os.environ.get("MISTRAL_API_KEY"):
            console.print("[dim]MISTRAL_API_KEY is not used: make demo REAL=1 asks Mistral[/]")
        yield client


@contextmanager
def real() -> Generator[Mistral]:
    """Mistral's API; a failure ends the program with one line."""
    key, url = os.environ.get("MISTRAL_API_KEY"), os.environ.get("MISTRAL_SERVER_URL")
    if not key:
        sys.exit("MISTRAL_API_KEY is not set. Without --real the emulator answers.")
    console.print("[dim]Asking Mistral with your MISTRAL_API_KEY: these requests cost money[/]")
    try:
        with Mistral(api_key=key, server_url=url) as client:
            yield client
    except errors.MistralError as error:
        refused = "refused your MISTRAL_API_KEY" if error.status_code == 401 else "failed"
        sys.exit(f"Mistral {refused}: status {error.status_code}.")
    except (errors.NoResponseError, httpx2.HTTPError) as error:
        sys.exit(f"Mistral was not reached: {type(error).__name__}: {error}")


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


def a_handoff(client: Mistral, agent_id: str, headers: dict[str, str]) -> None:
    """A conversation in which agents hand over to each other."""
    question = "Who of you can write this down?"
    stream = client.beta.conversations.start_stream(
        agent_id=agent_id, inputs=question, http_headers=headers
    )
    tell(question, stream)


def get_weather(city: str) -> str:
    """Tells the weather.

    Args:
        city: where.
    """
    return f"22 degrees in {city}"


async def a_local_function(client: Mistral, headers: dict[str, str]) -> None:
    """A loop that calls a function of this program."""
    async with client, RunContext(model=MODEL) as run_context:
        run_context.register_func(get_weather)  # pyright: ignore[reportUnknownMemberType] -- the SDK's
        question = "How warm is it in Paris?"
        console.print(f"\n[bold]{question}[/]")
        result = await client.beta.conversations.run_async(
            run_ctx=run_context, inputs=question, http_headers=headers
        )
        console.print(result.output_as_text, highlight=False)


def told(scenario: str) -> dict[str, str]:
    """The header by which the emulator is told what to answer."""
    return {"x-emulator-scenario": scenario}


def converse(*, with_mistral: bool) -> None:
    """Holds all conversations."""
    with real() if with_mistral else emulated() as client:
        two_turns(client)
        agent_id = os.environ.get("MISTRAL_AGENT_ID")
        if not with_mistral:
            a_handoff(client, "ag_triage", told("handoff_chain"))
        elif agent_id:
            a_handoff(client, agent_id, {})
        asyncio.run(a_local_function(client, {} if with_mistral else told("run_function")))


def show() -> None:
    """Draws what was recorded, or says why nothing was."""
    spans = providers.finished_spans()
    draw(console, spans, providers.counters())
    if not spans:
        why = why_no_span(providers.tracer_provider)
        console.print(f"\nNo span was recorded: {why}.", highlight=False)
    if "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS" in os.environ:
        console.print(
            "\nOTEL_PYTHON_DISABLED_INSTRUMENTATIONS is for opentelemetry-instrument;"
            " this program calls instrument() itself."
        )


def send() -> None:
    """Waits until it was sent, where it is to be; ends the program with code 1 if it was not."""
    recorded = bool(providers.finished_spans())
    for endpoint in providers.endpoints if recorded else ():
        console.print(f"\nSending to {endpoint} ...")
    if unsent := providers.shutdown():
        sys.exit(
            f"Not sent: nothing took it at {' and '.join(unsent)}. Why, with the same variables:\n"
            "  .venv/bin/python -m opentelemetry.instrumentation.genai.mistralai"
        )
    if providers.endpoints:
        console.print("Sent." if recorded else "There was no span to send.")
    elif recorded:
        console.print(
            '\nTo see it in Jaeger: start one (README, "See it in Jaeger"), then\n'
            "  [bold]OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 make demo[/]"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Asks some questions and shows what was recorded.

    Args:
        arguments: those of the command line, in place of the program's own.
    """
    parser = argparse.ArgumentParser(prog="python -m examples.quickstart")
    parser.add_argument(
        "--real", action="store_true", help="ask Mistral, with your MISTRAL_API_KEY"
    )
    options = parser.parse_args(arguments)
    stdout: Any = sys.stdout
    # An answer may hold what the terminal cannot show.
    stdout.reconfigure(errors="replace")
    converse(with_mistral=options.real)
    show()
    send()


if __name__ == "__main__":
    main()
