# SPDX-License-Identifier: Apache-2.0
"""The kinds of panels that the dashboard has, each made of queries to Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.models import stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    LegendPlacement,
    ReduceDataOptions,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    FieldConfig,
    FieldConfigSource,
    Panel,
)
from grafana_foundation_sdk.models.prometheus import Dataquery, PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")


def lines(
    title: str,
    unit: str,
    asked: Mapping[str, str],
    *,
    description: str = "",
    exemplars: bool = False,
) -> Panel:
    """A panel of lines over time.

    Args:
        title: of the panel.
        unit: as Grafana calls it.
        asked: the queries, by the legends of their lines.
        description: what the reader must know.
        exemplars: whether there are dots, each of which opens a trace; only buckets and counters
            have them, a histogram's count has none.
    """
    queries = [
        Dataquery(expr, legend_format=legend, range_val=True, exemplar=exemplars, ref_id=ref)
        for ref, (legend, expr) in zip("ABCDE", asked.items(), strict=False)
    ]
    assert len(queries) == len(asked)
    options = timeseries.Options(
        legend=VizLegendOptions(show_legend=True, placement=LegendPlacement("bottom"), calcs=[]),
        tooltip=VizTooltipOptions(),
    )
    drawn = timeseries.FieldConfig(line_width=1, fill_opacity=10)
    return _panel("timeseries", title, unit, queries, description, options, drawn)


def number(title: str, unit: str, expr: str, *, description: str = "") -> Panel:
    """A panel of one number, of the time range that is looked at."""
    query = Dataquery(expr, instant=True, ref_id="A")
    options = stat.Options(reduce_options=ReduceDataOptions(calcs=["lastNotNull"]))
    return _panel("stat", title, unit, [query], description, options)


def rows(title: str, unit: str, expr: str, *, description: str = "") -> Panel:
    """A panel of a table, of now."""
    query = Dataquery(expr, instant=True, format_val=PromQueryFormat("table"), ref_id="A")
    return _panel("table", title, unit, [query], description, table.Options())


def _panel(
    kind: str,
    title: str,
    unit: str,
    queries: list[Dataquery],
    description: str,
    options: timeseries.Options | stat.Options | table.Options,
    custom: timeseries.FieldConfig | None = None,
) -> Panel:
    return Panel(
        type_val=kind,
        title=title,
        description=description,
        datasource=SOURCE,
        targets=[*queries],
        field_config=FieldConfigSource(
            defaults=FieldConfig(unit=unit, min_val=0, no_value="none", custom=custom), overrides=[]
        ),
        options=options,
    )
