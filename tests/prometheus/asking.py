# SPDX-License-Identifier: Apache-2.0
"""What Prometheus' own tool says, and what an answer of Prometheus is to be."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.prometheus.server import needed_promtool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.prometheus.server import Labels


def promtool(*arguments: str | Path) -> str:
    """What the tool says; it must find nothing wrong."""
    done = subprocess.run(  # noqa: S603 -- the tests' own
        [needed_promtool(), *arguments], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def by(label: str, values: dict[str, float]) -> dict[Labels, object]:
    """Values by one label, to the precision of floating point; an empty one is absent."""
    return {
        frozenset({(label, name)} if name else ()): pytest.approx(value, rel=1e-9)  # pyright: ignore[reportUnknownMemberType] -- pytest's
        for name, value in values.items()
    }
