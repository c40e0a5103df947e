# SPDX-License-Identifier: Apache-2.0
"""What the example's document tells its readers to ask and to run."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "examples" / "prometheus" / "README.md"
_QUERY = re.compile(
    r"^### ([^\n]+)\n(?:(?!^### ).)*?^```promql\n(.*?)^```", re.DOTALL | re.MULTILINE
)
_PROMQL = re.compile(r"^```promql\n(.*?)^```", re.DOTALL | re.MULTILINE)
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """The text under a heading of the second level."""
    _, found, rest = DOCUMENT.read_text().partition(f"\n## {title}\n")
    assert found, f"no section {title!r}"
    return rest.partition("\n## ")[0]


def queries(mode: str) -> dict[str, str]:
    """The queries by their titles.

    Args:
        mode: ``default``, or ``latest``, where some are replaced.
    """
    default, latest = (dict(_QUERY.findall(section(title))) for title in _SECTIONS)
    assert latest.keys() < default.keys(), "one replaces nothing"
    return {**default, **latest} if mode == "latest" else default


def money_query() -> str:
    """What asks for the cost of a day."""
    (found,) = _PROMQL.findall(section("Money"))
    return str(found)


def views_block() -> str:
    """The program that shows views."""
    (block,) = _PYTHON.findall(section("Fewer attributes, other buckets"))
    return str(block)


_SECTIONS = ("Queries", "In latest mode")
