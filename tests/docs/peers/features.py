# SPDX-License-Identifier: Apache-2.0
"""The rows of `docs/comparison.md`: what a file of measurements has to say for a cell to be so."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from tests.docs.peers import reading

COLUMNS: Final = (
    "ours", "sdk", "sdk-1.12", "openinference", "openllmetry", "openlit", "ddtrace", "braintrust",
)  # fmt: skip
NO: Final = "no"
NOT_THERE: Final = "-"
Cell = Callable[[str], str]


def recorded(which: str) -> Cell:
    """Whether a call has a span that ends."""

    def cell(name: str) -> str:
        if reading.lacks(name, which):
            return NOT_THERE
        spans = reading.spans(name, which)
        if not spans:
            return NO
        open_ones = sum(not span["ended"] for span in spans)
        return "yes" if not open_ones else f"yes, and {open_ones} left open"

    return cell


def both(which: str) -> Cell:
    """The same for a method and its async twin."""

    def cell(name: str) -> str:
        answers = (recorded(which)(name), recorded(f"{which}_async")(name))
        return answers[0] if answers[0] == answers[1] else " / ".join(answers)

    return cell


def says(which: str, pattern: str, *, in_names: bool = True) -> Cell:
    """Whether the spans of a call have an attribute (or else a text) like that."""

    def cell(name: str) -> str:
        spans = reading.spans(name, which)
        if not spans:
            return NOT_THERE
        if not in_names:
            return "yes" if re.search(pattern, reading.texts(name, which)) else NO
        names = [key for span in spans for key in span["attributes"]]
        names += [event["name"] for span in spans for event in span["events"]]
        return "yes" if any(re.search(pattern, each) for each in names) else NO

    return cell


def named(which: str, pattern: str) -> Cell:
    """Whether one of the spans of a call is called like that."""

    def cell(name: str) -> str:
        spans = reading.spans(name, which)
        if not spans:
            return NOT_THERE
        return "yes" if any(re.search(pattern, span["name"]) for span in spans) else NO

    return cell


def failed(which: str) -> Cell:
    """Whether a call that failed has a span that ended as an error."""

    def cell(name: str) -> str:
        spans = reading.spans(name, which)
        if not spans:
            return NOT_THERE
        if not all(span["ended"] for span in spans):
            return "never ends"
        return "yes" if spans[0]["status"] == "ERROR" else NO

    return cell


def left(which: str) -> Cell:
    """When the span of a stream ends that was left before its end."""

    def cell(name: str) -> str:
        told = reading.call(name, which)
        if told["raised"]:
            return f"the caller gets a {told['raised']}"
        if not told["spans"]:
            return NOT_THERE
        if told["ended while the stream was held"]:
            return "at once"
        return "when the stream is freed" if told["spans"][0]["ended"] else "never"

    return cell


def on_time(name: str) -> str:
    """Whether a conversation's stream ends when the server was done."""
    told = reading.call(name, "conversations.start_stream")
    if not told["spans"]:
        return NOT_THERE
    return "yes" if told["ended when the server was done"] else "when the program has read on"


def _has_words(name: str, *, failed: bool) -> str:
    """Whether words of the caller's are in the spans of calls that failed, or of the others."""
    calls = reading.measured(name)["calls"]
    asked = [each for each in calls if bool(calls[each]["raised"]) is failed]
    texts = "".join(reading.texts(name, each) for each in asked)
    return "yes" if reading.PROMPT in texts or '"Hello"' in texts else NO


def words_unasked(name: str) -> str:
    """Whether the prompt is recorded without being asked to."""
    return _has_words(name, failed=False)


def words_in_errors(name: str) -> str:
    """Whether it is in the spans of failed calls: the errors of the API can repeat it."""
    return _has_words(name, failed=True)


def metrics(name: str) -> str:
    """Its metrics."""
    found = [each for each in reading.measured(name)["metrics"] if not each.startswith("http.")]
    return f"{len(found)}" if found else NO


def conversation_metrics(name: str) -> str:
    """Whether a metric has series of conversations, whose model no other call asks for."""
    metrics: dict[str, list[dict[str, Any]]] = reading.measured(name)["metrics"]
    series = [each for found in metrics.values() for each in found]
    told = any("mistral-medium-latest" in map(str, each.values()) for each in series)
    return "yes" if told else NO


CALLS: Final[dict[str, Cell]] = {
    "`chat.complete`, async twin": both("chat.complete"),
    "`chat.stream`, async twin": both("chat.stream"),
    "`agents.complete`": recorded("agents.complete"),
    "`agents.stream`": recorded("agents.stream"),
    "`fim.complete`": recorded("fim.complete"),
    "`fim.stream`": recorded("fim.stream"),
    "`embeddings.create`": recorded("embeddings.create"),
    "`ocr.process`": recorded("ocr.process"),
    "`classifiers.moderate`": recorded("classifiers.moderate"),
    "`audio.transcriptions.complete`": recorded("audio.transcriptions.complete"),
    "`audio.speech.complete`": recorded("audio.speech.complete"),
    "`responses.create`": recorded("responses.create"),
    "`beta.conversations.start`": recorded("conversations.start"),
    "`beta.conversations.start_stream`": recorded("conversations.start_stream"),
    "`beta.conversations.run_async`": recorded("conversations.run_async"),
    "search in an index": recorded("search_indexes.search"),
    "realtime session": recorded("realtime session"),
    "`batch.jobs.create`": recorded("batch.jobs.create"),
    "`workflows.execute_workflow`": recorded("workflows.execute_workflow"),
}
CONVERSATIONS: Final[dict[str, Cell]] = {
    "tokens": says("conversations.start_stream", r"usage\.\w*tokens|metrics\.\w*tokens"),
    "conversation id": says("conversations.start_stream", r"conversation[._]id"),
    "connectors' tokens": says("conversations.start_stream", r"connector_tokens"),
    "time to first chunk": says("conversations.start_stream", r"time_to_first|First Token"),
    "a span for a tool that ran on the server": named("conversations.start_stream", r"web_search"),
    "a span for the agent that took over": named("conversations.start_stream, handoff", "writer"),
    "the span ends when the server was done": on_time,
    "an error event is an error": failed("conversations.start_stream, error event"),
    "a stream that was left: its span ends": left("conversations.start_stream, left"),
    "`run_async`: a span for a local function": named(
        "conversations.run_async", r"(?:execute_tool|tool:) "
    ),
}
CHATS: Final[dict[str, Cell]] = {
    "tokens of a stream": says("chat.stream", r"usage\.\w*tokens|token_count|metrics\.\w*tokens"),
    "time to first chunk": says("chat.stream", r"time_to_first|First Token"),
    "function call: a span of its own": named("chat.complete, tool call", r"tool:|execute_tool"),
    "HTTP 429 on a stream is an error": failed("chat.stream, HTTP 429"),
    "connection cut in a stream is an error": failed("chat.stream, connection cut"),
    "a stream that was left: its span ends": left("chat.stream, left"),
    "a stream that was left in a `with` block": left("chat.stream, left in with"),
}
ALL: Final[dict[str, Cell]] = {
    "prompts are recorded unasked": words_unasked,
    "prompts are recorded when a call fails": words_in_errors,
    "metrics": metrics,
    "metrics of conversations": conversation_metrics,
}
TABLES: Final = {"calls": CALLS, "chats": CHATS, "conversations": CONVERSATIONS, "rest": ALL}
HEADS: Final = {
    "calls": "is there a span",
    "chats": "chat",
    "conversations": "stream of a conversation",
    "rest": "everything",
}
TITLES: Final = {
    "ours": "this package",
    "sdk": "SDK's own 3.7",
    "sdk-1.12": "SDK's own 1.12",
    "openinference": "Open&shy;Inference",
    "openllmetry": "Open&shy;LLMetry",
    "openlit": "OpenLIT",
    "ddtrace": "ddtrace",
    "braintrust": "Braintrust",
}


def table(which: str) -> str:
    """One of the tables, in Markdown."""
    rows = [[text, *(cell(name) for name in COLUMNS)] for text, cell in TABLES[which].items()]
    head = [HEADS[which], *(TITLES[name] for name in COLUMNS)]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
