# SPDX-License-Identifier: Apache-2.0
"""A page in which one types, and the answer streams in: one trace for each question.

    POST /ask                         the browser's request    FastAPI's instrumentation
      chat mistral-medium-latest      the conversation         this plugin
        POST                          the request to Mistral   httpx2's instrumentation
        execute_tool web_search       what Mistral ran         this plugin

``MISTRAL_API_KEY``: talks to Mistral; without it, to the emulator in this repository.
``OTEL_EXPORTER_OTLP_ENDPOINT``: where spans are sent. ``JAEGER_UI``: what the page's links lead to,
``JAEGER_TRACE``: the same with a place ``{}`` for the trace's id.
"""

from __future__ import annotations

import os

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

# mistralai 3 talks through httpx2, older lines through httpx. One package instruments both
# (opentelemetry-instrumentation-httpx; PyPI has no usable one named -httpx2), a class for each.
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from opentelemetry.instrumentation.genai.mistralai import instrument

provider = TracerProvider(resource=Resource.create({"service.name": "mistral-chat"}))
sends = bool(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"))
jaeger_ui = os.environ.get("JAEGER_UI", "http://localhost:16686")
jaeger_trace = os.environ.get("JAEGER_TRACE", f"{jaeger_ui}/trace/{{}}")
if sends:
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
instrument()
HTTPX2ClientInstrumentor().instrument()

# From here on, a web application that knows of OpenTelemetry only the number of its traces.
import asyncio  # noqa: E402 -- the lines above come first, to be read
from collections.abc import AsyncGenerator, AsyncIterator  # noqa: E402
from contextlib import ExitStack, asynccontextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import httpx2  # noqa: E402
from fastapi import Request  # noqa: E402
from fastapi.responses import FileResponse  # noqa: E402
from mistralai.client import Mistral, errors, models  # noqa: E402
from mistralai.client.utils.eventstreaming import EventStreamAsync  # noqa: E402
from pydantic import BaseModel  # noqa: E402
from sse_starlette import EventSourceResponse, JSONServerSentEvent  # noqa: E402

from emulator import serve  # noqa: E402

MODEL = "mistral-medium-latest"
# What can be tried on the page while the emulator answers, ten times slower than in tests.
SCENARIOS = {
    "answers as Mistral would": None,
    "repeats the question": "echo",
    "talks without end": "long",
    "falls silent": "hang",
    "breaks off": "tool_cut",
    "refuses: 429": "http_429",
    "fails: 500": "http_500",
}
SLOWER = "10"


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """One client for all requests; the last spans are sent when the server stops."""
    key = os.environ.get("MISTRAL_API_KEY")
    with ExitStack() as stack:
        emulator = None if key else stack.enter_context(serve())
        url = emulator.url if emulator else None
        async with Mistral(api_key=key or "none", server_url=url) as client:
            yield {"client": client, "emulated": emulator is not None}
    provider.shutdown()


app = FastAPI(lifespan=lifespan)
# FastAPI (0.142 and newer) makes spans itself, and leaves it to this package where that is in use.
# Without the exclusion there would be a span for each piece that is sent to the browser.
FastAPIInstrumentor.instrument_app(app, exclude_spans=["receive", "send"])


class Question(BaseModel):
    """What the page asks: the first question of a conversation, or its next one."""

    text: str
    conversation_id: str | None = None
    scenario: str | None = None


@app.get("/")
def page() -> FileResponse:
    """The page."""
    return FileResponse(Path(__file__).with_name("page.html"))


@app.get("/scenarios")
def scenarios(request: Request) -> dict[str, str | None]:
    """What the emulator can be told to do; nothing when Mistral answers."""
    return SCENARIOS if request.state.emulated else {}


# A POST: in a GET the question would be part of the address, which spans and access logs record.
@app.post("/ask")
async def ask(question: Question, request: Request) -> EventSourceResponse:
    """Answers in pieces."""
    # Not FastAPI's own class of that name (0.165): when the browser leaves in the middle, it leaves
    # the generator open, and Mistral would talk on until the garbage collector comes by.
    return EventSourceResponse(answer(question, request))


async def answer(question: Question, request: Request) -> AsyncIterator[JSONServerSentEvent]:
    """Tells the page what happens. It is cancelled or closed here when the browser leaves."""
    span = trace.get_current_span().get_span_context()
    trace_id = trace.format_trace_id(span.trace_id)
    yield sse("trace", id=trace_id, url=jaeger_trace.format(trace_id) if sends else None)
    try:
        async with await converse(question, request) as stream:
            async for event in stream:
                if (piece := told(event.data)) is not None:
                    yield piece
                # Where an answer comes faster than it is read, nothing here waits: without this,
                # nobody else is served meanwhile, and that the browser left is not noticed.
                await asyncio.sleep(0)
    except errors.MistralError as error:
        # Not its text: that repeats what the API said, which is not meant for everybody.
        yield sse("failed", why=f"Mistral answered with status {error.status_code}.")
    except (errors.NoResponseError, httpx2.HTTPError) as error:
        yield sse("failed", why=f"The connection to Mistral failed: {type(error).__name__}.")


async def converse(
    question: Question, request: Request
) -> EventStreamAsync[models.ConversationEvents]:
    """Starts a conversation, or goes on with one."""
    client: Mistral = request.state.client
    conversations = client.beta.conversations
    headers = {"x-emulator-slower": SLOWER} if request.state.emulated else {}
    if request.state.emulated and question.scenario:
        headers["x-emulator-scenario"] = question.scenario
    if question.conversation_id:
        return await conversations.append_stream_async(
            conversation_id=question.conversation_id, inputs=question.text, http_headers=headers
        )
    return await conversations.start_stream_async(
        model=MODEL, inputs=question.text, tools=[models.WebSearchTool()], http_headers=headers
    )


def told(event: models.ConversationEventsData) -> JSONServerSentEvent | None:
    """What the page is told of an event of the conversation."""
    match event:
        case models.ResponseStartedEvent():
            return sse("conversation", id=event.conversation_id)
        case models.ToolExecutionStartedEvent():
            return sse("tool", name=event.name)
        case models.MessageOutputEvent(content=str(text) | models.TextChunk(text=text)):
            return sse("text", text=text)
        case models.ResponseErrorEvent():
            return sse("failed", why=f"Mistral failed with code {event.code}.")
        case models.ResponseDoneEvent():
            return sse("done", tokens=event.usage.total_tokens)
        case _:
            return None


def sse(event: str, **data: Any) -> JSONServerSentEvent:
    """An event for the page."""
    return JSONServerSentEvent(event=event, data=data)
