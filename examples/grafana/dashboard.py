# SPDX-License-Identifier: Apache-2.0
"""Writes a dashboard for Grafana: ``python -m examples.grafana.dashboard``.

It is described with the types of ``grafana-foundation-sdk``, which needs Python 3.11, and written
to ``dashboard.json``, which is what Grafana imports.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardDashboardTemplating,
    DashboardDashboardTime,
    GridPos,
    Panel,
    RowPanel,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
    VariableType,
)

from examples.grafana import promql
from examples.grafana.panels import SOURCE, lines, number, rows

DASHBOARD = Path(__file__).with_name("dashboard.json")
_WIDTH, _HEIGHT = 24, 8


_RULES = "Needs the rules of examples/prometheus/prices.yml, whose prices have a date."
# The panels by their headings; those of a line share its width.
_BOARD: list[tuple[str, list[list[Panel]]]] = [
    (
        "Conversations",
        [
            [
                lines(
                    "Conversations a second, by outcome",
                    units.OpsPerSecond,
                    promql.OUTCOMES,
                    description="Streams by how they ended. Leaving one is no failure.",
                ),
                lines(
                    "Errors a second, by type",
                    units.OpsPerSecond,
                    promql.ERRORS,
                    description="What was refused has no model that answered: choose them all.",
                ),
                lines(
                    "Duration of what failed",
                    units.Seconds,
                    promql.FAILED_DURATION,
                    description="By type; each dot is a call that failed.",
                    exemplars=True,
                ),
            ]
        ],
    ),
    (
        "Tokens and money",
        [
            [
                lines(
                    "Tokens a minute, by model and kind",
                    units.Short,
                    promql.TOKENS,
                    description="Cached tokens are part of the input, reasoning is part of the"
                    " output; the tokens of connectors come on top.",
                    exemplars=True,
                ),
                lines(
                    "Cost of the last 24 hours, by model",
                    units.Dollars,
                    promql.COST_OF_A_DAY,
                    description=_RULES,
                ),
            ],
            [
                number("Cost in this time range", units.Dollars, promql.COST, description=_RULES),
                rows(
                    "Tokens of models without a price",
                    units.Short,
                    promql.UNPRICED,
                    description=f"What they cost is not known, and in no sum here. {_RULES}",
                ),
                number(
                    "Share of calls that fail",
                    units.PercentUnit,
                    promql.ERROR_SHARE,
                    description="In this time range.",
                ),
            ],
        ],
    ),
    (
        "Time",
        [
            [
                lines("Time to first chunk", units.Seconds, promql.FIRST_CHUNK, exemplars=True),
                lines("Duration", units.Seconds, promql.DURATION, exemplars=True),
            ]
        ],
    ),
    (
        "Tools, agents, loops",
        [
            [
                lines("Tools a minute", units.OpsPerMinute, promql.TOOLS),
                lines(
                    "Tools a minute, after a handoff",
                    units.OpsPerMinute,
                    promql.TOOLS_OF_AGENTS,
                    description="By the agent to whom the conversation was handed. No metric"
                    " counts handoffs themselves: each is a span in the trace.",
                ),
                lines("Duration of tools", units.Seconds, promql.TOOL_DURATION, exemplars=True),
            ],
            [
                lines("Connector calls a minute", units.OpsPerMinute, promql.CONNECTORS),
                lines("Agent loops a minute", units.OpsPerMinute, promql.LOOPS),
                lines("In an agent loop, on average", units.Short, promql.IN_A_LOOP),
            ],
        ],
    ),
]


def made() -> Dashboard:
    """The dashboard."""
    source = VariableModel(
        type_val=VariableType("datasource"),
        name="datasource",
        label="Prometheus",
        query="prometheus",
    )
    variables = [_variable(name, *told) for name, told in promql.VARIABLES.items()]
    return Dashboard(
        uid="mistral-conversations",
        title="Mistral conversations",
        description="Metrics of opentelemetry-instrumentation-genai-mistralai.",
        tags=["mistral", "genai", "opentelemetry"],
        time=DashboardDashboardTime("now-6h", "now"),
        refresh="1m",
        panels=[*_placed()],
        templating=DashboardDashboardTemplating([source, *variables]),
    )


def _placed() -> Iterator[Panel | RowPanel]:
    number, y = 0, 0
    for heading, shelves in _BOARD:
        number += 1
        yield RowPanel(title=heading, id_val=number, grid_pos=GridPos(1, _WIDTH, 0, y), panels=[])
        y += 1
        for shelf in shelves:
            width = _WIDTH // len(shelf)
            for place, panel in enumerate(shelf):
                number += 1
                panel.id_val = number
                panel.grid_pos = GridPos(_HEIGHT, width, place * width, y)
                yield panel
            y += _HEIGHT


def _variable(name: str, label: str, metric: str, key: str) -> VariableModel:
    return VariableModel(
        type_val=VariableType("query"),
        name=name,
        label=label,
        datasource=SOURCE,
        query=f"label_values({metric}, {key})",
        refresh=VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=VariableSort.ALPHABETICAL_ASC,
        multi=True,
        include_all=True,
        # An absent label is an empty one: what was refused has no model that answered.
        all_value=".*",
        current=VariableOption(selected=True, text=["All"], value=["$__all"]),
    )


def written() -> str:
    """The dashboard as JSON."""
    return json.dumps(made(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    DASHBOARD.write_text(written())
