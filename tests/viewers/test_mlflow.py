# SPDX-License-Identifier: Apache-2.0
"""A real MLflow, sent the demo's conversations: what its API tells of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

import pytest

from examples.viewers import recipes
from tests.support import names as s
from tests.viewers import expected
from tests.viewers.expected import AGENT, CHAT, SEARCH, Seen, price_of, the
from tests.viewers.pages import as_shown
from tests.viewers.program import BROKEN, LEFT, REFUSED
from tests.viewers.servers import Viewer, run_viewer

KINDS: Final = {"chat": "CHAT_MODEL", "invoke_agent": "AGENT", "execute_tool": "TOOL"}
# MLflow's page draws messages that consist of these alone; one other part, and all are YAML.
DRAWN: Final = {"text", "tool_call", "tool_call_response"}


class MLflow(Viewer):
    """MLflow: spans go into an experiment."""

    health = "/health"
    into = "x-mlflow-experiment-id"

    def experiment(self, name: str) -> str:
        """The id of a new experiment."""
        made = self.ask("/api/2.0/mlflow/experiments/create", {"name": name})
        return str(made["experiment_id"])

    def traces(self, experiment: str, count: int) -> list[dict[str, Any]]:
        """The traces of an experiment as they are listed, as soon as there are so many."""
        place = {"experiment_id": experiment}
        question = {"locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": place}]}

        def ask() -> list[dict[str, Any]] | None:
            found = self.ask("/api/3.0/mlflow/traces/search", question).get("traces", [])
            return found if len(found) >= count else None

        return self.poll(ask)

    def spans(self, trace: dict[str, Any]) -> list[dict[str, Any]]:
        """The spans of a trace."""
        answer = self.ask(f"/api/3.0/mlflow/traces/get?trace_id={trace['trace_id']}")
        spans: list[dict[str, Any]] = answer["trace"]["spans"]
        return [{**span, "attributes": by_key(span["attributes"])} for span in spans]


class Run:
    """What MLflow tells of one experiment."""

    def __init__(self, mlflow: MLflow, experiment: str, count: int = expected.TRACES) -> None:
        self.traces = mlflow.traces(experiment, count)
        self.raw = [span for trace in self.traces for span in mlflow.spans(trace)]
        names = {span["span_id"]: span["name"] for span in self.raw}
        sessions = {
            trace["trace_id"]: metadata(trace).get("mlflow.trace.session") for trace in self.traces
        }
        self.spans = [seen(span, names, sessions) for span in self.raw]


def metadata(trace: dict[str, Any]) -> dict[str, str]:
    """What is listed of a trace; of a refused call there is nothing."""
    found: dict[str, str] = trace.get("trace_metadata", {})
    return found


def seen(span: dict[str, Any], names: dict[str, str], sessions: dict[str, Any]) -> Seen:
    known: dict[str, Any] = span["attributes"]
    used = known.get("mlflow.chat.tokenUsage")
    cost = known.get("mlflow.llm.cost")
    failed = span["status"].get("code") == "STATUS_CODE_ERROR"
    events = [by_key(event["attributes"]) for event in span.get("events", [])]
    return Seen(
        name=span["name"],
        kind=known["mlflow.spanType"],
        parent=names[span["parent_span_id"]] if "parent_span_id" in span else "",
        tokens=(used["input_tokens"], used["output_tokens"]) if used else None,
        cost=cost["total_cost"] if cost else None,
        session=sessions[known["mlflow.traceRequestId"]],
        input=known.get("mlflow.spanInputs"),
        output=known.get("mlflow.spanOutputs"),
        error=span["status"].get("message", "") if failed else "",
        told=[
            (event.get(s.EXCEPTION_TYPE, ""), event.get(s.EXCEPTION_MESSAGE)) for event in events
        ],
        attributes=known,
    )


def by_key(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {each["key"]: plain(each["value"]) for each in attributes}


def plain(value: dict[str, Any]) -> Any:
    """A value of OTLP as JSON."""
    if "array_value" in value:
        return [plain(each) for each in value["array_value"].get("values", [])]
    if "kvlist_value" in value:
        return by_key(value["kvlist_value"].get("values", []))
    (found,) = value.values()
    return int(found) if "int_value" in value else found


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLflow]:
    """A MLflow, started as the page says."""
    with run_viewer(MLflow, "mlflow", tmp_path_factory.mktemp("mlflow")) as running:
        yield running


@pytest.fixture(scope="module")
def told(mlflow: MLflow) -> Run:
    """What it tells when it is told what was said."""
    experiment = mlflow.experiment("told")
    mlflow.send(experiment, content=True)
    return Run(mlflow, experiment)


@pytest.fixture(scope="module")
def untold(mlflow: MLflow) -> Run:
    """What it tells when it is not."""
    experiment = mlflow.experiment("untold")
    mlflow.send(experiment, content=False)
    return Run(mlflow, experiment)


@pytest.fixture(params=["told", "untold"])
def run(request: pytest.FixtureRequest) -> Run:
    """With content, and without."""
    found: Run = request.getfixturevalue(request.param)
    return found


def test_the_page_names_the_version_that_is_tested(mlflow: MLflow) -> None:
    assert mlflow.page.install == f"pip install mlflow=={version('mlflow')}"


def test_the_commands_of_the_page_end_at_the_demos_traces(mlflow: MLflow) -> None:
    mlflow.send_as_told()
    run = Run(mlflow, "0", count=4)
    assert sum(span.tokens[0] + span.tokens[1] for span in run.spans if span.tokens) == 407
    assert expected.LOOK_UP in str([span.input for span in run.spans])


def test_the_page_shows_the_recipe_as_it_is(mlflow: MLflow) -> None:
    shown = "".join(mlflow.page.programs)
    for recipe in (recipes.for_mlflow, recipes.drawn_by_mlflow):
        assert as_shown(recipe) in shown


def test_agents_models_and_tools_are_told_apart(run: Run) -> None:
    assert sorted((span.name, span.parent) for span in run.spans) == expected.TREE
    for span in run.spans:
        operation = span.name.partition(" ")[0]
        assert (span.name, span.kind) == (span.name, KINDS[operation])


def test_every_call_has_its_tokens_and_its_published_price(run: Run) -> None:
    paid = [span for span in run.spans if span.tokens]
    assert Counter(span.tokens for span in paid) == Counter(expected.TOKENS.values())
    for span in run.spans:
        assert span.cost == (pytest.approx(price_of(span.tokens)) if span.tokens else None)
    listed = [json.loads(known["mlflow.trace.cost"]) for known in costs(run)]
    whole = sum(price_of(tokens) for tokens in expected.TOKENS.values())
    assert sum(cost["total_cost"] for cost in listed) == pytest.approx(whole)


def costs(run: Run) -> list[dict[str, str]]:
    """The metadata of those traces that are listed with a price."""
    return [known for known in map(metadata, run.traces) if "mlflow.trace.cost" in known]


def test_conversations_are_sessions(run: Run) -> None:
    for span in run.spans:
        assert span.session == span.attributes.get(s.CONVERSATION_ID)
    traces = Counter(metadata(trace).get("mlflow.trace.session") for trace in run.traces)
    # What was refused has no conversation; the two turns are one.
    assert traces.pop(None) == 1
    assert sorted(traces.values()) == [1, 1, 1, 1, 2]
    (two,) = (session for session, count in traces.items() if count == 2)
    tokens = [span.tokens for span in run.spans if span.session == two and span.tokens]
    assert sorted(tokens) == [(24, 29), (142, 38)]


def test_messages_tools_and_roots_have_what_was_said(told: Run) -> None:
    turn = the(told.spans, CHAT, expected.ONE_SENTENCE)
    assert turn.input == [message("user", expected.ONE_SENTENCE)]
    (answer,) = turn.output
    assert answer["finish_reason"] == "stop"
    assert "becomes one span" in answer["parts"][0]["content"]
    search = the(told.spans, SEARCH, "'spans'")
    assert (search.input, search.output) == ({"query": "spans"}, {"results": 3})
    (code,) = (span for span in told.spans if span.name == "execute_tool code_interpreter")
    assert (code.input, code.output) == ({"code": "1 + 1"}, {"code_output": "2"})
    (weather,) = (span for span in told.spans if span.name == "execute_tool get_weather")
    assert (weather.input, weather.output) == ({"city": "Paris"}, "22 degrees in Paris")
    loop = the(told.spans, AGENT, expected.HOW_WARM)
    assert loop.input == [message("user", expected.HOW_WARM)]
    assert loop.output == [{**message("assistant", expected.WARM), "finish_reason": "stop"}]


def test_each_trace_is_listed_with_what_began_and_ended_it(told: Run) -> None:
    asked = [trace.get("request_preview", "") for trace in told.traces]
    questions = (REFUSED, BROKEN, LEFT, expected.LOOK_UP, expected.ONE_SENTENCE,
                 expected.WRITE_DOWN, expected.HOW_WARM)  # fmt: skip
    assert [sum(question in preview for preview in asked) for question in questions] == [1] * 7
    (loop,) = (trace for trace in told.traces if expected.HOW_WARM in trace["request_preview"])
    assert expected.WARM in loop["response_preview"]


def message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def test_errors_are_told_with_the_message_only_if_content_is(told: Run, untold: Run) -> None:
    for run, content in ((told, True), (untold, False)):
        failed = {span.error: span.told for span in run.spans if span.error}
        assert failed.keys() == {"429", "500"}
        ((refused, why),) = failed["429"]
        assert refused.endswith("SDKError")
        assert (f"Requests rate limit exceeded: {REFUSED}" in why) if why else not content
        broken = failed["500"]
        assert [text for _, text in broken] == ([f"Internal error about: {BROKEN}"] * content)
        states = Counter(trace["state"] for trace in run.traces)
        assert states == {"ERROR": 2, "OK": 5}


def test_a_turn_links_to_the_turn_before_it(run: Run) -> None:
    by_id = {(span["trace_id"], span["span_id"]): span["attributes"] for span in run.raw}
    turns: list[tuple[int, int]] = []
    for span in run.raw:
        for link in span.get("links", []):
            known, before = span["attributes"], by_id[link["trace_id"], link["span_id"]]
            assert known[s.CONVERSATION_ID] == before[s.CONVERSATION_ID]
            turns.append((before[s.USAGE_INPUT_TOKENS], known[s.USAGE_INPUT_TOKENS]))
    # The second is inside the agent loop.
    assert sorted(turns) == [(18, 32), (142, 24)]


def test_nothing_that_was_said_is_told_unasked(untold: Run, told: Run) -> None:
    heard = json.dumps([told.traces, told.raw])
    assert [word for word in expected.WORDS if word not in heard] == []
    heard = json.dumps([untold.traces, untold.raw])
    assert [word for word in expected.WORDS if word in heard] == []


def kinds_of(span: Seen) -> set[str]:
    """The types of the parts of its messages."""
    messages: list[dict[str, Any]] = [*(span.input or []), *(span.output or [])]
    return {part["type"] for each in messages for part in each["parts"]}


def calls_of(spans: list[Seen]) -> list[Seen]:
    """Those with messages."""
    return [span for span in spans if s.INPUT_MESSAGES in span.attributes]


def test_with_the_recipe_all_messages_are_drawn_as_a_chat(mlflow: MLflow, told: Run) -> None:
    undrawn = [span for span in calls_of(told.spans) if not kinds_of(span) <= DRAWN]
    assert len(undrawn) == 3  # those with a tool of the server
    experiment = mlflow.experiment("drawn")
    mlflow.send(experiment, content=True, recipe="for_mlflow")
    run = Run(mlflow, experiment)
    assert len(calls_of(run.spans)) == len(calls_of(told.spans)) == 9
    assert [span for span in calls_of(run.spans) if not kinds_of(span) <= DRAWN] == []
    (answer,) = the(run.spans, AGENT, expected.WRITE_DOWN).output
    calls = [part for part in answer["parts"] if part["type"] == "tool_call"]
    assert [(each["name"], each["arguments"]) for each in calls] == [
        ("web_search", {"query": "spans"}),
        ("code_interpreter", {"code": "1 + 1"}),
    ]
    assert answer["parts"][-1] == {"type": "text", "content": "The writer answers."}
