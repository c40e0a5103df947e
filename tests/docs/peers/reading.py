# SPDX-License-Identifier: Apache-2.0
"""What the JSON files say, for the pages and for their tests."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
OURS: Final = "opentelemetry.instrumentation.genai.mistralai"
PROMPT: Final = "Hello?"


@cache
def measured(name: str) -> dict[str, Any]:
    """What one of the instrumentations recorded; ``-beside``: with ours in the same process."""
    found: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text())
    return found


def call(name: str, which: str) -> dict[str, Any]:
    """What was recorded of one call."""
    found: dict[str, Any] = measured(name)["calls"][which]
    return found


def spans(name: str, which: str) -> list[dict[str, Any]]:
    """The spans of one call."""
    found: list[dict[str, Any]] = call(name, which)["spans"]
    return found


def lacks(name: str, which: str) -> bool:
    """Whether the SDK that it was measured with has no such method."""
    raised: str | None = call(name, which)["raised"]
    return raised == "AttributeError"


def attributes(name: str) -> set[str]:
    """All attributes of spans and of their events, with ``{i}`` for numbers between dots."""
    found: set[str] = set()
    for each in measured(name)["calls"].values():
        for span in each["spans"]:
            found |= {plain(key) for key in span["attributes"]}
            found |= {plain(key) for event in span["events"] for key in event["attributes"]}
    return found


def plain(attribute: str) -> str:
    """An attribute's name with letters for the numbers in it, as the pages spell it."""
    letters = iter("ij")
    return re.sub(r"(?<=\.)\d+(?=\.)", lambda _: f"{{{next(letters)}}}", attribute)


def texts(name: str, which: str) -> str:
    """Everything that the spans of one call say, as one text."""
    return json.dumps([[span["attributes"], span["events"]] for span in spans(name, which)])


def versions(name: str) -> str:
    """With which versions it was measured, in words."""
    found = measured(name)["versions"]
    own = next(iter(found.values()))
    sdk = found["mistralai"]
    return own if own == sdk and "sdk" in name else f"{own} on mistralai {sdk}"
