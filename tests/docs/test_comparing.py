# SPDX-License-Identifier: Apache-2.0
"""`docs/migration.md` and `docs/comparison.md` say what was measured, and nothing is left out."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import pytest

import noxfile
from opentelemetry.instrumentation.genai.mistralai import (
    _names,  # pyright: ignore[reportPrivateUsage] -- what the names are
)
from tests.docs.peers import features, reading, tables
from tests.docs.peers.calls import CALLS
from tests.docs.peers.switches import PEERS
from tests.support import names as s
from tests.support.readme_blocks import Block, blocks_of
from tests.support.strict import STRICT

MIGRATION: Final = (tables.DOCS / "migration.md").read_text()
COMPARISON: Final = (tables.DOCS / "comparison.md").read_text()
NAMES: Final = frozenset(
    value for name, value in vars(_names).items() if name.isupper() and isinstance(value, str)
)
# Heading, and whose attributes the table there is about.
SECTIONS: Final = {
    "From OpenLLMetry": ("openllmetry",),
    "From OpenInference": ("openinference",),
    "From the SDK's own tracing": ("sdk", "sdk-1.12"),
}
_OF_EACH_CALL: Final = "chat.complete"


def section(heading: str) -> str:
    _, found, rest = MIGRATION.partition(f"\n## {heading}\n")
    assert found, heading
    return rest.partition("\n## ")[0]


def mapping(heading: str) -> list[tuple[str, list[str], str]]:
    """The rows of a table of attributes: theirs, ours, remark."""
    part = section(heading).partition("\n### Attributes\n")[2].partition("\n### ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in part.splitlines()
        if line.startswith("| `")
    ]
    return [(row[0].strip("`"), re.findall(r"`([^`]+)`", row[1]), row[2]) for row in rows]


ROWS: Final = [(heading, row) for heading in SECTIONS for row in mapping(heading)]


# The measurements


@pytest.mark.parametrize("name", noxfile.MIGRATION)
def test_each_is_measured_with_the_versions_that_nox_installs(name: str) -> None:
    sdk, python, pins = noxfile.MIGRATION[name]
    found = reading.measured(name)
    assert found["versions"]["mistralai"] == sdk
    assert found["python"].startswith(f"{python}.")
    for pin in pins:
        package, _, version = pin.partition("==")
        assert found["versions"][package] == version
    assert list(found["calls"]) == list(CALLS)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])


def test_all_that_is_compared_is_measured() -> None:
    assert set(noxfile.MIGRATION) == set(PEERS) == set(features.COLUMNS)
    assert {path.stem for path in reading.HERE.glob("*.json")} == {
        *noxfile.MIGRATION,
        *(f"{name}-beside" for name in noxfile.ALSO_BESIDE),
    }
    beside = {found[2] for found in re.finditer(r"<!-- table: (beside ([\w.-]+)) -->", MIGRATION)}
    assert beside == set(noxfile.ALSO_BESIDE)
    spans = {found[1] for found in re.finditer(r"<!-- table: spans ([\w.-]+) -->", MIGRATION)}
    assert spans == {name for names in SECTIONS.values() for name in names}


@pytest.mark.parametrize("path", sorted(reading.HERE.glob("*.json")), ids=lambda path: path.stem)
def test_no_measurement_names_a_file_of_a_machine(path: Path) -> None:
    assert re.findall(r"/(?:home|root|tmp|Users)/|site-packages|\.nox", path.read_text()) == []


@pytest.mark.parametrize("path", tables.PAGES, ids=lambda path: path.stem)
def test_the_tables_are_those_of_the_measurements(path: Path) -> None:
    page = path.read_text()
    assert tables.with_tables(page) == page, "run python -m tests.docs.peers.tables"
    assert "<!-- table: versions -->" in page


def test_each_table_of_features_is_on_the_page() -> None:
    shown = re.findall(r"<!-- table: features (\w+) -->", COMPARISON)
    assert shown == list(features.TABLES)


# Attributes


@pytest.mark.parametrize("heading", SECTIONS)
def test_each_attribute_of_theirs_has_a_row_and_there_is_no_other(heading: str) -> None:
    theirs = [row[0] for row in mapping(heading)]
    assert len(theirs) == len(set(theirs))
    emitted = {each for name in SECTIONS[heading] for each in reading.attributes(name)}
    assert emitted - set(theirs) == set()
    assert set(theirs) - emitted == set()


@pytest.mark.parametrize(("heading", "row"), ROWS, ids=lambda each: str(each)[:60])
def test_each_attribute_of_ours_is_one(heading: str, row: tuple[str, list[str], str]) -> None:
    theirs, ours, remark = row
    assert set(ours) - NAMES == set(), heading
    assert ours or remark or "mime_type" in theirs or theirs == "exception.escaped"


SAME: Final = [(heading, row) for heading, row in ROWS if row[2].startswith("same value")]


@pytest.mark.parametrize(("heading", "row"), SAME, ids=lambda each: str(each)[:60])
def test_what_is_said_to_have_the_same_value_has_it(
    heading: str, row: tuple[str, list[str], str]
) -> None:
    theirs, ours, remark = row
    on = re.match(r"same value on `([^`]+)`", remark)
    which = on[1] if on else _OF_EACH_CALL
    (name,) = ours
    here = reading.spans("ours", which)[0]["attributes"][name]
    there = [
        span["attributes"][theirs]
        for peer in SECTIONS[heading]
        for span in reading.spans(peer, which)
        if theirs in span["attributes"]
    ]
    assert there
    assert set(map(str, there)) == {str(here)}


def test_many_have_the_same_value() -> None:
    assert len(SAME) > 20


def test_other_names_on_the_pages_are_ours_or_theirs() -> None:
    known = NAMES | {each for name in PEERS for each in reading.attributes(name)}
    known |= {each for name in PEERS for each in reading.measured(name)["metrics"]}
    for page in (MIGRATION, COMPARISON):
        prose = re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
        found = set(re.findall(r"`((?:gen_ai|mistral_ai|llm)\.[\w.{}]+)`", prose))
        assert found - known == set()


# What the prose says


def test_which_metrics_are_doubled() -> None:
    for name in ("openllmetry", "openinference", "sdk", "sdk-1.12"):
        assert reading.measured(name)["metrics"] == {}
    both = reading.measured("openlit")["metrics"].keys() & NAMES
    (told,) = re.findall(r"OpenLIT has, and (three of its names.*?)\. With", MIGRATION, re.DOTALL)
    assert set(re.findall(r"`([^`]+)`", told)) == both - {s.METRIC_CHUNK}
    assert both - reading.measured("ours")["metrics"].keys() <= {s.METRIC_CHUNK}


def test_which_name_switches_the_others_off() -> None:
    (variable,) = re.findall(r"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=(\S+)", MIGRATION)
    for name in ("openllmetry", "openinference"):
        assert reading.measured(name)["entry points"] == [variable]
    assert reading.measured("ours")["entry points"] == ["genai-mistralai"]
    assert entry_points(group="opentelemetry_instrumentor", name="genai-mistralai")
    for name in ("openllmetry", "openinference"):
        assert PEERS[name].distribution in MIGRATION


def of(name: str, which: str) -> dict[str, Any]:
    return reading.spans(name, which)[0]


def test_the_differences_are_there() -> None:
    cut = "chat.stream, connection cut"
    assert not of("openllmetry", cut)["ended"]
    assert reading.call("openllmetry", "chat.stream, left in with")["raised"] == "TypeError"
    assert {of(name, "chat.complete")["kind"] for name in ("sdk", "openinference")} == {"INTERNAL"}
    assert of("ours", "chat.complete")["kind"] == "CLIENT"
    assert of("openinference", "chat.complete")["status"] == "OK"
    assert of("ours", "chat.complete")["status"] == "UNSET"
    events = [event["name"] for event in of("openinference", "chat.stream")["events"]]
    assert events == ["First Token Stream Event"]
    assert (of("sdk", cut)["status"], of("ours", cut)["status"]) == ("OK", "ERROR")
    stream = "conversations.start_stream"
    assert not [key for key in of("sdk", stream)["attributes"] if "usage" in key]
    assert of("ours", cut)["attributes"][s.STREAM_OUTCOME] == "failed"
    assert of("ours", "chat.stream, HTTP 429")["attributes"][s.ERROR_TYPE] == "429"
    assert of("openllmetry", "chat.stream, HTTP 429")["attributes"][s.ERROR_TYPE] == "SDKError"
    assert s.HTTP_STATUS_CODE not in of("ours", "chat.complete")["attributes"]


# Blocks

BLOCKS: Final = [block for page in (MIGRATION, COMPARISON) for block in blocks_of(page)]
PROMQL: Final = re.findall(
    r"^(<!-- not run: [^\n]+ -->\n)?^```promql\n(.*?)^```", MIGRATION, re.M | re.S
)


def test_no_fence_is_of_another_language() -> None:
    fences = [
        each for page in (MIGRATION, COMPARISON) for each in re.findall(r"^```(\w+)$", page, re.M)
    ]
    assert len(fences) == len(BLOCKS) + len(PROMQL)
    assert {block.language for block in BLOCKS if not block.not_run} == {"python"}


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"])
def test_each_python_block_runs(block: Block) -> None:
    done = subprocess.run(  # noqa: S603 -- ours
        [sys.executable, *STRICT, "-c", block.code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def in_prometheus(name: str) -> str:
    return re.sub(r"[^\w]", "_", name)


@pytest.mark.parametrize("query", [query for not_run, query in PROMQL if not not_run])
def test_each_query_is_about_series_that_there_are(query: str) -> None:
    """`tests/prometheus` asks them of a real one, where there is one."""
    metrics: dict[str, list[dict[str, str]]] = reading.measured("ours")["metrics"]
    labels = {in_prometheus(key) for series in metrics.values() for each in series for key in each}
    known = {in_prometheus(name) for name in metrics}
    asked = set(
        re.findall(r"\b((?:gen_ai|mistral_ai)_\w+?)(?:_seconds)?(?:_bucket|_count|_total)\b", query)
    )
    assert asked
    assert asked - known == set()
    of_labels = re.findall(r"\{([^}]*)\}|by \(([^)]*)\)", query)
    used = {
        name
        for pair in of_labels
        for part in pair
        for name in re.findall(r"(\w+)(?=[=!,)]|$)", part)
    }
    assert used - labels - {"le"} == set()
