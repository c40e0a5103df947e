# SPDX-License-Identifier: Apache-2.0
"""Each query of Grafana's dashboard, asked of a real Prometheus, answers with what was sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from examples.grafana.dashboard import DASHBOARD, written
from examples.prometheus.conversations import FINE_TUNED, LARGE, MEDIUM, SMALL
from tests.prometheus.costs import held

if TYPE_CHECKING:
    from tests.prometheus.scraped import Scraped
    from tests.prometheus.server import Prometheus

BOARD: dict[str, Any] = json.loads(DASHBOARD.read_text())
PANELS: dict[str, dict[str, Any]] = {
    panel["title"]: panel for panel in BOARD["panels"] if panel["type"] != "row"
}
VARIABLES: dict[str, dict[str, Any]] = {it["name"]: it for it in BOARD["templating"]["list"]}
EVERYTHING = {"service": ".*", "model": ".*", "asked": ".*", "server": ".*"}
_VARIABLE = re.compile(r"\$(\w+)")
_LEGEND = re.compile(r"\{\{(\w+)\}\}")

# By panel, what there is each time that the conversations are held, by legend.
HELD: dict[str, dict[str, float]] = {
    "Conversations a second, by outcome": {
        "completed": 4,
        "closed": 1,
        "not streamed": 5,
        "refused, or failed before the stream": 1,
    },
    "Errors a second, by type": {"404": 1},
    "Tokens a minute, by model and kind": {
        f"{MEDIUM} input": 24 + 142 + 14 + 90,
        f"{MEDIUM} output": 29 + 38 + 9 + 20,
        f"{MEDIUM} connectors": 1024 + 500,
        f"{SMALL} input": 24 + 18 + 32,
        f"{SMALL} output": 29 + 6 + 8,
        f"{LARGE} input": 2048,
        f"{LARGE} cached": 1920,
        f"{LARGE} output": 120,
        f"{LARGE} reasoning": 96,
        f"{FINE_TUNED} input": 14,
        f"{FINE_TUNED} output": 9,
        # What was refused.
        " input": 0,
        " output": 0,
    },
    "Tools a minute": {"web_search": 2, "code_interpreter": 1, "get_weather": 1},
    "Tools a minute, after a handoff": {
        "researcher: web_search": 1,
        "writer: code_interpreter": 1,
    },
    "Connector calls a minute": {"web_search": 2, "code_interpreter": 1},
    "Agent loops a minute": {"loops": 1},
}
# Seconds in what the panel's unit says.
UNITS = {"ops": 1, "opm": 60, "short": 60}
STREAMED, ASKED = {MEDIUM, SMALL}, {MEDIUM, SMALL, LARGE, FINE_TUNED}
QUANTILES = {
    "Time to first chunk": STREAMED,
    # What nobody answered has no model, and took its time.
    "Duration": {*ASKED, ""},
    "Duration of what failed": {"404"},
    "Duration of tools": {"web_search", "code_interpreter", "get_weather"},
}
OTHERS = {
    "Cost of the last 24 hours, by model",
    "Cost in this time range",
    "Tokens of models without a price",
    "Share of calls that fail",
    "In an agent loop, on average",
}


def expanded(expr: str, chosen: Mapping[str, str] = EVERYTHING) -> str:
    """What Grafana sends for a query, with these values of its variables."""
    values = {**chosen, "__rate_interval": "5m", "__range": "1h"}
    return _VARIABLE.sub(lambda found: values[found[1]], expr)


def answers(
    prometheus: Prometheus, title: str, at: float | None, chosen: Mapping[str, str] = EVERYTHING
) -> dict[str, float]:
    """What a panel shows, by the legends of its lines."""
    shown: dict[str, float] = {}
    for target in PANELS[title]["targets"]:
        for labels, value in prometheus.query(expanded(target["expr"], chosen), at).items():
            told = dict(labels)
            default = "{{gen_ai_response_model}}" if len(told) == 1 else ""
            pattern = target.get("legendFormat", default)
            legend = "".join(
                told.get(part, "") if odd else part
                for odd, part in zip(cycle((False, True)), _LEGEND.split(pattern), strict=False)
            )
            assert legend not in shown
            shown[legend] = value
    return shown


def near(value: float) -> Any:
    """That value, to the precision of floating point."""
    return pytest.approx(value, rel=1e-9)  # pyright: ignore[reportUnknownMemberType] -- pytest's


def test_the_file_is_what_the_script_writes() -> None:
    assert DASHBOARD.read_text() == written(), "run python -m examples.grafana.dashboard"


def test_the_file_is_a_dashboard_to_grafanas_own_model() -> None:
    register_default_plugins()
    # Its model drops what it does not know, so that anything of that kind would be missing here.
    read: Any = Dashboard.from_json(BOARD)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] -- its Self is 3.11's
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == BOARD


def test_no_panel_is_missing_here() -> None:
    assert {*HELD, *QUANTILES, *OTHERS} == PANELS.keys()
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len({*ids}) == len(ids)


@pytest.mark.parametrize("title", HELD)
def test_a_panel_shows_what_was_sent(scraped: Scraped, title: str) -> None:
    seconds = UNITS[PANELS[title]["fieldConfig"]["defaults"]["unit"]]
    share = scraped.extrapolation * seconds / 300
    assert answers(scraped.prometheus, title, scraped.after) == {
        legend: near(value * share) for legend, value in HELD[title].items()
    }


@pytest.mark.parametrize("title", QUANTILES)
def test_quantiles_are_there_for_each_and_the_higher_is_not_lower(
    scraped: Scraped, title: str
) -> None:
    shown = answers(scraped.prometheus, title, scraped.after)
    assert shown.keys() == {f"{p} {name}" for p in ("p50", "p95") for name in QUANTILES[title]}
    for name in QUANTILES[title]:
        assert 0 < shown[f"p50 {name}"] <= shown[f"p95 {name}"] < 82


def test_the_rest_is_what_was_sent(scraped: Scraped) -> None:
    def shown(title: str) -> dict[str, float]:
        return answers(scraped.prometheus, title, None)

    assert shown("Share of calls that fail") == {"": near(1 / 11)}
    assert shown("Tokens of models without a price") == {FINE_TUNED: 2 * (14 + 9)}
    loop = shown("In an agent loop, on average")
    assert (loop["requests"], loop["local tools"]) == (2, 1)
    assert 0.05 < loop["seconds"] < 82
    models = shown("Cost of the last 24 hours, by model")
    share = sum(models.values()) / sum(held().values())
    # By how much `increase` extrapolates.
    assert 1 < share < 1.8
    assert models == {model: near(share * dollars) for model, dollars in held().items()}
    (total,) = shown("Cost in this time range").values()
    assert 1 < total / sum(held().values()) < 1.8


def test_each_variable_offers_what_there_is(scraped: Scraped) -> None:
    offered: dict[str, set[str]] = {}
    for name, variable in VARIABLES.items():
        if variable["type"] != "query":
            continue
        assert variable["allValue"] == EVERYTHING[name]
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"])
        assert found is not None
        offered[name] = {
            *scraped.prometheus.api(f"label/{found[2]}/values", **{"match[]": found[1]})
        }
    assert offered == {
        "service": {"mistral"},
        "model": ASKED,
        "asked": {*ASKED, "mistral-unknown"},
        "server": {"127.0.0.1"},
    }


@pytest.mark.parametrize("name", EVERYTHING)
def test_what_is_not_chosen_is_not_shown(scraped: Scraped, name: str) -> None:
    of_service = {title for title in PANELS if "tool" in title.lower() or "loop" in title}
    for title in PANELS:
        shown = answers(scraped.prometheus, title, None, {**EVERYTHING, name: "nobody"})
        everything = answers(scraped.prometheus, title, None)
        if name == "service" or title not in of_service:
            assert shown == {}, title
        else:
            assert shown.keys() == everything.keys(), title
