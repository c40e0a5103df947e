# SPDX-License-Identifier: Apache-2.0
"""The tables of `docs/comparison.md` and `docs/migration.md` that the measurements make.

``python -m tests.docs.peers.tables`` writes them into the pages; a test fails when they are stale.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.docs.peers import features, reading

DOCS: Final = Path(__file__).parents[3] / "docs"
PAGES: Final = (DOCS / "comparison.md", DOCS / "migration.md")
_TABLE: Final = re.compile(r"(<!-- table: ([\w .-]+) -->\n).*?(<!-- /table -->)", re.DOTALL)
# What both record; elsewhere only we have spans.
BOTH: Final = (
    "chat.complete", "chat.complete_async", "chat.stream", "agents.complete", "embeddings.create",
    "ocr.process", "classifiers.moderate", "fim.complete", "conversations.start",
    "conversations.start_stream", "conversations.run_async", "batch.jobs.create",
)  # fmt: skip
MIGRATIONS: Final = ("openllmetry", "openinference", "sdk", "sdk-1.12")


def _names(name: str, which: str, scope: str | None = None) -> str:
    found = [
        f"`{span['name']}`"
        for span in reading.spans(name, which)
        if scope is None or span["scope"] == scope
    ]
    return ", ".join(found) or "none"


def names_of(name: str) -> str:
    """How the spans of each call are called there, and here."""
    rows = [
        f"| `{which}` | {_names(name, which)} | {_names('ours', which)} |"
        for which in BOTH
        if reading.spans(name, which)
    ]
    return "\n".join(["| call | their spans | our spans |", "|---|---|---|", *rows])


def beside(name: str) -> str:
    """How many spans a call has when both are on."""
    rows: list[str] = []
    for which in BOTH:
        found = reading.spans(f"{name}-beside", which)
        ours = [span for span in found if span["scope"] == reading.OURS]
        if not found or (len(ours) == len(found) and name != "sdk"):
            continue
        parents = {span["parent"] for span in ours} - {None, reading.OURS}
        inside = "yes" if parents else "no"
        rows.append(f"| `{which}` | {len(found) - len(ours)} | {len(ours)} | {inside} |")
    head = ["| call | their spans | our spans | ours inside theirs |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def measured_with() -> str:
    """The versions and dates of all measurements."""
    rows = [
        f"| {features.TITLES[name].replace('&shy;', '')} | {reading.versions(name)} |"
        f" {reading.measured(name)['versions']['opentelemetry-sdk']} |"
        f" {reading.measured(name)['python']} | {reading.measured(name)['date']} |"
        for name in features.COLUMNS
    ]
    head = "| what | version | opentelemetry-sdk | Python | measured on |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])


def made(table: str) -> str:
    """The table of that name."""
    kind, _, name = table.partition(" ")
    if kind == "features":
        return features.table(name)
    if kind == "spans":
        return names_of(name)
    if kind == "beside":
        return beside(name)
    assert table == "versions", table
    return measured_with()


def with_tables(page: str) -> str:
    """The page with its tables as they should be."""
    return _TABLE.sub(lambda found: f"{found[1]}{made(found[2])}\n{found[3]}", page)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(with_tables(path.read_text()))
