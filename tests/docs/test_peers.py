# SPDX-License-Identifier: Apache-2.0
"""``make bench-peers``: page and charts are drawn out of the stored run; its arithmetic."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

import noxfile
from benchmarks.peers.candidates import BY_NAME, CANDIDATES, NEW, OLD, Candidate
from benchmarks.peers.chart import DARK, LIGHT, draw
from benchmarks.peers.compare import METRICS, Cell, Spread, cell, is_traced, spread, sure
from benchmarks.peers.page import PAGE, page, text_of
from benchmarks.peers.quiet import busy
from benchmarks.peers.result import ROOT, STORED, Found, Result
from benchmarks.peers.server import answer
from benchmarks.peers.workers import variables
from tests.support import sdk

EVENT: Final = next(each for each in METRICS if each.name == "chat_event_us")
MEMORY: Final = next(each for each in METRICS if each.name == "chat_kib")
OPENINFERENCE: Final = BY_NAME["openinference@3.7"]
SCOPE: Final = "openinference.instrumentation.mistralai"


def found(*events: float, kib: float = 100.0, scope: str = "", spans: float = 1.0) -> Found:
    """What a candidate would have been measured at, with these µs an event."""
    told = {scope: spans} if scope else {}
    operations = ("chat", "chat_stream", "conversation", "conversation_stream")
    measured = {each.name: [1.0 for _ in events] for each in METRICS}
    memory = {MEMORY.name: [kib], "conversation_kib": [kib]}
    return Found(
        versions={"mistralai": "3.7.0", "python": "3.12.1"},
        measured={**measured, EVENT.name: list(events), **memory},
        spans={operation: [told for _ in events] for operation in operations},
    )


def run_of(**candidates: Found) -> Result:
    """A run over candidates of the newest line."""
    each = {f"{name}@3.7": told for name, told in candidates.items()}
    return Result("2026-01-31", "2 CPUs", 8, 200, 1000, 10_000, each)


def beside(theirs: Found) -> Cell:
    """What is said of OpenInference, beside a bare SDK and ours."""
    ours = found(110, 220, 330, kib=150, scope=BY_NAME["ours@3.7"].scope)
    result = run_of(bare=found(100, 200, 300), ours=ours, openinference=theirs)
    return cell(result, OPENINFERENCE, EVENT)


def test_page_and_charts_are_drawn_out_of_the_stored_run() -> None:
    stored = Result.from_json(STORED.read_text(encoding="utf-8"))
    assert stored.to_json() == STORED.read_text(encoding="utf-8")
    again = "run python -m benchmarks.peers --draw"
    assert (STORED.parent / PAGE).read_text(encoding="utf-8") == page(stored), again
    for theme in (LIGHT, DARK):
        picture = STORED.parent / "pictures" / f"peers-{theme.name}.svg"
        assert picture.read_text(encoding="utf-8") == draw(stored, theme), again
        assert picture.stat().st_size < 150_000
        text = picture.read_text(encoding="utf-8")
        assert ET.fromstring(text).tag.endswith("svg")  # noqa: S314 -- ours


def test_the_stored_run_had_everyone_at_the_versions_of_noxfile() -> None:
    stored = Result.from_json(STORED.read_text(encoding="utf-8")).candidates
    assert set(stored) == set(BY_NAME)
    for each in CANDIDATES:
        if stored[each.name].absent:
            # The page says why; ours is never absent.
            assert not each.is_ours
            assert not each.is_bare
            continue
        mistralai, packages = noxfile.PEERS[each.environment]
        pinned = dict(package.split("==") for package in packages if "==" in package)
        versions = stored[each.name].versions
        assert versions.items() >= {**pinned, "mistralai": mistralai}.items()
        assert versions["python"].startswith(f"{noxfile.PEERS_PYTHON}.")


def test_each_environment_is_somebodys_and_each_line_has_bare_and_ours() -> None:
    assert {each.environment for each in CANDIDATES} == set(noxfile.PEERS)
    for line in (NEW, OLD):
        of_line = [each for each in CANDIDATES if each.line == line]
        assert [each.is_bare for each in of_line].count(True) == 1
        assert f"ours@{line}" in BY_NAME


def test_it_is_never_in_ci() -> None:
    assert "bench-peers" not in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([4.0], Spread(4, 4, 4)),
        ([1.0, 3.0], Spread(1.5, 2, 2.5)),
        ([50.0, 1.0, 2.0, 3.0, 4.0], Spread(2, 3, 4)),
    ],
)
def test_a_spread_is_the_median_and_the_quartiles(values: list[float], told: Spread) -> None:
    assert spread(values) == told


@pytest.mark.parametrize(
    ("value", "told"), [(1234.56, "+1,234.6"), (-0.04, "+0.0"), (0.04, "+0.0"), (-0.06, "-0.1")]
)
def test_zero_has_no_minus(value: float, told: str) -> None:
    assert EVENT.signed(value) == told


@pytest.mark.parametrize(
    ("count", "low", "high"),
    # Of n = 10 and 40 as in tables of the sign test; of one, and of five, all there is.
    [(1, 1, 1), (5, 1, 5), (6, 1, 6), (10, 2, 9), (40, 14, 27)],
)
def test_the_median_is_between_two_ranks(count: int, low: int, high: int) -> None:
    values = [float(value) for value in range(1, count + 1)]
    assert sure(values[::-1]) == (low, high)


def test_ratios_and_differences_are_of_one_round() -> None:
    # The machine was three times slower in the third round: the ratios do not see it.
    told = beside(found(120, 240, 360, scope=SCOPE))
    assert told.ratio == Spread(1.2, 1.2, 1.2)
    assert told.added == Spread(30, 40, 50)
    assert text_of(told, EVENT) == "+40.0 [+30.0, +50.0]<br>× 1.20"  # noqa: RUF001 -- as on the page


@pytest.mark.parametrize(
    ("events", "verdict", "start"),
    [
        # Ours are 110, 220, 330.
        ((105, 210, 315), "less", "**▼** "),
        ((120, 240, 360), "more", "+"),
        ((105, 220, 340), "same", "≈ "),
    ],
)
def test_a_cell_says_where_ours_is_worse(
    events: tuple[float, ...], verdict: str, start: str
) -> None:
    theirs = found(*events, scope=SCOPE)
    told = beside(theirs)
    assert told.verdict == verdict
    assert text_of(told, EVENT).startswith(start)
    ours = found(110, 220, 330, scope=BY_NAME["ours@3.7"].scope)
    text = page(run_of(bare=found(100, 200, 300), ours=ours, openinference=theirs))
    listed = "* mistralai 3.7, chat, each event: ours +20.0 [+15.0, +25.0] µs, OpenInference +10.0"
    assert (listed in text) is (verdict == "less")


@pytest.mark.parametrize(("rounds", "verdict"), [(1, "same"), (2, "same"), (3, "less")])
def test_two_rounds_tell_nothing_of_times(rounds: int, verdict: str) -> None:
    ours = found(*[110] * rounds, scope=BY_NAME["ours@3.7"].scope)
    theirs = found(*[105] * rounds, scope=SCOPE)
    result = run_of(bare=found(*[100] * rounds), ours=ours, openinference=theirs)
    assert cell(result, OPENINFERENCE, EVENT).verdict == verdict


@pytest.mark.parametrize(
    ("kib", "verdict"), [(140, "less"), (148, "same"), (152, "same"), (160, "more")]
)
def test_memory_is_measured_once_and_a_few_kib_tell_nothing(kib: float, verdict: str) -> None:
    ours = found(1, kib=150, scope=BY_NAME["ours@3.7"].scope)
    theirs = found(1, kib=kib, scope=SCOPE)
    told = cell(run_of(bare=found(1), ours=ours, openinference=theirs), OPENINFERENCE, MEMORY)
    assert told.verdict == verdict


@pytest.mark.parametrize(
    ("scope", "spans", "traced"),
    [
        (SCOPE, 1.0, True),
        (f"{SCOPE}.inner", 0.5, True),
        (SCOPE, 0.0, False),
        ("", 0.0, False),
        # The SDK's own spans, which another one switches on.
        ("mistralai_sdk_tracer", 1.0, False),
    ],
)
def test_what_made_no_span_of_its_own_is_not_traced(scope: str, spans: float, traced: bool) -> None:
    theirs = found(120, 240, 360, scope=scope, spans=spans)
    assert is_traced(OPENINFERENCE, theirs, "chat_stream") is traced
    told = beside(theirs)
    assert (told.added is not None) is traced
    assert (told.said == "not traced") is not traced
    # Whatever it traces, it has to be imported.
    ours = found(1, 1, 1, scope=BY_NAME["ours@3.7"].scope)
    result = run_of(bare=found(1, 1, 1), ours=ours, openinference=theirs)
    assert cell(result, OPENINFERENCE, METRICS[-1]).added is not None


def test_one_round_without_a_span_is_enough_not_to_be_traced() -> None:
    theirs = found(120, 240, scope=SCOPE)
    theirs.spans["chat_stream"][1] = {}
    assert not is_traced(OPENINFERENCE, theirs, "chat_stream")
    assert is_traced(OPENINFERENCE, theirs, "chat")


def test_who_could_not_be_installed_has_the_reason_in_each_cell() -> None:
    result = run_of(bare=found(1), ours=found(1), openinference=Found(absent="not installed: a|b"))
    cells = {text_of(cell(result, OPENINFERENCE, metric), metric) for metric in METRICS}
    assert cells == {"not installed: a/b"}
    assert "not measured" in draw(result, LIGHT)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/conversations"])
def test_the_server_sends_as_many_deltas_as_the_model_says(path: str) -> None:
    kind, body = answer(path, b'{"model": "deltas-7", "stream": true}')
    assert (kind, body.count(b'"word "')) == ("text/event-stream", 7)
    kind, body = answer(path, b'{"model": "deltas-7", "stream":false}')
    assert (kind, json.loads(body)["usage"]["total_tokens"]) == ("application/json", 200)


def test_what_others_use_of_the_machine_is_read_without_idle_and_guests() -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice
    assert busy("cpu  1 2 4 1000 2000 8 16 32 64 128\ncpu0 1 1 1 1 1 1 1 1 1 1\n") == 63


def test_what_the_shell_says_to_a_candidate_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setenv("DD_TRACE_ENABLED", "false")
    monkeypatch.setenv("KEPT", "1")
    told = variables()
    assert {"OTEL_SDK_DISABLED", "DD_TRACE_ENABLED"}.isdisjoint(told)
    assert told["KEPT"] == "1"


@pytest.mark.skipif(sdk.VERSION < (3, 7), reason="the candidates are of the newest SDK")
def test_one_small_round_of_the_real_thing(tmp_path: Path) -> None:
    # Braintrust is not in this environment: the run goes on without it.
    names = ["bare@3.7", "ours@3.7", "braintrust@3.7"]
    command = [
        sys.executable, "-m", "benchmarks.peers", "--rounds", "1", "--calls", "1", "--deltas",
        "40", "--long-deltas", "40", "--memory-deltas", "40", "--patience", "0", "--only", *names,
        "--python", sys.executable, "--into", str(tmp_path),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 -- ours
    assert done.returncode == 0, done.stderr
    result = Result.from_json((tmp_path / STORED.name).read_text())
    assert list(result.candidates) == names
    bare, ours, braintrust = result.candidates.values()
    assert "No module named 'braintrust'" in braintrust.absent
    # A stream is read in both kinds of rounds.
    times = {"chat": 1, "chat_stream": 2, "conversation": 1, "conversation_stream": 2}
    own = {BY_NAME["ours@3.7"].scope: 1.0}
    assert bare.spans == {operation: [{}] * count for operation, count in times.items()}
    assert ours.spans == {operation: [own] * count for operation, count in times.items()}
    for each in (bare, ours):
        assert set(each.measured) == {metric.name for metric in METRICS} | {"sink_ms"}
        assert all(len(told) == 1 and told[0] > 0 for told in each.measured.values())
    assert "braintrust" in (tmp_path / PAGE).read_text()
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {
        "peers-light.svg", "peers-dark.svg",
    }  # fmt: skip


def test_who_is_in_no_environment_is_said_so(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "{environment}" / "python")
    command = [
        sys.executable, "-m", "benchmarks.peers", "--rounds", "1", "--patience", "0",
        "--only", "ours@3.7", "openlit@1.12", "--python", nowhere, "--into", str(tmp_path),
        "--absent", "openlit=not installed: offline",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 -- ours
    # Without ours there is nothing to show.
    assert done.returncode == 1, done.stderr
    told = Result.from_json((tmp_path / STORED.name).read_text()).candidates
    assert {name: each.absent for name, each in told.items()} == {
        "ours@3.7": "no environment: `make bench-peers` makes it",
        "openlit@1.12": "not installed: offline",
    }


def test_a_candidates_function_has_the_name_up_to_its_line() -> None:
    def setup_of(each: Candidate) -> tuple[str, str]:
        return each.setup, each.line

    assert setup_of(BY_NAME["ours_content@3.7"]) == ("ours_content", NEW)
    assert setup_of(BY_NAME["openlit@1.12"]) == ("openlit", OLD)
