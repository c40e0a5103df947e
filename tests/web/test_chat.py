# SPDX-License-Identifier: Apache-2.0
"""A chat in a real browser: each question is one whole trace in Jaeger, however it ends."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import Page, Route

from emulator.scenario import load_scenarios
from tests.jaeger.expected import picture
from tests.support import names as s
from tests.web.chat import Answer, Chat, ask, begun, read, run_chat

if TYPE_CHECKING:
    from pathlib import Path

    from tests.jaeger.server import Jaeger
    from tests.web.chat import NewPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODEL = "mistral-medium-latest"
SERVER, CONVERSATION, REQUEST = "POST /ask", f"  chat {MODEL}", "    POST"
ANSWERED = [SERVER, f"{CONVERSATION} | outcome=completed", REQUEST]
NEXT_TURN = [SERVER, f"{CONVERSATION} | outcome=completed | follows=another trace", REQUEST]
CUT = "httpx2.RemoteProtocolError"
LEFT = {"cancelled", "closed", "abandoned"}
TEN = 10


def spoken(scenario: str) -> str:
    """The text that the emulator sends."""
    [answer] = load_scenarios()[scenario].attempts
    text = ""
    for event in (event for group in answer.events or [] for event in group.events):
        content: Any = event.payload.get("content", "")
        text += content if isinstance(content, str) else content.get("text", "")
    return text


def of_conversation(trace: dict[str, Any]) -> dict[str, Any]:
    """The conversation's span, its tags by key."""
    [span] = [each for each in trace["spans"] if each["operationName"] == f"chat {MODEL}"]
    return {**span, "tags": tags(span)}


def tags(span: dict[str, Any]) -> dict[str, Any]:
    """A span's tags by key."""
    return {tag["key"]: tag["value"] for tag in span["tags"]}


async def test_two_turns_are_two_whole_traces_the_second_linked_to_the_first(
    page: Page, jaeger: Jaeger
) -> None:
    first = await read(await ask(page, "What do the conventions name?"))
    second = await read(await ask(page, "And in one sentence?"))

    for answer in (first, second):
        assert (answer.state, answer.why) == ("done", "")
        assert answer.link == f"{jaeger.query_url}/trace/{answer.trace_id}"
    assert (first.text, first.tool) == (spoken("web_search"), "used web_search ")
    assert (second.text, second.tool) == (spoken("answer"), "")

    opening = jaeger.trace(first.trace_id, spans=4)
    going_on = jaeger.trace(second.trace_id, spans=3)
    tool = "    execute_tool web_search | id=tool_1 | type=extension"
    assert picture(opening) == [*ANSWERED, tool]
    assert picture(going_on) == NEXT_TURN
    for answer, trace in ((first, opening), (second, going_on)):
        assert of_conversation(trace)["tags"][s.CONVERSATION_ID] == answer.conversation_id
        kinds = {span["operationName"]: tags(span)["span.kind"] for span in trace["spans"]}
        assert (kinds[SERVER], kinds["POST"]) == ("server", "client")
        assert [span["operationName"] for span in trace["spans"] if span["warnings"]] == []
    assert first.conversation_id == second.conversation_id
    links = [
        (reference["traceID"], reference["spanID"])
        for reference in of_conversation(going_on)["references"]
        if reference["refType"] == "FOLLOWS_FROM"
    ]
    assert links == [(first.trace_id, of_conversation(opening)["spanID"])]


@pytest.mark.parametrize(
    ("scenario", "leave"), [("hang", "close"), ("long", "close"), ("long", "stop")]
)
async def test_a_browser_that_leaves_ends_the_conversations_span_without_an_error(
    page: Page, jaeger: Jaeger, scenario: str, leave: str
) -> None:
    article = await ask(page, "Tell me everything.", scenario)
    trace_id = await begun(article)
    left = time.time()
    if leave == "close":
        await page.close()
    else:
        await page.get_by_role("button", name="Stop").click()
        assert (await read(article)).why == "Stopped."

    trace = jaeger.trace(trace_id, spans=3)
    span = of_conversation(trace)
    outcome = span["tags"][s.STREAM_OUTCOME]
    assert outcome in LEFT
    assert picture(trace) == [SERVER, f"{CONVERSATION} | outcome={outcome}", REQUEST]
    for each in trace["spans"]:
        assert not tags(each).keys() & {"error", s.ERROR_TYPE, "otel.status_code"}
        assert each["logs"] == []
    # Neither at its last event, nor when all would have been said.
    ended = (span["startTime"] + span["duration"]) / 1e6
    assert left - 1 < ended < time.time()


async def test_ten_browsers_at_once_have_ten_traces_and_none_is_mixed(
    new_page: NewPage, chat: Chat, jaeger: Jaeger
) -> None:
    waiting: list[Route] = []
    all_wait = asyncio.Event()

    async def hold(route: Route) -> None:
        # Ten browsers on a busy machine are not equally fast: all are let go together.
        waiting.append(route)
        if len(waiting) == TEN:
            all_wait.set()
        await all_wait.wait()
        await route.continue_()

    async def converse(number: int) -> Answer:
        page = await new_page(chat)
        await page.route("**/ask", hold)
        return await read(await ask(page, f"<b>question {number}</b>", "echo"))

    answers = await asyncio.gather(*(converse(number) for number in range(TEN)))

    assert len({answer.trace_id for answer in answers}) == TEN
    assert len({answer.conversation_id for answer in answers}) == TEN
    starts: list[int] = []
    ends: list[int] = []
    for number, answer in enumerate(answers):
        question = f"<b>question {number}</b>"
        assert answer.text == "You asked:" + f" {question}" * 5
        trace = jaeger.trace(answer.trace_id, spans=3)
        assert picture(trace) == ANSWERED
        span = of_conversation(trace)
        assert span["tags"][s.CONVERSATION_ID] == answer.conversation_id
        assert said(span, s.INPUT_MESSAGES) == question
        assert said(span, s.OUTPUT_MESSAGES) == answer.text
        starts.append(span["startTime"])
        ends.append(span["startTime"] + span["duration"])
    assert max(starts) < min(ends)


def said(span: dict[str, Any], which: str) -> str:
    """The text of the only message of that kind in a conversation's span."""
    [message] = json.loads(span["tags"][which])
    [part] = message["parts"]
    text: str = part["content"]
    return text


@pytest.mark.parametrize(
    ("scenario", "why", "tree"),
    [
        ("http_429", "Mistral answered with status 429.", [f"{CONVERSATION} | type=429", REQUEST]),
        ("http_500", "Mistral answered with status 500.", [f"{CONVERSATION} | type=500", REQUEST]),
        (
            "tool_cut",
            "The connection to Mistral failed: RemoteProtocolError.",
            [
                f"{CONVERSATION} | type={CUT} | outcome=failed",
                REQUEST,
                f"    execute_tool web_search | type={CUT} | id=tool_1 | type=extension",
            ],
        ),
    ],
    ids=["429", "500", "cut"],
)
async def test_an_error_of_the_api_is_told_and_the_next_question_is_answered(
    page: Page, jaeger: Jaeger, scenario: str, why: str, tree: list[str]
) -> None:
    failed = await read(await ask(page, "Will it work?", scenario))
    answered = await read(await ask(page, "And now?", "echo"))

    assert (failed.state, failed.why) == ("failed", why)
    trace = jaeger.trace(failed.trace_id, spans=1 + len(tree))
    assert picture(trace) == [SERVER, *tree]
    assert of_conversation(trace)["tags"]["otel.status_code"] == "ERROR"
    assert (answered.state, answered.text) == ("done", "You asked:" + " And now?" * 5)
    # What was refused began no conversation that the next question could go on with.
    expected = NEXT_TURN if scenario == "tool_cut" else ANSWERED
    assert picture(jaeger.trace(answered.trace_id, spans=3)) == expected


async def test_a_server_that_stops_sends_what_it_has_recorded(
    new_page: NewPage, jaeger: Jaeger, tmp_path: Path, console: list[str]
) -> None:
    # Only the end of the server can send them, not the hour.
    environment = {"MISTRAL_API_KEY": "", "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
    with run_chat(jaeger, tmp_path / "server.log", environment) as own:
        article = await ask(await new_page(own), "Are you there?", "hang")
        trace_id = await begun(article)
    assert (await read(article)).why == "The connection to this server was lost."
    [broken] = console
    assert "ERR_INCOMPLETE_CHUNKED_ENCODING" in broken
    console.clear()
    outcome = of_conversation(jaeger.trace(trace_id, spans=3))["tags"][s.STREAM_OUTCOME]
    assert outcome in LEFT


@pytest.mark.skipif(not os.environ.get("MISTRAL_API_KEY"), reason="no MISTRAL_API_KEY")
async def test_mistral_itself_answers(new_page: NewPage, jaeger: Jaeger, tmp_path: Path) -> None:
    with run_chat(jaeger, tmp_path / "server.log", {}) as chat:
        page = await new_page(chat)
        await page.get_by_role("textbox").fill("Say hello, in one word.")
        await page.get_by_role("button", name="Send").click()
        answer = await read(page.locator("article"))
        assert (answer.state, answer.why) == ("done", "")
        trace = jaeger.trace(answer.trace_id, spans=3)
        assert picture(trace)[:3] == ANSWERED
        assert of_conversation(trace)["tags"][s.CONVERSATION_ID] == answer.conversation_id
        assert chat.complaints() == []
