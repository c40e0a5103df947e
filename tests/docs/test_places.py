# SPDX-License-Identifier: Apache-2.0
"""Each place that must know a method of the table knows it; a place that was forgotten is named."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from starlette.routing import Match

from emulator import endpoints, scenario
from emulator.state import State
from opentelemetry.instrumentation.genai.mistralai import _names
from opentelemetry.instrumentation.genai.mistralai._reading.requests import TIMED, Request
from opentelemetry.instrumentation.genai.mistralai._sdk.calls import Method
from opentelemetry.instrumentation.genai.mistralai._sdk.table import BATCHES
from tests.end_to_end.completions import test_completion_metrics, test_other_calls
from tests.support import methods, sdk
from tests.support.completions import METHODS as COMPLETIONS
from tests.support.completions import named

ROOT: Final = Path(__file__).parents[2]
# Whose whole spans, and whose metrics, have a test of their own beside the lists.
# Folders of their own: `workflows`, `results`, `batches`.
ELSEWHERE: Final = {
    "workflows.execute_workflow",
    "workflows.execute_workflow_registration",
    "workflows.execute_workflow_and_wait",
    "workflows.executions.stream",
    "workflows.events.get_stream_events",
    "events.get_stream_events",
    "beta.observability.judges.judge_conversation",
    "beta.observability.datasets.records.judge",
    "beta.context.search_indexes.generate_index_summary",
    "beta.connectors.call_tool",
    "batch.jobs.create",
    f"{methods.INDEXES}.search",
    f"{methods.INDEXES}.grep",
}
SPANS_OF_THEIR_OWN: Final = {*COMPLETIONS, "beta.agents.create", *ELSEWHERE}
METRICS_OF_THEIR_OWN: Final = {
    "embeddings.create",
    "responses.create",
    # Has the same metrics as its stream, time to first chunk aside.
    "audio.transcriptions.complete",
    *ELSEWHERE,
}


def where(module: ModuleType, name: str) -> str:
    """A name of a module as a place, such as ``CALLS in tests/...``."""
    file = inspect.getsourcefile(module)
    assert file is not None
    return f"{name} in {Path(file).relative_to(ROOT).as_posix()}"


def read(document: str) -> str:
    return (ROOT / document).read_text()


@cache
def needed() -> dict[str, Method]:
    """The methods of the table, conversations and loops aside: these have tests of their own."""
    return {
        name: row
        for name, row in methods.methods().items()
        if isinstance(row, Method) and row.cls != "Conversations"
    }


def requests() -> Iterator[tuple[str, Request]]:
    """A request of each method, and where it may be an agent's, one of those."""
    for name, row in methods.methods().items():
        if isinstance(row, Method):
            yield name, row.request(methods.GIVEN.get(name, {"model": "m"}))
            yield name, row.request({"agent_id": "ag_1"})


def untold_by(known: Mapping[str, object] | set[str], wanted: set[str], place: str) -> list[str]:
    return [f"{place}: {name}" for name in sorted(wanted - set(known))]


def unheard_of(known: Mapping[str, object] | set[str], place: str) -> list[str]:
    return [f"{place}: no {name} in the table" for name in sorted(set(known) - set(needed()))]


def arguments_forgotten() -> list[str]:
    place = where(methods, "GIVEN")
    return untold_by(methods.GIVEN, set(needed()), place) + unheard_of(methods.GIVEN, place)


def spans_forgotten() -> list[str]:
    told, place = (
        {call.method for call in test_other_calls.CALLS},
        where(test_other_calls, "CALLS"),
    )
    missing = untold_by(told, set(needed()) - SPANS_OF_THEIR_OWN, place)
    return missing + unheard_of(told | SPANS_OF_THEIR_OWN, place)


def metrics_forgotten() -> list[str]:
    timed = {name for name, request in requests() if request.measured == TIMED}
    told = {call[0] for call in test_completion_metrics.TIMED}
    others = {call[0] for call in test_completion_metrics.INFERENCES} | METRICS_OF_THEIR_OWN
    place = where(test_completion_metrics, "TIMED")
    other_place = where(test_completion_metrics, "INFERENCES")
    return [
        *untold_by(told, timed - METRICS_OF_THEIR_OWN, place),
        *untold_by(others, set(needed()) - timed, other_place),
        *unheard_of(told, place),
        *unheard_of(others, other_place),
    ]


class Asked(Exception):  # noqa: N818 -- no error
    """Tells which path a method would have asked."""


@cache
def paths(names: frozenset[str]) -> dict[str, tuple[str, str]]:
    """HTTP method and path of each of these methods, as the SDK sends them; nothing is sent."""

    def answer(request: Any) -> Any:
        raise Asked(request.method, request.url.path)

    found: dict[str, tuple[str, str]] = {}
    with sdk.httpx.Client(transport=sdk.httpx.MockTransport(answer)) as http:
        client = sdk.Mistral(api_key="key", client=http)
        for name in sorted(names):
            with pytest.raises(Asked) as caught:
                named(client, name)(**methods.GIVEN[name])
            found[name] = caught.value.args
    return found


def answers_forgotten() -> list[str]:
    """Methods that the emulator does not answer, and answers that no file holds."""
    place, missing = where(endpoints, "ENDPOINTS"), list[str]()
    routes = endpoints.routes(State(0.0))
    # A test takes one of the names away: what it leaves must not be remembered for the next test.
    known = frozenset(needed().keys() & methods.GIVEN.keys())
    for name, (verb, path) in paths(known).items():
        scope = {"type": "http", "method": verb, "path": path, "root_path": ""}
        if not any(route.matches(scope)[0] is Match.FULL for route in routes):
            missing.append(f"{place}: {name} ({verb} {path})")
    scenarios = scenario.load_scenarios()
    for row in endpoints.ENDPOINTS:
        found = scenarios.get(row.scenario)
        if found is None or found.api not in (None, row.api):
            missing.append(f"emulator/scenarios/{row.scenario}.yaml, api: {row.api}")
    return missing


def coverage(readme: str) -> dict[str, str]:
    """The rows of the README's table of methods, each with its async twin."""
    _, _, table = readme.partition("<!-- coverage:")
    rows = re.findall(r"^\| `client\.([\w.]+)` \| (.+) \|$", table.partition("<!-- /")[0], re.M)
    return dict(rows)


def rows_forgotten() -> list[str]:
    return untold_by(
        coverage(read("README.md")), set(methods.methods()), "README.md, What is covered"
    )


def methods_that_are_not() -> list[str]:
    """Methods that a document names as a client's, and a client does not have."""
    with sdk.Mistral(api_key="key") as client:
        return [
            f"{document}: client.{name} is no method of the SDK"
            for document in (
                "README.md",
                "CONTRIBUTING.md",
                "docs/scale.md",
                "docs/configuration.md",
            )
            for name in sorted(methods_in(read(document)))
            if not exists(client, name)
        ]


def methods_in(text: str) -> set[str]:
    """What a document says a client has; of a row of the table also the async twin."""
    found = set(re.findall(r"`client\.([a-z_]+(?:\.[a-z_]+)+)", text))
    twins = {name: re.findall(r"`(\w+)`", twin) for name, twin in coverage(text).items()}
    return found | {f"{name.rpartition('.')[0]}.{twin}" for name in twins for twin in twins[name]}


def exists(client: Any, name: str) -> bool:
    try:
        return callable(named(client, name))
    except AttributeError:
        return False


def changes_forgotten() -> list[str]:
    """Methods of which the changelog does not name as much as the API that they are of."""
    spelled = set(re.findall(r"`([\w.]+)`", read("CHANGELOG.md")))
    return untold_by(
        {name for name in methods.methods() if spelled & set(prefixes(name))},
        set(methods.methods()),
        "CHANGELOG.md",
    )


def prefixes(name: str) -> Iterator[str]:
    """``a.b.c``, ``a.b`` and ``a``; not ``beta``, which is no API."""
    parts = name.split(".")
    joined = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return (prefix for prefix in joined if prefix != "beta")


def operations_forgotten() -> list[str]:
    """Operations that `docs/scale.md` does not count."""
    place = "docs/scale.md, Cardinality, gen_ai.operation.name"
    (row,) = re.findall(r"^\| `gen_ai\.operation\.name` \| (\d+): (.+?) \|", read("docs/scale.md"),
                        re.M)  # fmt: skip
    told = set(re.findall(r"`(\w+)`", row[1]))
    emitted = {request.operation for _, request in requests()}
    emitted |= {row.request({}).operation for row in BATCHES}
    wrong = [f"{place}: no method has {name}" for name in sorted(told - emitted)]
    miscounted = [f"{place}: {row[0]} are said, {len(told)} named"] * (int(row[0]) != len(told))
    return untold_by(told, emitted, place) + wrong + miscounted


PLACES: Final[dict[str, Callable[[], list[str]]]] = {
    "arguments": arguments_forgotten,
    "spans": spans_forgotten,
    "metrics": metrics_forgotten,
    "emulator": answers_forgotten,
    "readme": rows_forgotten,
    "documents": methods_that_are_not,
    "changelog": changes_forgotten,
    "scale": operations_forgotten,
}
newest: Final = pytest.mark.skipif(sdk.VERSION < (3, 7), reason="the table is of the newest SDK")


@newest
@pytest.mark.parametrize("place", PLACES)
def test_each_place_knows_each_method(place: str) -> None:
    assert PLACES[place]() == []


@newest
def test_a_row_has_the_name_that_the_sdk_has_for_it() -> None:
    """By which tests find it on a version of the SDK that does not have it."""
    assert {name: methods.row_of(name) for name in methods.methods()} == methods.methods()


def every() -> list[str]:
    return [line for place in PLACES.values() for line in place()]


@newest
def test_arguments_taken_away_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(methods.GIVEN, "ocr.process")
    assert every() == ["GIVEN in tests/support/methods.py: ocr.process"]


@newest
@pytest.mark.parametrize(
    ("module", "name", "lost"),
    [
        (test_other_calls, "CALLS", "ocr.process"),
        (test_other_calls, "CALLS", "audio.speech.complete"),
        (test_completion_metrics, "TIMED", "ocr.process"),
        (test_completion_metrics, "INFERENCES", "fim.stream"),
    ],
)
def test_a_row_of_the_tests_taken_away_is_missed(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, lost: str
) -> None:
    rows: list[Any] = getattr(module, name)
    kept = [row for row in rows if lost not in (getattr(row, "method", ""), *_cells(row))]
    assert kept != rows
    monkeypatch.setattr(module, name, kept)
    assert every() == [f"{where(module, name)}: {lost}"]


def _cells(row: Any) -> list[Any]:
    return [*row] if type(row) is tuple else []


@newest
def test_an_endpoint_taken_away_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tuple(row for row in endpoints.ENDPOINTS if row.path != "/v1/ocr")
    monkeypatch.setattr(endpoints, "ENDPOINTS", kept)
    assert every() == ["ENDPOINTS in emulator/endpoints.py: ocr.process (POST /v1/ocr)"]


@newest
def test_a_scenario_taken_away_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {name: one for name, one in scenario.load_scenarios().items() if name != "embeddings"}
    monkeypatch.setattr(scenario, "load_scenarios", lambda: kept)
    assert every() == ["emulator/scenarios/embeddings.yaml, api: embedding"]


@newest
@pytest.mark.parametrize(
    ("document", "written", "instead", "told"),
    [
        ("README.md", "| `client.ocr.process` | `process_async` |\n", "",
         ["README.md, What is covered: ocr.process"]),
        ("README.md", "`client.ocr.process` | `process_async`", "`client.ocr.read` | `read_async`",
         ["README.md, What is covered: ocr.process",
          "README.md: client.ocr.read is no method of the SDK",
          "README.md: client.ocr.read_async is no method of the SDK"]),
        ("README.md", "`client.ocr.process` | `process_async`", "`client.ocr.process` | `async_`",
         ["README.md: client.ocr.async_ is no method of the SDK"]),
        ("README.md", "## What is covered", "`client.chat.ask(...)` asks.",
         ["README.md: client.chat.ask is no method of the SDK"]),
        ("CHANGELOG.md", "`embeddings`, ", "", ["CHANGELOG.md: embeddings.create"]),
        ("docs/scale.md", "15: `chat`, ", "14: ",
         ["docs/scale.md, Cardinality, gen_ai.operation.name: chat"]),
        ("docs/scale.md", "15: `chat`, ", "15: `chat`, `guess`, ",
         ["docs/scale.md, Cardinality, gen_ai.operation.name: no method has guess",
          "docs/scale.md, Cardinality, gen_ai.operation.name: 15 are said, 16 named"]),
    ],
)  # fmt: skip
def test_a_document_that_says_something_else_is_seen(
    monkeypatch: pytest.MonkeyPatch, document: str, written: str, instead: str, told: list[str]
) -> None:
    original = read

    def changed(name: str) -> str:
        text = original(name)
        if name != document:
            return text
        assert written in text
        return text.replace(written, instead)

    monkeypatch.setitem(globals(), "read", changed)
    assert every() == told


@newest
def test_a_new_row_is_missed_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What whoever adds a method is told, in the order of this file."""
    (row,) = [row for name, row in needed().items() if name == "embeddings.create"]
    new = row._replace(module="models_", cls="Models", method="list")
    rows: dict[str, methods.Row] = {**methods.methods(), "models.list": new}
    monkeypatch.setattr(methods, "methods", lambda: rows)
    needed.cache_clear()
    try:
        told = every()
    finally:
        monkeypatch.undo()
        needed.cache_clear()
    assert told == [
        "GIVEN in tests/support/methods.py: models.list",
        f"{where(test_other_calls, 'CALLS')}: models.list",
        f"{where(test_completion_metrics, 'INFERENCES')}: models.list",
        "README.md, What is covered: models.list",
        "CHANGELOG.md: models.list",
    ]


def test_each_operation_has_a_name() -> None:
    names = {value for key, value in vars(_names).items() if key.isupper()}
    assert {request.operation for _, request in requests()} <= names
