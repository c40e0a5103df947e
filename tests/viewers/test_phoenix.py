# SPDX-License-Identifier: Apache-2.0
"""A real Phoenix, sent the demo's conversations: what its API tells, and with the recipes."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

import pytest

from examples.viewers import recipes
from tests.support import names as s
from tests.viewers import expected
from tests.viewers.expected import AGENT, CHAT, SEARCH, TOKENS, Seen, price_of, the
from tests.viewers.pages import as_shown
from tests.viewers.program import BROKEN, LEFT, REFUSED
from tests.viewers.servers import Viewer, run_viewer

KINDS: Final = {"chat": "llm", "invoke_agent": "agent", "execute_tool": "tool"}
# What Phoenix shows as output when it finds nothing else: the response's id and model.
NOTHING: Final = json.dumps({"id": "msg_1", "model": "mistral-medium-latest"})
_SPANS: Final = """
query ($id: ID!) { node(id: $id) { ... on Project {
  traceCount tokenCountTotal costSummary { total { cost tokens } }
  sessions(first: 50) { edges { node { sessionId numTraces tokenUsage { total } } } }
  spans(first: 200) { edges { node {
    name spanKind spanId parentId statusCode statusMessage attributes
    input { value } output { value }
    tokenCountPrompt tokenCountCompletion costSummary { total { cost } }
    events { name message }
  } } }
} } }
"""


class Phoenix(Viewer):
    """Phoenix: spans go into a project, which is made by the first of them."""

    health = "/healthz"
    into = "x-project-name"

    def project(self, name: str, priced: int, traces: int) -> dict[str, Any]:
        """What it tells of a project, as soon as all has come and so many spans have a price.

        It does the sums after it has stored the spans.
        """

        def ask() -> dict[str, Any] | None:
            known = self.ask(f"/v1/projects/{name}")
            if known is None:
                return None
            asked = {"query": _SPANS, "variables": {"id": known["data"]["id"]}}
            answer = self.ask("/graphql", asked)
            assert "errors" not in answer, answer["errors"]
            found: dict[str, Any] = answer["data"]["node"]
            spans = nodes(found["spans"])
            done = found["traceCount"] >= traces and cost_of(spans) >= priced
            return found if done else None

        return self.poll(ask)


def nodes(edges: dict[str, Any]) -> list[dict[str, Any]]:
    return [edge["node"] for edge in edges["edges"]]


def cost_of(spans: list[dict[str, Any]]) -> int:
    """How many of them have a price."""
    return sum(span["costSummary"] is not None for span in spans)


class Run:
    """What Phoenix tells of one project."""

    def __init__(
        self, phoenix: Phoenix, project: str, priced: int, traces: int = expected.TRACES
    ) -> None:
        self.project = phoenix.project(project, priced, traces)
        self.raw = nodes(self.project["spans"])
        names = {span["spanId"]: span["name"] for span in self.raw}
        self.sessions = nodes(self.project["sessions"])
        self.spans = [seen(span, names) for span in self.raw]


def seen(span: dict[str, Any], names: dict[str, str]) -> Seen:
    known = json.loads(span["attributes"])
    tokens = (span["tokenCountPrompt"], span["tokenCountCompletion"])
    failed = span["statusCode"] == "ERROR"
    return Seen(
        name=span["name"],
        kind=span["spanKind"],
        parent=names[span["parentId"]] if span["parentId"] else "",
        tokens=tokens if any(tokens) else None,
        cost=span["costSummary"]["total"]["cost"] if span["costSummary"] else None,
        session=known.get("session", {}).get("id"),
        input=span["input"]["value"] if span["input"] else None,
        output=span["output"]["value"] if span["output"] else None,
        error=span["statusMessage"] if failed else "",
        told=[(event["name"], event["message"] or None) for event in span["events"]],
        attributes=known,
    )


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phoenix]:
    """A Phoenix, started as the page says."""
    with run_viewer(Phoenix, "phoenix", tmp_path_factory.mktemp("phoenix")) as running:
        yield running


def sent(phoenix: Phoenix, project: str, recipe: str = "", *, content: bool = True) -> Run:
    phoenix.send(project, content=content, recipe=recipe)
    return Run(phoenix, project, priced=len(TOKENS) if recipe else len(TOKENS) - 1)


@pytest.fixture(scope="module")
def told(phoenix: Phoenix) -> Run:
    """What it tells when it is told what was said."""
    return sent(phoenix, "told")


@pytest.fixture(scope="module")
def untold(phoenix: Phoenix) -> Run:
    """What it tells when it is not."""
    return sent(phoenix, "untold", content=False)


@pytest.fixture(scope="module")
def hooked(phoenix: Phoenix) -> Run:
    """What it tells with the hook."""
    return sent(phoenix, "hooked", "for_phoenix")


@pytest.fixture(scope="module")
def exported(phoenix: Phoenix) -> Run:
    """What it tells with the exporter."""
    return sent(phoenix, "exported", "ForPhoenix")


@pytest.fixture(params=["told", "untold"])
def run(request: pytest.FixtureRequest) -> Run:
    """With content, and without."""
    found: Run = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["hooked", "exported"])
def better(request: pytest.FixtureRequest) -> Run:
    """With each of the recipes."""
    found: Run = request.getfixturevalue(request.param)
    return found


def test_the_page_names_the_version_that_is_tested(phoenix: Phoenix) -> None:
    assert phoenix.page.install == f"pip install arize-phoenix=={version('arize-phoenix')}"


def test_the_commands_of_the_page_end_at_the_demos_traces(phoenix: Phoenix) -> None:
    phoenix.send_as_told()
    found = Run(phoenix, "default", priced=4, traces=4)
    assert found.project["tokenCountTotal"] == 297
    assert {span.kind for span in found.spans} == {"llm", "agent", "tool"}


def test_the_page_shows_the_recipes_as_they_are(phoenix: Phoenix) -> None:
    shown = "".join(phoenix.page.programs)
    for recipe in (recipes.for_phoenix, recipes.read_by_phoenix, recipes.text_of):
        assert as_shown(recipe) in shown


def test_agents_models_and_tools_are_told_apart(run: Run) -> None:
    assert sorted((span.name, span.parent) for span in run.spans) == expected.TREE
    for span in run.spans:
        operation = span.name.partition(" ")[0]
        assert (span.name, span.kind) == (span.name, KINDS[operation])


def test_without_the_recipe_an_agents_tokens_are_not_counted(run: Run) -> None:
    counted = Counter(TOKENS.values()) - Counter([TOKENS[AGENT, expected.WRITE_DOWN]])
    assert Counter(span.tokens for span in run.spans if span.tokens) == counted
    assert run.project["tokenCountTotal"] == 297
    assert run.project["costSummary"]["total"]["tokens"] == 297


def test_with_the_recipe_every_call_has_its_tokens_and_its_published_price(better: Run) -> None:
    assert Counter(span.tokens for span in better.spans if span.tokens) == Counter(TOKENS.values())
    for span in better.spans:
        assert span.cost == (pytest.approx(price_of(span.tokens)) if span.tokens else None)
    assert better.project["tokenCountTotal"] == 407
    # MLflow's, too: its tests compare it with the same published prices.
    whole = sum(map(price_of, TOKENS.values()))
    assert better.project["costSummary"]["total"] == {"cost": pytest.approx(whole), "tokens": 407}


def test_conversations_are_sessions(run: Run) -> None:
    ids = {span.attributes["gen_ai"].get("conversation", {}).get("id") for span in run.spans}
    assert {session["sessionId"] for session in run.sessions} == ids - {None}
    # What was refused has no conversation; the two turns are one.
    counts = Counter(session["numTraces"] for session in run.sessions)
    assert counts == {1: 4, 2: 1}
    (two,) = (session for session in run.sessions if session["numTraces"] == 2)
    assert two["tokenUsage"]["total"] == 233


def test_messages_are_read(told: Run) -> None:
    turn = the_call(told, CHAT, expected.ONE_SENTENCE)
    assert messages(turn, "input") == [{"role": "user", "content": expected.ONE_SENTENCE}]
    (answer,) = messages(turn, "output")
    assert "becomes one span" in answer["content"]
    loop = the_call(told, AGENT, expected.HOW_WARM)
    assert messages(loop, "input") == [{"role": "user", "content": expected.HOW_WARM}]
    (code,) = (span for span in told.spans if span.name == "execute_tool code_interpreter")
    assert code.attributes["tool"]["parameters"] == {"code": "1 + 1"}
    assert code.output == '{"code_output": "2"}'


def the_call(run: Run, name: str, asked: str) -> Seen:
    """The one call into which this went, by the attributes that the plugin sent."""
    (found,) = (
        span
        for span in run.spans
        if span.name == name and asked in json.dumps(span.attributes["gen_ai"].get("input"))
    )
    return found


def messages(span: Seen, which: str) -> list[dict[str, Any]]:
    """The messages that Phoenix has read of a span."""
    read = span.attributes.get("llm", {}).get(f"{which}_messages", [])
    return [each["message"] for each in read]


def test_of_an_answer_with_server_tools_the_text_is_read_and_the_tools_are_spans(told: Run) -> None:
    call = the_call(told, AGENT, expected.WRITE_DOWN)
    assert messages(call, "output") == [
        {"role": "assistant", "content": "The writer answers.", "finish_reason": "stop"}
    ]
    assert [span.output for span in told.spans if span.name == SEARCH] == ['{"results": 3}'] * 3


def test_an_answer_that_was_left_is_not_read_and_is_there_with_the_recipe(
    told: Run, better: Run
) -> None:
    # Phoenix reads the older schema, in which each answer has a finish reason.
    assert messages(the_call(told, CHAT, LEFT), "output") == []
    left = the(better.spans, CHAT, LEFT)
    assert str(left.output).startswith("The conventions name the spans")


def test_without_the_recipe_the_columns_show_nothing_that_was_said(told: Run) -> None:
    calls = [span for span in told.spans if not span.name.startswith("execute_tool")]
    assert {span.input for span in calls} == {None}
    assert {span.output for span in calls} <= {None, NOTHING, NOTHING.replace("msg_1", "fc_1")}


def test_with_the_hook_the_columns_of_each_call_show_what_was_said(hooked: Run) -> None:
    columns = {(span.name, span.input, span.output) for span in hooked.spans if span.tokens}
    assert {(name, read) for name, read, _ in columns} == {
        (name, asked) for name, asked in TOKENS if "degrees" not in asked
    } | {(CHAT, result_of_tool())}
    assert (AGENT, expected.WRITE_DOWN, "The writer answers.") in columns
    assert (CHAT, result_of_tool(), expected.WARM) in columns
    # No hook is called for the loop.
    (loop,) = (span for span in hooked.spans if span.name == AGENT and not span.tokens)
    assert (loop.input, loop.output) == (None, None)


def result_of_tool() -> str:
    """A message without a text: the column shows it as it is."""
    part = {"type": "tool_call_response", "id": "call_1", "response": "22 degrees in Paris"}
    return json.dumps([{"role": "tool", "parts": [part]}], separators=(",", ":"))


def test_with_the_exporter_each_trace_is_listed_with_what_was_said(exported: Run) -> None:
    roots = {(span.name, span.input) for span in exported.spans if not span.parent}
    asked = {
        CHAT: (REFUSED, BROKEN, LEFT, expected.LOOK_UP, expected.ONE_SENTENCE),
        AGENT: (expected.WRITE_DOWN, expected.HOW_WARM),
    }
    assert roots == {(name, each) for name, questions in asked.items() for each in questions}
    loop = the(exported.spans, AGENT, expected.HOW_WARM)
    assert (loop.kind, loop.output) == ("agent", expected.WARM)


def test_the_recipes_add_what_phoenix_reads_and_change_nothing_else(told: Run, better: Run) -> None:
    assert sorted((span.name, span.parent) for span in better.spans) == expected.TREE
    ours = [
        {"gen_ai", "mistral_ai", "error", "server"} & span.attributes.keys() for span in told.spans
    ]
    same = [
        {"gen_ai", "mistral_ai", "error", "server"} & span.attributes.keys()
        for span in better.spans
    ]
    assert Counter(map(frozenset, ours)) == Counter(map(frozenset, same))


def test_errors_are_told_with_the_message_only_if_content_is(told: Run, untold: Run) -> None:
    for run, content in ((told, True), (untold, False)):
        failed = {span.error: span.told for span in run.spans if span.error}
        assert failed.keys() == {"429", "500"}
        ((name, why),) = failed["429"]
        assert name == "exception"
        assert (f"Requests rate limit exceeded: {REFUSED}" in why) if why else not content
        assert [text for _, text in failed["500"]] == [f"Internal error about: {BROKEN}"] * content


def test_nothing_that_was_said_is_told_unasked(untold: Run, told: Run) -> None:
    heard = json.dumps(told.project)
    assert [word for word in expected.WORDS if word not in heard] == []
    heard = json.dumps(untold.project)
    assert [word for word in expected.WORDS if word in heard] == []


TEXT: Final = {"type": "text", "content": "Said."}
CALL: Final = {"type": "tool_call", "id": "tool_1", "name": "web_search", "arguments": {"q": 1}}
RESULT: Final = {"type": "tool_call_response", "id": "tool_1", "response": {"n": 3}}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what Phoenix imports
@pytest.mark.parametrize(
    ("parts", "read", "calls"),
    [
        ([CALL, TEXT], "Said.", 1),
        # The reason why tools of the server are not recorded like this.
        ([CALL, RESULT, TEXT], '{"n": 3}', 0),
    ],
    ids=["without a result", "with a result"],
)
def test_a_tools_result_in_an_answer_takes_its_text_away(
    parts: list[dict[str, Any]], read: str, calls: int
) -> None:
    conversion: Any = importlib.import_module("phoenix.trace.gen_ai.conversion")
    answer = {"role": "assistant", "parts": parts, "finish_reason": "stop"}
    known = {s.OUTPUT_MESSAGES: json.dumps([answer])}
    found: dict[str, Any] = conversion.get_openinference_message_attributes(known)
    assert found["llm.output_messages.0.message.content"] == read
    assert sum(key.endswith("function.name") for key in found) == calls


def test_links_are_not_kept(phoenix: Phoenix, told: Run) -> None:
    # The page says so: what Phoenix stores of a span has no place for them.
    assert told.spans
    kinds = phoenix.ask("/graphql", {"query": '{__type(name: "Span") {fields {name}}}'})
    names = {field["name"] for field in kinds["data"]["__type"]["fields"]}
    assert "events" in names
    assert not {name for name in names if "link" in name.lower()}
